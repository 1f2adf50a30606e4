import { expect, test } from 'vitest'
import { stampOf } from '../../src/core/entry.ts'
import { NS_PER_MS } from '../../src/core/env.ts'
import type { SyncEvent } from '../../src/sync/event.ts'
import { MAX_ASKED_AGAIN, PING_INTERVAL_MS } from '../../src/sync/wire.ts'
import { HandPeer, hello, streamFrom } from './hand.ts'
import { Loop, type LoopNode, loopNode, put } from './loop.ts'

const HOUR_MS = 3_600_000

/** Lets the same time pass on all nodes, step by step. */
async function pass(loop: Loop, ms: number, ...nodes: LoopNode[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    for (const { env } of nodes) env.advance(1000)
    await loop.settled()
  }
}

/** What the node says of the clocks of its peers, by their ids. */
function offsets({ sync }: LoopNode): Record<string, number | undefined> {
  const { links } = sync.status()
  return Object.fromEntries(links.map(({ peer, clockOffsetMs }) => [peer!, clockOffsetMs]))
}

test('a peer whose clock jumps while the link stands is noticed, and so is that it is right again', async () => {
  const loop = new Loop()
  const events: SyncEvent[] = []
  const lead = await loopNode(loop, 'lead')
  const node = await loopNode(loop, 'node', { leader: 'lead', onEvent: (e) => events.push(e) })
  await pass(loop, PING_INTERVAL_MS, lead, node)
  expect(offsets(node)).toEqual({ lead: 0 })
  const peer = 'lead'
  const linked = { type: 'linked', peer, clockOffsetMs: 0 }
  expect(events.splice(0)).toMatchObject([linked])

  lead.env.stepClock(HOUR_MS)
  await pass(loop, PING_INTERVAL_MS, lead, node)
  expect(offsets(node)).toEqual({ lead: HOUR_MS })
  expect(events.splice(0)).toEqual([{ type: 'drifted', peer, clockOffsetMs: HOUR_MS }])
  expect(node.store.time()).toBe(lead.env.now())
  // What the leader writes now is not kept aside, though it is an hour ahead of this node's clock.
  await put(lead, 'users/1', 1)
  await loop.settled()
  expect(await node.store.read('users/1')).toBeDefined()

  lead.env.stepClock(-HOUR_MS)
  await pass(loop, PING_INTERVAL_MS, lead, node)
  expect(node.store.time()).toBe(node.env.now())
  expect(events.filter(({ type }) => type === 'steadied')).toEqual([
    { type: 'steadied', peer, clockOffsetMs: 0 },
  ])
})

test('a node whose own clock jumps while links stand goes by its leader, and puts right what it stamped', async () => {
  const loop = new Loop()
  const lead = await loopNode(loop, 'lead', { keys: ['users/*'] })
  const node = await loopNode(loop, 'node', { leader: 'lead' })
  await pass(loop, PING_INTERVAL_MS, lead, node)
  node.env.stepClock(HOUR_MS)
  await put(node, 'own/1', 1)
  await put(node, 'own/2', 2)
  const ahead = stampOf((await node.store.newest('own/1'))!)
  expect(ahead - lead.env.now()).toBeGreaterThan(BigInt(HOUR_MS - 1000) * NS_PER_MS)

  await pass(loop, PING_INTERVAL_MS, lead, node)
  expect(node.store.time()).toBe(lead.env.now())
  const [one, two] = [await node.store.newest('own/1'), await node.store.newest('own/2')]
  expect(stampOf(two!)).toBeGreaterThan(stampOf(one!))
  expect(stampOf(two!)).toBeLessThanOrEqual(lead.env.now() + NS_PER_MS)
  // The new epoch has it link anew, and the leader takes what it writes from now on.
  await pass(loop, PING_INTERVAL_MS, lead, node)
  await put(node, 'users/1', 1)
  await loop.settled()
  expect(await lead.store.read('users/1')).toBeDefined()
})

test('what a peer has just acknowledged is not stamped anew', async () => {
  const loop = new Loop()
  const lead = await loopNode(loop, 'lead')
  const node = await loopNode(loop, 'node', { leader: 'lead' })
  await pass(loop, PING_INTERVAL_MS, lead, node)
  for (const { env } of [lead, node]) env.stepClock(HOUR_MS)
  await put(node, 'users/1', 1)
  await loop.settled()
  const written = await lead.store.newest('users/1')
  expect(written).toBeDefined()
  node.env.stepClock(-HOUR_MS)
  expect(await node.store.restamp()).toBe(0)
  expect(await node.store.newest('users/1')).toEqual(written)
})

test('a peer whose answers say nothing about its clock is asked again so many times, and let go in the end', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  const peer = new HandPeer(loop, node)
  const answer = (): bigint => {
    // Whoever sets this node's clock between question and answer makes that worthless.
    node.env.stepClock(HOUR_MS)
    return node.env.now()
  }
  peer.clock = answer
  await peer.say(hello)
  for (let i = 0; i < 10 * MAX_ASKED_AGAIN; i++) await peer.say({ kind: 'pong', clock: answer() })
  expect(peer.all('ping')).toHaveLength(1 + MAX_ASKED_AGAIN)
  expect(peer.all('resume')).toEqual([])
  await pass(loop, PING_INTERVAL_MS, node)
  expect(peer.bye).toBe('SKERRY_LINK_TIMEOUT')
})

test('a peer whose answer says something at last is let in, however many said nothing before', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  const peer = new HandPeer(loop, node)
  peer.clock = () => {
    node.env.stepClock(HOUR_MS)
    return node.env.now()
  }
  await peer.say(hello)
  for (let i = 1; i < MAX_ASKED_AGAIN; i++) {
    await peer.say({ kind: 'pong', clock: peer.clock() })
  }
  await peer.say({ kind: 'pong', clock: node.env.now() })
  expect(peer.all('resume')).toHaveLength(1)
})

test('a slow handshake is no offset: neither what the greeting took nor half of what an answer takes', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  const peer = new HandPeer(loop, node)
  const clock = node.env.now()
  node.env.advance(4000)
  peer.clock = () => node.env.now() - 200n * NS_PER_MS
  await peer.say({ ...hello, clock }, { kind: 'resume', positions: [undefined] })
  await peer.say(streamFrom(0, true))
  expect(offsets(node)).toEqual({ peer: -200 })

  node.env.advance(6000)
  await loop.settled()
  const pinged = node.env.now()
  node.env.advance(3000)
  // It came at once and took 3 s back: the first answer, which took no time, is the better one.
  await peer.say({ kind: 'pong', clock: pinged - 200n * NS_PER_MS })
  expect(offsets(node)).toEqual({ peer: -200 })
  // Nobody asked.
  await peer.say({ kind: 'pong', clock: 0n })
  expect(offsets(node)).toEqual({ peer: -200 })
})

test('an answer on the way while this node sets its clock does not count; the next one does', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  const peer = new HandPeer(loop, node)
  await peer.shakeHands()
  node.env.advance(PING_INTERVAL_MS)
  await loop.settled()
  const clock = node.env.now()
  node.env.stepClock(HOUR_MS)
  await peer.say({ kind: 'pong', clock })
  expect(offsets(node)).toEqual({ peer: 0 })
  node.env.advance(PING_INTERVAL_MS)
  await loop.settled()
  await peer.say({ kind: 'pong', clock: clock + BigInt(PING_INTERVAL_MS) * NS_PER_MS })
  expect(offsets(node)).toEqual({ peer: -HOUR_MS })
})

test('a leader tells the time that it goes by, others their clocks as they are', async () => {
  const loop = new Loop()
  const top = await loopNode(loop, 'top')
  const middle = await loopNode(loop, 'middle', { leader: 'top' })
  middle.env.stepClock(HOUR_MS)
  await pass(loop, PING_INTERVAL_MS, top, middle)
  expect(middle.store.time()).toBe(top.env.now())
  const led = await loopNode(loop, 'led', { leader: 'middle' })
  const equal = await loopNode(loop, 'equal', { peers: ['middle'] })
  const passed = Number((top.env.now() - led.env.now()) / NS_PER_MS)
  for (const { env } of [led, equal]) env.advance(passed)
  await pass(loop, PING_INTERVAL_MS, top, middle, led, equal)
  expect(offsets(led)).toEqual({ middle: 0 })
  expect(offsets(equal)).toEqual({ middle: HOUR_MS })
})

test('clocks that were wrong together and are put right one after another end right', async () => {
  const loop = new Loop()
  const ids = ['a', 'b', 'c']
  const nodes: LoopNode[] = []
  for (const id of ids) {
    nodes.push(await loopNode(loop, id, { peers: ids.filter((other) => other < id) }))
  }
  await pass(loop, PING_INTERVAL_MS, ...nodes)
  const [a, b, c] = nodes as [LoopNode, LoopNode, LoopNode]
  for (const { env } of [a, b]) env.stepClock(HOUR_MS)
  await pass(loop, PING_INTERVAL_MS, ...nodes)
  expect(c.store.time()).toBe(a.env.now())
  for (const { env } of [a, b]) {
    env.stepClock(-HOUR_MS)
    await pass(loop, 2 * PING_INTERVAL_MS, ...nodes)
  }
  for (const { store } of nodes) expect(store.time()).toBe(c.env.now())
})

test('a peer that never answers is asked no more after a while', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  const peer = new HandPeer(loop, node)
  await peer.shakeHands()
  for (let i = 0; i < 40; i++) {
    node.env.advance(PING_INTERVAL_MS)
    await peer.say({ kind: 'ping', clock: 0n })
  }
  expect(peer.all('ping')).toHaveLength(17)
  expect(peer.bye).toBeUndefined()
})
