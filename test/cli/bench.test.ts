import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { runningNode } from '../server/running.ts'
import { run, SkerryCommand } from './command.ts'

interface Report {
  readonly url: string
  readonly comparisons: readonly {
    readonly name: string
    readonly ours: { readonly perSecond: number }
    readonly bare: { readonly perSecond: number }
    readonly ratio: number
  }[]
}

const BRIEF = ['bench', '--seconds', '0.2']

/** Long enough for six measurements and two processes on a busy machine. */
const PATIENCE = { timeout: 120_000 }

const ALL = ['writes', 'reads', 'deliveries']

test(
  'bench measures a node of its own beside a bare loop, and leaves nothing behind',
  PATIENCE,
  async () => {
    const { code, stdout, stderr } = await run([...BRIEF, '--json'])
    expect(code).toBe(0)
    const dir = /keeps its data in (\S+)/.exec(stderr)![1]!
    expect(existsSync(dir)).toBe(false)
    const { url, comparisons } = JSON.parse(stdout) as Report
    expect(comparisons.map(({ name }) => name)).toEqual(ALL)
    for (const { ours, bare, ratio } of comparisons) {
      expect(Math.min(ours.perSecond, bare.perSecond)).toBeGreaterThan(0)
      expect(ratio).toBe(ours.perSecond / bare.perSecond)
    }
    await expect(fetch(url)).rejects.toThrow()
  },
)

test(
  'bench against a node says below which path it writes, and deletes what it wrote',
  PATIENCE,
  async () => {
    const written = new Set<string>()
    const onChange = ({ path }: { path: string }): void => void written.add(path)
    const { url, state } = await runningNode({ filters: { '**': { onChange } } })
    await state.set('mine', 1)
    const { code, stdout, stderr } = await run([...BRIEF, '--against', url])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^writes +[\d,]+\/s +[\d,]+\/s +\d+\.\d\d /m)
    const [, path, at] = /writes below '(bench-[0-9a-f]{8}\/)' at (\S+),/.exec(stderr)!
    expect(at).toBe(url)
    written.delete('mine')
    expect([...written].filter((each) => !each.startsWith(path!))).toEqual([])
    expect(written.size).toBeGreaterThan(1000)
    expect(await state.keys()).toEqual(['mine'])
  },
)

test('bench that is told to stop cleans up all the same', PATIENCE, async () => {
  const { url, state } = await runningNode()
  const bench = new SkerryCommand(['bench', '--seconds', '3600', '--against', url])
  await expect.poll(async () => (await state.keys()).length, PATIENCE).toBeGreaterThan(0)
  bench.kill('SIGINT')
  const { code, stderr } = await bench.ending()
  expect(code).toBe(1)
  expect(stderr).toContain('SKERRY_BENCH_FAILED: the measurement was not finished: it was told')
  expect(await state.keys()).toEqual([])
})

test('bench refuses what it can not use, and says what a node refuses', PATIENCE, async () => {
  for (const seconds of ['0', '-1', 'x', '1e9', '']) {
    expect(await run(['bench', '--seconds', seconds])).toMatchObject({ code: 2, stdout: '' })
  }
  expect((await run(['bench', '--against', 'nowhere'])).code).toBe(2)
  const unreachable = await run([...BRIEF, '--against', 'http://127.0.0.1:1'])
  expect(unreachable).toMatchObject({ code: 1, stdout: '' })
  expect(unreachable.stderr).toContain('SKERRY_NODE_UNREACHABLE')
  const { url } = await runningNode({ static: true })
  const refused = await run([...BRIEF, '--against', url])
  expect(refused.stderr).toContain('SKERRY_ROUTE_CLOSED')
})
