import { expect, test } from 'vitest'
import { decodeFrame } from '../../src/sync/frame.ts'
import { Loop, type LoopNode, loopNode, put, rootOf } from './loop.ts'

const ENTRIES = 12_000

/** So that half of the entries is more than the window that travels unacknowledged. */
const padding = 'x'.repeat(400)

/** Writes rows `from` to `to`, many to a turn. */
async function fill(node: LoopNode, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1000) {
    const rows = Array.from({ length: Math.min(1000, to - n) }, (_, i) => n + i)
    await Promise.all(rows.map((i) => put(node, `rows/${i}`, { i, padding })))
  }
}

/** Counts the entries that travel; once there are `limit` of them, the network is cut, and stays so. */
function countEntries(loop: Loop, limit = Infinity): { count: number } {
  const sent = { count: 0 }
  loop.watcher = (frame) => {
    const { message } = decodeFrame(frame)
    if (!('entries' in message)) return
    sent.count += message.entries.length
    if (sent.count >= limit) loop.cut()
  }
  return sent
}

/** Lets the node dial again until it holds what the leader does; resolves to the entries that it took. */
async function healed(loop: Loop, node: LoopNode, leader: LoopNode): Promise<number> {
  loop.cut(false)
  const sent = countEntries(loop)
  node.env.advance(60_000)
  await loop.settled()
  expect(await rootOf(node)).toBe(await rootOf(leader))
  return sent.count
}

async function rowsOf({ store }: LoopNode): Promise<number> {
  return (await store.list('rows/*')).entries.length
}

test.each([
  { what: 'a first sync from the leader', full: 'leader' },
  { what: 'a first sync to a leader that is empty', full: 'node' },
])(
  '$what, cut at half, goes on at the point reached',
  async ({ full }) => {
    const loop = new Loop()
    const leader = await loopNode(loop, 'leader')
    loop.cut()
    const node = await loopNode(loop, 'node', { leader: 'leader' })
    const [from, to] = full === 'leader' ? [leader, node] : [node, leader]
    await fill(from, 0, ENTRIES)
    const sent = countEntries(loop, ENTRIES / 2)
    loop.cut(false)
    node.env.advance(60_000)
    await loop.settled()
    const reached = await rowsOf(to)
    expect(sent.count).toBeGreaterThanOrEqual(ENTRIES / 2)
    expect(reached).toBeGreaterThan(ENTRIES / 4)
    expect(reached).toBeLessThan(ENTRIES)
    expect(await healed(loop, node, leader)).toBe(ENTRIES - reached)
  },
  60_000,
)

test('a first sync tells how far it is, in entries of so many', { timeout: 60_000 }, async () => {
  const loop = new Loop()
  const leader = await loopNode(loop, 'leader')
  await fill(leader, 0, ENTRIES)
  const told: number[] = []
  const joining = await loopNode(loop, 'joining', { leader: 'leader' })
  loop.watcher = () => {
    const repairing = joining.sync.status().links[0]?.repairing
    if (repairing === undefined) return
    expect(repairing).toMatchObject({ key: '**', total: ENTRIES })
    told.push(repairing.done)
  }
  await loop.settled()
  expect(await rootOf(joining)).toBe(await rootOf(leader))
  expect(told).toEqual(told.toSorted((a, b) => a - b))
  expect(new Set(told).size).toBeGreaterThan(5)
  expect(joining.sync.status().links[0]).toMatchObject({ repairing: undefined, unrepaired: [] })
})

test.each(['leader', 'node'])(
  'a catch-up with the %s, cut at half, goes on at the point reached',
  async (full) => {
    const loop = new Loop()
    const leader = await loopNode(loop, 'leader')
    const node = await loopNode(loop, 'node', { leader: 'leader' })
    const [from, to] = full === 'leader' ? [leader, node] : [node, leader]
    await fill(from, 0, 10)
    await loop.settled()
    loop.cut()
    await fill(from, 10, ENTRIES)
    countEntries(loop, ENTRIES / 2)
    loop.cut(false)
    node.env.advance(60_000)
    await loop.settled()
    const reached = await rowsOf(to)
    expect(reached).toBeGreaterThan(ENTRIES / 4)
    expect(reached).toBeLessThan(ENTRIES)
    expect(await healed(loop, node, leader)).toBe(ENTRIES - reached)
  },
  60_000,
)
