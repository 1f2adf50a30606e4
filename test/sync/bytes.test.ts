import { expect, test } from 'vitest'
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
  for (const cost of costs) expect(Math.abs(cost - first!)).toBeLessThanOrEqual(24)
  expect(first).toBeLessThan(400)
}, 180_000)

test('a rejoin with 100 differences in 100,000 entries moves under 64 KiB beyond the data', async () => {
  const leader = await loopNode(new Loop(), 'leader')
  await fill(leader, 0, 100_000)
  const node = await loopNode(new Loop(), 'node')
  await linkedAgain(leader, node)

  const resumed = await bytesOfRejoin(leader, node, 'resumed')
  expect(node.store.checkpoint('leader', '**')).toBeDefined()
  expect(resumed).toBeLessThan(64 * 1024)

  await node.store.renewEpoch()
  expect(node.store.checkpoint('leader', '**')).toBeUndefined()
  const repaired = await bytesOfRejoin(leader, node, 'repaired')
  expect(repaired).toBeLessThan(64 * 1024)
}, 180_000)

/** What it takes to bring two nodes together again that changed 50 entries each, beyond the changes. */
async function bytesOfRejoin(leader: LoopNode, node: LoopNode, round: string): Promise<number> {
  let data = 0
  for (let i = 0; i < 50; i++) {
    const value = { round, i, padding }
    await put(leader, `rows/${i * 1999}`, value)
    await put(node, `rows/${i * 1999 + 1}`, value)
    data += 2 * JSON.stringify(value).length
  }
  return (await linkedAgain(leader, node)) - data
}

/** Links two stores until nothing moves any more; resolves to the bytes that it took. */
async function linkedAgain(leader: LoopNode, node: LoopNode): Promise<number> {
  const loop = new Loop()
  const links = [link(loop, leader), link(loop, node, 'leader')]
  await loop.settled()
  expect(await rootOf(node)).toBe(await rootOf(leader))
  for (const sync of links) await sync.stop()
  await loop.settled()
  return loop.bytes
}

function link(loop: Loop, { store, env }: LoopNode, leader?: string): Sync {
  const sync = new Sync({ store, env, transport: loop, ...(leader && { leader }) })
  loop.serve(store.nodeId, sync)
  sync.start()
  return sync
}
