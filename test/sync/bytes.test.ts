import { describe, expect, test } from 'vitest'
import { Sync } from '../../src/sync/sync.ts'
import { Loop, type LoopNode, loopNode, put, rootOf } from './loop.ts'

const padding = 'x'.repeat(150)

/** Writes rows `from` to `to`, many to a turn. */
async function fill(node: LoopNode, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1000) {
    const rows = Array.from({ length: Math.min(1000, to - n) }, (_, i) => n + i)
    await Promise.all(rows.map((i) => put(node, `rows/${i}`, { i, padding })))
  }
}

test('P13: one changed entry costs the same bytes at 100, 1k, 10k and 100k entries', async () => {
  const loop = new Loop()
  const leader = await loopNode(loop, 'leader')
  const node = await loopNode(loop, 'node', { leader: 'leader' })
  const costs: number[] = []
  let filled = 0
  for (const size of [100, 1000, 10_000, 100_000]) {
    await fill(leader, filled, size)
    filled = size
    await loop.settled()
    const before = loop.bytes
    await put(leader, 'rows/7', { i: 7, padding, size: 100_000 + size })
    await loop.settled()
    costs.push(loop.bytes - before)
    expect(await rootOf(node)).toBe(await rootOf(leader))
  }
  const [first] = costs
  // Sequence numbers and frame numbers grow by a few bytes, as numbers do.
  for (const cost of costs) expect(Math.abs(cost - first!)).toBeLessThanOrEqual(16)
  expect(first).toBeLessThan(400)
}, 60_000)

describe('a rejoin with 100 differences in 100,000 entries moves under 64 KiB beyond the data', () => {
  test.each([
    ['with checkpoints', false],
    ['without any checkpoint, by digests', true],
  ])('%s', async (_, strangers) => {
    const loop = new Loop()
    const leader = await loopNode(loop, 'leader')
    await fill(leader, 0, 100_000)
    const node = await loopNode(loop, 'node', { leader: 'leader' })
    await loop.settled()
    await leader.sync.stop()
    await node.sync.stop()
    for (let i = 0; i < 50; i++) {
      await put(leader, `rows/${i * 1999}`, { at: 'leader', i, padding })
      await put(node, `rows/${i * 1999 + 1}`, { at: 'node', i, padding })
    }
    if (strangers) await node.store.renewEpoch()
    const { run, epoch } = leader.store
    expect(node.store.checkpoint('leader', '**')).toEqual(
      strangers ? undefined : { epoch, run, seq: expect.any(Number) as number },
    )

    const data = 100 * JSON.stringify({ at: 'leader', i: 10, padding }).length
    const before = loop.bytes
    const again = new Loop()
    const a = rejoin(again, leader)
    const b = rejoin(again, node, 'leader')
    await again.settled()
    expect(await rootOf(b)).toBe(await rootOf(a))
    expect(loop.bytes).toBe(before)
    expect(again.bytes - data).toBeLessThan(64 * 1024)
    expect(again.bytes).toBeGreaterThan(data)
  })
}, 60_000)

/** The same store, linked anew. */
function rejoin(loop: Loop, { store, env }: LoopNode, leader?: string): LoopNode {
  const sync = new Sync({ store, env, transport: loop, ...(leader && { leader }) })
  loop.serve(store.nodeId, sync)
  sync.start()
  return { store, env, sync }
}
