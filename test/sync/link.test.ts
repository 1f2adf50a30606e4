import { expect, test } from 'vitest'
import { MemoryEngine } from '../../src/store/memory.ts'
import type { Message } from '../../src/sync/messages.ts'
import { Sync } from '../../src/sync/sync.ts'
import { HandPeer, hello, streamFrom } from './hand.ts'
import { Loop, type LoopNode, loopNode, put, rootOf } from './loop.ts'

const user = { path: 'users/1', created: 5n, updated: 0n, origin: 'peer', data: '{"n":1}' }
const ack: Message = { kind: 'ack', upTo: 1, seq: 0, aside: [] }
const none = new Uint8Array(0)

async function meet(
  engine = new MemoryEngine(),
): Promise<{ loop: Loop; node: LoopNode; peer: HandPeer }> {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { engine })
  return { loop, node, peer: new HandPeer(loop, node) }
}

test('the handshake agrees on the intersection of keys, and changes flow both ways', async () => {
  const { loop, node, peer } = await meet()
  await peer.shakeHands()
  await put(node, 'users/2', 2)
  await put(node, 'other/2', 2)
  await peer.say({ kind: 'changes', since: 0, upTo: 9, entries: [user] })
  await loop.settled()
  expect(peer.all('changes').flatMap(({ entries }) => entries.map(({ path }) => path))).toEqual([
    'users/2',
  ])
  expect(peer.all('ack')).toMatchObject([{ kind: 'ack', upTo: 9, aside: [] }])
  expect((await node.store.read('users/1'))?.data).toBe('{"n":1}')
  expect(node.store.checkpoint('peer', 'users/*')).toEqual({ epoch: 'epoch', run: 'run', seq: 9 })
})

test.each<[string, string, Message[]]>([
  ['a first message that is not hello', 'SKERRY_LINK_PROTOCOL', [ack]],
  ['a protocol too new', 'SKERRY_LINK_VERSION', [{ ...hello, oldest: 7, newest: 9 }]],
  ['a protocol too old', 'SKERRY_LINK_VERSION', [{ ...hello, oldest: 0, newest: 0 }]],
  ['the id of the node itself', 'SKERRY_NODE_SELF', [{ ...hello, nodeId: 'node' }]],
  ['an id that no node may have', 'SKERRY_LINK_PROTOCOL', [{ ...hello, nodeId: '../etc' }]],
  ['a key that is no glob', 'SKERRY_PATH_INVALID', [{ ...hello, keys: ['a//b'] }]],
  [
    'more keys than a node may offer',
    'SKERRY_LINK_PROTOCOL',
    [{ ...hello, keys: Array.from({ length: 1001 }, (_, i) => `k${i}`) }],
  ],
  ['a second hello', 'SKERRY_LINK_PROTOCOL', [hello, hello]],
  [
    'positions that do not fit the keys',
    'SKERRY_LINK_PROTOCOL',
    [hello, { kind: 'resume', positions: [] }],
  ],
  [
    'changes before the stream',
    'SKERRY_LINK_PROTOCOL',
    [hello, { kind: 'changes', since: 0, upTo: 1, entries: [user] }],
  ],
])('a peer is refused: %s', async (_, code, messages) => {
  const { node, peer } = await meet()
  await peer.say(...messages)
  expect(peer.bye).toBe(code)
  expect(peer.closed).toBe(true)
  expect(node.sync.status().links).toEqual([])
})

test.each<[string, Message]>([
  ['changes that leave a hole', { kind: 'changes', since: 4, upTo: 9, entries: [user] }],
  ['changes that go backwards', { kind: 'changes', since: 5, upTo: 0, entries: [user] }],
  [
    'an entry outside of the shared keys',
    { kind: 'changes', since: 0, upTo: 1, entries: [user, { ...user, path: 'secrets/1' }] },
  ],
  ['an answer that nobody asked for', { kind: 'pushed', id: 77 }],
  ['a key that is not shared', { kind: 'items', id: 1, key: 5, from: '0', to: 'g', items: none }],
  [
    'a node that the digest does not have',
    { kind: 'compare', id: 1, key: 0, level: 9, live: false, parents: [], sums: none },
  ],
  [
    'digests that do not fit the nodes',
    { kind: 'compare', id: 1, key: 0, level: 1, live: false, parents: [0], sums: none },
  ],
])('an open link ends, and nothing is taken: %s', async (_, message) => {
  const { node, peer } = await meet()
  await peer.shakeHands()
  await peer.say(message)
  expect(peer.bye).toMatch(/^SKERRY_(LINK_PROTOCOL|CODEC_INVALID)$/)
  expect(await node.store.read('users/1')).toBeUndefined()
})

test('a frame that is not one ends the link', async () => {
  const { peer } = await meet()
  await peer.sayRaw(new Uint8Array([0xc1, 0xff, 0x00]))
  expect(peer.bye).toBe('SKERRY_CODEC_INVALID')
})

test('a frame that comes twice is dropped', async () => {
  const { peer } = await meet()
  await peer.shakeHands()
  const changes = { kind: 'changes', since: 0, upTo: 9, entries: [user] } as const
  await peer.say(changes)
  await peer.sayAs(-1, changes)
  expect(peer.bye).toBeUndefined()
  expect(peer.all('ack')).toHaveLength(1)
})

test('a frame that is missing ends the link', async () => {
  const { peer, node } = await meet()
  await peer.shakeHands()
  await peer.sayAs(1, { kind: 'changes', since: 0, upTo: 9, entries: [user] })
  expect(peer.bye).toBe('SKERRY_LINK_GAP')
  expect(await node.store.read('users/1')).toBeUndefined()
})

test('an entry that this node must not take is refused by name, the others are taken', async () => {
  const { peer, node } = await meet()
  await peer.shakeHands()
  const broken = { ...user, path: 'users/2', data: '{"n":' }
  await peer.say({ kind: 'changes', since: 0, upTo: 9, entries: [broken, user] })
  const [link] = node.sync.status().links
  expect(link!.refused).toEqual({
    count: 1,
    named: [{ path: 'users/2', why: 'its data is not JSON' }],
  })
  expect((await node.store.read('users/1'))?.data).toBe('{"n":1}')
})

/** An engine whose writes wait until it is let go on. */
class HeldEngine extends MemoryEngine {
  #hold: Promise<void> = Promise.resolve()

  /** Has writes wait; returns how to let them go on. */
  hold(): () => void {
    let letGo: () => void = () => undefined
    this.#hold = new Promise((resolve) => (letGo = resolve))
    return letGo
  }

  override async write(...args: Parameters<MemoryEngine['write']>): Promise<void> {
    await this.#hold
    await super.write(...args)
  }
}

test('nothing is acknowledged before it is durable', async () => {
  const engine = new HeldEngine()
  const { loop, peer } = await meet(engine)
  await peer.shakeHands()
  const letGo = engine.hold()
  await peer.say({ kind: 'changes', since: 0, upTo: 9, entries: [user] })
  await peer.say({ kind: 'changes', since: 9, upTo: 12, entries: [] })
  expect(peer.all('ack')).toEqual([])
  letGo()
  await loop.settled()
  expect(peer.all('ack').map(({ upTo }) => upTo)).toEqual([9, 12])
})

test('a new link waits for what the old one is still merging, or its repair would not see it', async () => {
  const engine = new HeldEngine()
  const { loop, node, peer } = await meet(engine)
  await peer.shakeHands()
  const letGo = engine.hold()
  await peer.say({ kind: 'changes', since: 0, upTo: 9, entries: [user] })
  const again = new HandPeer(loop, node)
  await again.say(hello)
  expect(peer.bye).toBe('SKERRY_LINK_REPLACED')
  expect(again.all('resume')).toEqual([])
  letGo()
  await loop.settled()
  const position = { epoch: 'epoch', run: 'run', seq: 9 }
  expect(again.all('resume')).toEqual([{ kind: 'resume', positions: [position], seen: position }])
})

test('a peer that sends more than the window ends its link, and what it sent stays due', async () => {
  const engine = new HeldEngine()
  const { loop, node, peer } = await meet(engine)
  await peer.shakeHands()
  const letGo = engine.hold()
  const data = JSON.stringify('x'.repeat(700_000))
  for (const n of [1, 2, 3]) {
    const entries = [{ ...user, path: `users/${n}`, data }]
    await peer.say({ kind: 'changes', since: n - 1, upTo: n, entries })
  }
  expect(peer.bye).toBe('SKERRY_LINK_PROTOCOL')
  letGo()
  await loop.settled()
  expect(node.store.checkpoint('peer', 'users/*')?.seq).toBe(2)
})

test('a peer that opens and says nothing is dropped, and so is one that falls silent', async () => {
  const { loop, node, peer } = await meet()
  node.env.advance(10_000)
  await loop.settled()
  expect(peer.bye).toBe('SKERRY_LINK_TIMEOUT')

  const second = new HandPeer(loop, node)
  await second.shakeHands()
  node.env.advance(29_000)
  await loop.settled()
  expect(second.bye).toBeUndefined()
  node.env.advance(11_000)
  await loop.settled()
  expect(second.bye).toBe('SKERRY_LINK_TIMEOUT')
})

test('a peer that comes back takes the place of its old link', async () => {
  const { loop, node, peer } = await meet()
  await peer.shakeHands()
  const again = new HandPeer(loop, node)
  await again.shakeHands()
  expect(peer.bye).toBe('SKERRY_LINK_REPLACED')
  expect(node.sync.status().links.map(({ open }) => open)).toEqual([true])
})

test('another run of a node whose old link still answers is a clone, and refused', async () => {
  const { loop, node, peer } = await meet()
  await peer.shakeHands()
  const clone = new HandPeer(loop, node)
  await clone.say({ ...hello, run: 'another run' })
  await peer.say({ kind: 'pong', clock: 0n })
  expect(clone.bye).toBe('SKERRY_NODE_CLONED')
  expect(peer.bye).toBeUndefined()
})

test('another run of a node whose old link is dead takes its place', async () => {
  const { loop, node, peer } = await meet()
  await peer.shakeHands()
  const restarted = new HandPeer(loop, node)
  await restarted.say({ ...hello, run: 'another run' })
  node.env.advance(2000)
  await loop.settled()
  expect(peer.bye).toBe('SKERRY_LINK_REPLACED')
  expect(restarted.bye).toBeUndefined()
})

test('two nodes that dial each other keep one link', async () => {
  const loop = new Loop()
  const a = await loopNode(loop, 'aa', { peers: ['b'] })
  const b = await loopNode(loop, 'b', { peers: ['aa'] })
  await put(a, 'from/a', 1)
  await put(b, 'from/b', 2)
  for (let i = 0; i < 20; i++) {
    await loop.settled()
    a.env.advance(1000)
    b.env.advance(1000)
  }
  await loop.settled()
  expect(a.sync.status().links).toHaveLength(1)
  expect(b.sync.status().links).toHaveLength(1)
  expect(await rootOf(a)).toBe(await rootOf(b))
})

test('of a leader that offers everything a node knows what it shares with it', async () => {
  const loop = new Loop()
  await loopNode(loop, 'core')
  const keys = ['users/*', 'log/*']
  const edge = await loopNode(loop, 'edge', { keys, leader: 'core', leaderKeys: ['users/*'] })
  await loop.settled()
  expect(edge.sync.status().peers).toMatchObject([{ peer: 'core', keys: ['users/*'] }])
})

test('no tombstone waits for a peer that offers its key but may not share it', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { collectIntervalMs: 1000 })
  const peer = new HandPeer(loop, node, (key) => key === 'users/*')
  await peer.say({ ...hello, keys: ['log/*', 'users/*'] })
  await peer.say({ kind: 'resume', positions: [undefined] }, streamFrom(0, true))
  for (const path of ['log/1', 'users/1']) {
    await put(node, path, 1)
    await node.store.write([{ path, decide: () => null }])
  }
  await loop.settled()
  for (let i = 0; i < 5; i++) {
    node.env.advance(1000)
    await loop.settled()
  }
  // The peer has acknowledged neither; word of users/1 is still to come.
  expect(node.sync.status().collection).toEqual({ collected: 1, lastError: undefined })
  const sent = peer.all('changes').flatMap(({ entries }) => entries.map(({ path }) => path))
  expect(new Set(sent)).toEqual(new Set(['users/1']))
})

test('a new epoch ends every link of the old one, even if the link that brought it about is gone', async () => {
  const engine = new HeldEngine()
  const { loop, node, peer } = await meet(engine)
  await peer.shakeHands()
  node.env.stepClock(7_200_000)
  await put(node, 'users/ahead', 1)
  node.env.stepClock(-7_200_000)
  const letGo = engine.hold()
  const second = new HandPeer(loop, node)
  await second.say({ ...hello, nodeId: 'second' })
  await second.say({ kind: 'bye', code: 'X', message: 'gone' })
  expect(peer.bye).toBeUndefined()
  letGo()
  await loop.settled()
  expect(peer.bye).toBe('SKERRY_NODE_REWOUND')
})

test('who offers what is older than the delete that it has forgotten gets the delete again', async () => {
  const { loop, node, peer } = await meet()
  await peer.shakeHands()
  await put(node, 'users/1', 1)
  await node.store.write([{ path: 'users/1', decide: () => null }])
  await loop.settled()
  const { seq } = node.store
  const forgotten = (await node.store.newest('users/1'))!
  await peer.say({ kind: 'ack', upTo: seq, seq: 0, aside: [] })
  const before = peer.all('changes').length
  await peer.say({ kind: 'changes', since: 0, upTo: 1, entries: [user] })
  expect(peer.all('changes').slice(before)).toEqual([
    { kind: 'changes', since: seq, upTo: seq, entries: [forgotten] },
  ])
  // It is not told again what it does not know yet, nor what it offers again itself.
  await put(node, 'users/2', 2)
  await loop.settled()
  const after = peer.all('changes').length
  const late = { ...user, path: 'users/2' }
  await peer.say({ kind: 'changes', since: 1, upTo: 2, entries: [forgotten, late] })
  expect(peer.all('changes')).toHaveLength(after)
})

test('a late write that its nodes hold against a forgotten delete goes where the delete is known', async () => {
  const loop = new Loop()
  const leader = await loopNode(loop, 'leader')
  const node = await loopNode(loop, 'node', { leader: 'leader' })
  await put(leader, 'users/1', 1)
  await leader.store.write([{ path: 'users/1', decide: () => null }])
  await loop.settled()
  expect((await node.store.newest('users/1'))?.data).toBe(null)
  await node.sync.stop()
  await loop.settled()

  // Meanwhile the node forgets the delete, and learns of a write from before it.
  await node.store.collect({ waitFor: [], expired: 0n, keys: ['**'], linked: true })
  await node.store.merge([{ ...user, origin: 'late' }], { peer: 'late' })
  const sync = new Sync({ ...node, transport: loop, leader: 'leader' })
  sync.start()
  await loop.settled()
  expect(await rootOf(node)).toBe(await rootOf(leader))
  expect(await node.store.read('users/1')).toBeUndefined()
  await sync.stop()
})
