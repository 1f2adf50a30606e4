import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { errorCodes } from '../../src/core/errors.ts'
import { filesBelow, packageFile, read, root } from './sources.ts'

test('docs/errors.md lists exactly the codes of the error table, with their status', () => {
  const rows = read('docs/errors.md').matchAll(/^\| `(SKERRY_\w+)` +\| (\d+) /gm)
  const documented = Array.from(rows, ([, code, status]) => `${code} ${status}`)
  const thrown = Array.from(errorCodes, ([code, status]) => `${code} ${status}`)
  expect(documented.sort()).toEqual(thrown.sort())
})

test('docs/invariants.md names tests that exist, under numbers that are used once', () => {
  const rows = Array.from(read('docs/invariants.md').matchAll(/^\| ([A-Z]+\d+) .*\| (.*) \|$/gm))
  const numbers = rows.map(([, number]) => number)
  expect(numbers.length).toBeGreaterThan(20)
  expect(new Set(numbers).size).toBe(numbers.length)
  const missing: string[] = []
  for (const [, number, holders = ''] of rows) {
    for (const [, path = '', names = ''] of holders.matchAll(/`([^`]+)`([^`]*)/g)) {
      for (const [, name = ''] of names.matchAll(/"([^"]+)"/g)) {
        const there = existsSync(join(root, path)) && read(path).includes(`'${name}'`)
        if (!there) missing.push(`${number}: ${path} "${name}"`)
      }
    }
  }
  expect(missing).toEqual([])
})

test('every npm script that a document tells to run exists', () => {
  const { scripts } = packageFile()
  const unknown: string[] = []
  for (const path of filesBelow('.').filter((name) => name.endsWith('.md'))) {
    for (const [command, name = ''] of read(path).matchAll(
      /\bnpm run (?:-s |--silent )?([\w:-]+)/g,
    ))
      if (!(name in scripts)) unknown.push(`${path}: ${command}`)
  }
  expect(unknown).toEqual([])
})

test('the first two commands of the README are a line each: the main job, then the tests', (context) => {
  if (!existsSync(join(root, 'README.md'))) context.skip('README.md is not written yet')
  const blocks = Array.from(read('README.md').matchAll(/^```bash\n(.*?)^```$/gms), ([, body]) =>
    body?.trim(),
  )
  expect(blocks[0]).toMatch(/^npm ci && npm run demo\b.*$/)
  expect(blocks[1]).toMatch(/^npm ci && npm (run )?test\b.*$/)
})

test('every door is an export of the package, and every export a door', () => {
  const { exports, bin } = packageFile()
  const doors = filesBelow('src').filter((path) => /^src\/[^/]+\.ts$/.test(path))
  const expected = new Map<string, unknown>([['./package.json', './package.json']])
  for (const door of doors) {
    const name = door.slice('src/'.length, -'.ts'.length)
    const built = `./dist/src/${name}`
    const files = { types: `${built}.d.ts`, default: `${built}.js` }
    expected.set(name === 'index' ? '.' : `./${name}`, files)
  }
  expect(exports).toEqual(Object.fromEntries(expected))
  expect(bin).toEqual({ skerry: './dist/src/cli/main.js' })
})
