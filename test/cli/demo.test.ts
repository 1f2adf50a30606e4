import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SkerryCommand, run, scratchDir } from './command.ts'

test('demo --once shows three nodes converge, exits 0 and leaves nothing behind', async () => {
  const dir = scratchDir()
  const { code, stdout, stderr } = await run(['demo', '--once', '--port=0'], { TMPDIR: dir })
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(stdout).toMatch(/entries +leader (\d+), north \1, south \1; expected \1\n/)
  expect(stdout).toMatch(/\nConverged: /)
  // Nothing but plain text where nobody looks at a terminal.
  expect(stdout).not.toMatch(/\x1b|\r/)
  expect(readdirSync(dir)).toEqual([])
  expect(pidsOf(stdout).filter(isAlive)).toEqual([])
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  'demo stays until %s, and then ends its nodes and removes their data',
  async (signal) => {
    const dir = scratchDir()
    const demo = new SkerryCommand(['demo', '--port=0'], { TMPDIR: dir })
    const invited = await demo.prints('_skerry/status')
    const [, url = ''] = /curl (http:\/\/\S+)\/countries\/FR/.exec(invited) ?? []
    expect((await fetch(`${url}/countries/FR`)).status).toBe(200)
    demo.kill(signal)
    const { code, stdout } = await demo.ending()
    expect(code).toBe(0)
    expect(readdirSync(dir)).toEqual([])
    expect(pidsOf(stdout).filter(isAlive)).toEqual([])
  },
)

test('a demo stopped half way exits 1, and ends its nodes and removes their data', async () => {
  const dir = scratchDir()
  const demo = new SkerryCommand(['demo', '--once', '--port=0'], { TMPDIR: dir })
  await demo.prints('Load')
  demo.kill('SIGTERM')
  const { code, stdout, stderr } = await demo.ending()
  expect(code).toBe(1)
  expect(stderr).toMatch(/^SKERRY_DEMO_FAILED: [^\n]+\n$/)
  expect(readdirSync(dir)).toEqual([])
  expect(pidsOf(stdout).filter(isAlive)).toEqual([])
})

test('a demo that is killed takes its nodes along', async () => {
  const demo = new SkerryCommand(['demo', '--port=0'], { TMPDIR: scratchDir() })
  const pids = pidsOf(await demo.prints('_skerry/status'))
  expect(pids).toHaveLength(3)
  demo.kill('SIGKILL')
  await demo.ending()
  await expect.poll(() => pids.filter(isAlive), { timeout: 30_000 }).toEqual([])
})

test('a demo whose port is taken exits 1 and says so', async () => {
  const first = new SkerryCommand(['serve', '--memory', '--json', '--port=0'])
  const { url } = JSON.parse(await first.firstLine()) as { url: string }
  const { code, stderr } = await run(['demo', '--once', `--port=${new URL(url).port}`])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^SKERRY_DEMO_FAILED: .*SKERRY_LISTEN_FAILED/)
})

function pidsOf(stdout: string): number[] {
  return Array.from(stdout.matchAll(/ pid (\d+)/g), ([, pid]) => Number(pid))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
