import { readdirSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { SkerryCommand, run, scratchDir } from './command.ts'

// Three nodes start in each of these; a busy machine takes its time.
vi.setConfig({ testTimeout: 180_000 })

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
  const printed = await demo.prints('_skerry/status')
  const urls = Array.from(printed.matchAll(/ (http:\/\/\S+) +pid /g), ([, url]) => url ?? '')
  expect(await answering(urls)).toEqual(urls)
  demo.kill('SIGKILL')
  await demo.ending()
  await expect.poll(() => answering(urls), { timeout: 30_000 }).toEqual([])
})

test('a demo that loses a node says so, exits 1, and ends the others', async () => {
  const dir = scratchDir()
  const demo = new SkerryCommand(['demo', '--port=0'], { TMPDIR: dir })
  const pids = pidsOf(await demo.prints('_skerry/status'))
  process.kill(pids[1]!, 'SIGKILL')
  const { code, stderr } = await demo.ending()
  expect(code).toBe(1)
  expect(stderr).toMatch(/^SKERRY_DEMO_FAILED: .*north ended: [^\n]+\n$/)
  expect(readdirSync(dir)).toEqual([])
  expect(pids.filter(isAlive)).toEqual([])
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

/** Those of the nodes that still serve. */
async function answering(urls: readonly string[]): Promise<string[]> {
  const answers = await Promise.allSettled(urls.map((url) => fetch(`${url}/healthz`)))
  return urls.filter((_, at) => answers[at]?.status === 'fulfilled')
}
