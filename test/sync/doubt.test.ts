import { expect, test } from 'vitest'
import { Sync } from '../../src/sync/sync.ts'
import { PING_INTERVAL_MS } from '../../src/sync/wire.ts'
import { HandPeer, hello, streamFrom } from './hand.ts'
import { Loop, loopNode, type LoopNode, put } from './loop.ts'

async function pass(loop: Loop, ms: number, ...nodes: LoopNode[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    for (const { env } of nodes) env.advance(1000)
    await loop.settled()
  }
}

function doubted({ sync }: LoopNode): (readonly string[])[] {
  return sync.status().links.map((link) => link.doubted)
}

test('a new node is doubted no more once the repair is done and the peer has what it merged meanwhile', async () => {
  const loop = new Loop()
  const lead = await loopNode(loop, 'lead', { keys: ['users/*', 'log'] })
  for (let i = 0; i < 100; i++) await put(lead, `users/${i}`, i)
  // It keeps its data in memory only, so each of its starts is that of a new node.
  for (const id of ['node', 'again']) {
    const node = await loopNode(loop, id, { leader: 'lead' })
    await put(node, 'users/own', id)
    await pass(loop, PING_INTERVAL_MS, lead, node)
    for (const each of [lead, node]) expect(doubted(each)).toEqual([[]])
    await node.sync.stop()
    await loop.settled()
  }
})

test('a peer that doubts this node is named with its keys until it was repaired, and acknowledges what was there', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { keys: ['users/*'] })
  const peer = new HandPeer(loop, node)
  await peer.say(hello, { kind: 'resume', positions: [undefined] })
  const stream = { start: 0, resumed: [true], horizons: [0n] }
  await peer.say({ kind: 'stream', ...stream, doubted: [true] })
  expect(doubted(node)).toEqual([['users/*']])
  await put(node, 'users/1', 1)
  await peer.say({ kind: 'repaired', key: 0 })
  expect(peer.all('settled')).toMatchObject([{ key: 0, seq: 1 }])
  expect(doubted(node)).toEqual([['users/*']])
  await peer.say({ kind: 'ack', upTo: 1, seq: 0, aside: [] })
  expect(doubted(node)).toEqual([[]])
})

/** Links two nodes until both have taken in what the other has; each may be linked again later, also with others. */
async function link(a: LoopNode, b: LoopNode): Promise<void> {
  const loop = new Loop()
  const listening = new Sync({ ...b, transport: loop })
  loop.serve('b', listening)
  const dialing = new Sync({ ...a, transport: loop, peers: ['b'] })
  for (const sync of [listening, dialing]) sync.start()
  await loop.settled()
  await pass(loop, PING_INTERVAL_MS, a, b)
  for (const sync of [dialing, listening]) await sync.stop()
  await loop.settled()
}

async function remove(node: LoopNode, path: string): Promise<void> {
  await node.store.write([{ path, decide: () => null }])
}

/** The tombstones of the node expire. */
async function expire({ store }: LoopNode): Promise<void> {
  await store.collect({ waitFor: [], expired: 0n, keys: ['**'], linked: true })
}

/** Three nodes that are linked only when a test says so. */
async function apart(...ids: [string, string, string]): Promise<[LoopNode, LoopNode, LoopNode]> {
  const [a, b, c] = ids.map(async (nodeId) => {
    const node = await loopNode(new Loop(), nodeId)
    await node.sync.stop()
    return node
  })
  return [await a!, await b!, await c!]
}

test('what a doubted peer wrote itself, and others had before it was deleted, is withheld from its stream too', async () => {
  const [away, other, node] = await apart('away', 'other', 'node')
  await link(away, node)
  await put(away, 'users/1', 1)
  await put(away, 'users/2', 2)
  await link(away, other)
  await put(away, 'users/3', 3)
  await remove(other, 'users/1')
  await link(other, node)
  for (const each of [other, node]) await expire(each)
  await link(away, node)
  expect(await node.store.read('users/1')).toBeUndefined()
  expect(node.store.withheldCount).toBe(1)
  expect((await node.store.read('users/2'))?.data).toBe('2')
  expect((await node.store.read('users/3'))?.data).toBe('3')
})

test('of what a peer that was taken back streams, nothing old is taken for new', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { keys: ['users/*'] })
  const { epoch, run } = node.store
  await put(node, 'users/1', 1)
  const wrote = (path: string) => ({ path, created: 5n, updated: 0n, origin: 'peer', data: '1' })
  const meet = async (seq: number, path: string): Promise<HandPeer> => {
    const peer = new HandPeer(loop, node)
    await peer.say(hello, { kind: 'resume', positions: [{ epoch, run, seq }] })
    await peer.say(streamFrom(0, true))
    await peer.say({ kind: 'changes', since: 0, upTo: 1, entries: [wrote(path)] })
    return peer
  }
  const peer = await meet(0, 'users/2')
  await peer.say({ kind: 'ack', upTo: node.store.seq, seq: 1, aside: [] })
  await peer.say({ kind: 'repaired', key: 0 })
  await peer.hangUp()
  await node.store.raiseHorizons([{ key: 'users/*', stamp: 10n }])
  await meet(0, 'users/3')
  expect((await node.store.read('users/2'))?.data).toBe('1')
  expect(await node.store.read('users/3')).toBeUndefined()
  expect(node.store.withheldCount).toBe(1)
})

/** A node that has collected a delete and still has another, with a peer that has acknowledged both, and is away. */
async function acknowledgedDeletes(): Promise<{ loop: Loop; node: LoopNode }> {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { keys: ['users/*'] })
  const peer = new HandPeer(loop, node)
  await peer.shakeHands()
  await peer.say({ kind: 'repaired', key: 0 })
  for (const path of ['users/1', 'users/2']) {
    await put(node, path, 1)
    await remove(node, path)
    await peer.say({ kind: 'ack', upTo: node.store.seq, seq: 0, aside: [] })
    if (path === 'users/1') await expire(node)
  }
  await peer.hangUp()
  return { loop, node }
}

/** The peer links again and names nothing of the node's feed; then it streams a write of its own. */
async function nameNothing(loop: Loop, node: LoopNode, heard?: number[]): Promise<HandPeer> {
  const peer = new HandPeer(loop, node)
  await peer.shakeHands()
  const entry = { path: 'users/3', created: 5n, updated: 0n, origin: 'peer', data: '1' }
  await peer.say({ kind: 'changes', since: 0, upTo: 1, entries: [entry], heard })
  const all = { key: 0, from: '0', to: 'g', items: new Uint8Array() }
  await peer.say({ kind: 'items', id: 1, ...all })
  return peer
}

test('a peer that names nothing of what it acknowledged was taken back, and gets deletes again', async () => {
  const { loop, node } = await acknowledgedDeletes()
  const peer = await nameNothing(loop, node)
  expect(await node.store.read('users/3')).toBeUndefined()
  expect(node.store.withheldCount).toBe(1)
  expect(peer.all('entries')[0]?.entries).toMatchObject([{ path: 'users/2', data: null }])
})

test('what a peer acknowledged of a history that was lost since counts no more', async () => {
  const { loop, node } = await acknowledgedDeletes()
  await node.store.renewEpoch()
  const peer = await nameNothing(loop, node, [0])
  expect(await node.store.read('users/3')).toBeUndefined()
  expect(node.store.withheldCount).toBe(1)
  expect(peer.all('entries')[0]?.entries).toMatchObject([{ path: 'users/2', data: null }])
})

test('what a peer acknowledged counts on though it has stamped its own anew since', async () => {
  const { loop, node } = await acknowledgedDeletes()
  const peer = new HandPeer(loop, node)
  const anew = { ...hello, epoch: 'anew', formerly: [hello.epoch] }
  await peer.say(anew, { kind: 'resume', positions: [undefined] }, streamFrom(0, true))
  expect(peer.all('stream')).toMatchObject([{ doubted: [false] }])
})

test('who takes a horizon over doubts peers that have not heard from it since', async () => {
  const [away, other, node] = await apart('away', 'other', 'node')
  await put(node, 'users/0', 0)
  await link(away, node)
  await put(away, 'users/1', 1)
  await link(away, other)
  await remove(other, 'users/1')
  await expire(other)
  await link(other, node)
  await link(away, node)
  expect(await node.store.read('users/1')).toBeUndefined()
  expect(node.store.withheldCount).toBe(1)
  await link(node, other)
  expect(await other.store.read('users/1')).toBeUndefined()
})

test('what a peer let in over a version that is withheld here is withheld with it', async () => {
  const [away, restored, node] = await apart('away', 'restored', 'node')
  await put(node, 'users/1', 1)
  await link(restored, node)
  await link(away, node)
  await put(away, 'users/1', 2)
  await link(away, node)
  await remove(node, 'users/1')
  await expire(node)
  await link(restored, node)
  expect(node.store.withheldCount).toBe(1)
  await link(away, restored)
  expect((await restored.store.read('users/1'))?.data).toBe('2')
  await link(restored, node)
  expect(await node.store.read('users/1')).toBeUndefined()
  expect((await node.store.withheld(9)).map(({ entry }) => entry.data)).toEqual(['2'])
})
