import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skerry-reporter-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

/** Runs the given test files by themselves; resolves with their exit code and last lines. */
async function runTests(files: Record<string, string>): Promise<{ code: unknown; end: string[] }> {
  for (const [name, body] of Object.entries(files)) await writeFile(join(folder, name), body)
  const args = [here('../node_modules/vitest/vitest.mjs'), 'run', '--globals', '--root', folder]
  return new Promise((resolve) => {
    execFile(process.execPath, [...args, '--reporter', here('reporter.ts')], (error, stdout) => {
      resolve({ code: error?.code ?? 0, end: stdout.trimEnd().split('\n') })
    })
  })
}

test('skipped tests are named with their reason, before the closing line', async () => {
  const { code, end } = await runTests({
    'one.test.js': `
      test('holds', () => expect(1).toBe(1))
      test('needs Redis', ({ skip }) => skip('Redis is not installed'))
      test.skip('is silent', () => {})
    `,
  })
  expect(code).toBe(0)
  expect(end.slice(-3)).toEqual([
    'SKIPPED one.test.js > needs Redis: Redis is not installed',
    'SKIPPED one.test.js > is silent: NO REASON GIVEN',
    '1 passed, 0 failed, 2 skipped',
  ])
})

test('whatever breaks outside of a test counts as failed', async () => {
  const { code, end } = await runTests({
    'unloadable.test.js': `throw new Error('at import')`,
    'hook.test.js': `
      describe('suite', () => {
        beforeAll(() => { throw new Error('in a hook') })
        test('never runs', () => {})
      })
    `,
    'stray.test.js': `
      test('holds', () => { void Promise.reject(new Error('nobody caught this')) })
    `,
    'wrong.test.js': `test('fails', () => expect(1).toBe(2))`,
  })
  expect(code).toBe(1)
  expect(end.at(-1)).toBe('1 passed, 4 failed, 1 skipped')
})
