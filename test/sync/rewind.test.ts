import { expect, test } from 'vitest'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { HandPeer, hello, streamFrom } from './hand.ts'
import { Loop, type LoopNode, loopNode, put } from './loop.ts'

const user = { path: 'users/1', created: 5n, updated: 0n, origin: 'peer', data: '{"n":1}' }

async function meet(): Promise<{ loop: Loop; node: LoopNode; peer: HandPeer }> {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  return { loop, node, peer: new HandPeer(loop, node) }
}

test('a peer back under an epoch of which nothing is known here is repaired: it may lack its own writes', async () => {
  const { loop, node, peer } = await meet()
  await peer.shakeHands()
  await peer.say({ kind: 'changes', since: 0, upTo: 9, entries: [user] })
  const { epoch, run, seq } = node.store
  await peer.hangUp()

  // Wiped, it takes part under a new epoch; then a backup from before its write is put back.
  const wiped = new HandPeer(loop, node)
  await wiped.say({ ...hello, epoch: 'new', run: 'new' })
  await wiped.say({ kind: 'resume', positions: [undefined] })
  await wiped.say(streamFrom(0, true))
  await wiped.say({ kind: 'changes', since: 0, upTo: 1, entries: [{ ...user, path: 'users/2' }] })
  await wiped.hangUp()
  const restored = new HandPeer(loop, node)
  await restored.say(hello, { kind: 'resume', positions: [{ epoch, run, seq }] })
  expect(restored.all('stream').map(({ resumed }) => resumed)).toEqual([[false]])
})

test('a peer that names a run too old to be remembered is repaired: the node may have been taken back since', async () => {
  const engine = new MemoryEngine()
  const first = await loopNode(new Loop(), 'node', { engine })
  await put(first, 'users/1', 1)
  const { epoch, run, seq } = first.store
  for (let start = 0; start < 50; start++) {
    await LocalStore.open(engine, first.env, { nodeId: 'node' })
  }
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { engine, keys: ['users/*'] })
  const peer = new HandPeer(loop, node)
  await peer.shakeHands()
  await peer.say({ kind: 'repaired', key: 0 })
  await peer.hangUp()
  for (const [named, resumed] of [
    [run, false],
    [node.store.run, true],
  ] as const) {
    const back = new HandPeer(loop, node)
    await back.say(hello, { kind: 'resume', positions: [{ epoch, run: named, seq }] })
    expect(back.all('stream')).toMatchObject([{ resumed: [resumed] }])
    await back.hangUp()
  }
})

test('a position that this store lacks proves that it was rewound: a new epoch begins', async () => {
  const { node, peer } = await meet()
  const { epoch, run } = node.store
  await peer.say(hello, { kind: 'resume', positions: [{ epoch, run, seq: 1000 }] })
  expect(peer.bye).toBe('SKERRY_NODE_REWOUND')
  expect(node.store.epoch).not.toBe(epoch)
})

test('a peer is shown how far it was seen, though the repair that brought it was cut off', async () => {
  const { loop, node, peer } = await meet()
  await peer.say(hello, { kind: 'resume', positions: [undefined] }, streamFrom(4, false))
  await peer.say({ kind: 'push', id: 1, key: 0, entries: [user], fresh: [0], seq: 9 })
  expect(peer.all('pushed')).toHaveLength(1)
  await peer.hangUp()

  const again = new HandPeer(loop, node)
  await again.say({ ...hello, run: 'later' })
  const seen = { epoch: 'epoch', run: 'run', seq: 9 }
  expect(again.all('resume')).toEqual([{ kind: 'resume', positions: [undefined], seen }])
})

test('a store that lacks what it was seen with was taken back: a new epoch begins', async () => {
  const { node, peer } = await meet()
  const { epoch, run } = node.store
  await peer.say(hello)
  await peer.say({ kind: 'resume', positions: [undefined], seen: { epoch, run, seq: 1000 } })
  expect(peer.bye).toBe('SKERRY_NODE_REWOUND')
  expect(node.store.epoch).not.toBe(epoch)
})

test('a peer back under an epoch that it had left is told that it was taken back', async () => {
  const { loop, node, peer } = await meet()
  await peer.shakeHands()
  await peer.say({ kind: 'changes', since: 0, upTo: 9, entries: [user] })
  await peer.hangUp()

  // Under its next epoch it is not repaired to the end, so the checkpoint of the first one stays.
  const next = new HandPeer(loop, node)
  await next.say({ ...hello, epoch: 'next', run: 'next run' })
  await next.say({ kind: 'resume', positions: [undefined] }, streamFrom(9, false))
  await next.say({ kind: 'changes', since: 9, upTo: 10, entries: [{ ...user, path: 'users/2' }] })
  await next.hangUp()

  const back = new HandPeer(loop, node)
  await back.say(hello)
  const [position] = back.all('resume')[0]!.positions
  expect(position).toEqual({ epoch: 'epoch', run: 'next', seq: Number.MAX_SAFE_INTEGER })
})

test('a node that was taken back itself still tells a peer that it is back under an epoch that it had left', async () => {
  const { loop, node, peer } = await meet()
  await peer.shakeHands()
  await peer.say({ kind: 'repaired', key: 0 })
  await peer.hangUp()
  const next = new HandPeer(loop, node)
  await next.say({ ...hello, epoch: 'next', run: 'next run' })
  await next.say({ kind: 'resume', positions: [undefined] }, streamFrom(0, false))
  await next.say({ kind: 'changes', since: 0, upTo: 1, entries: [user] })
  await next.hangUp()
  await node.store.renewEpoch()

  const back = new HandPeer(loop, node)
  await back.say(hello)
  expect(back.all('resume')[0]!.positions).toMatchObject([{ epoch: 'epoch', run: 'next' }])
})

test('a copy that stamped its writes anew before it met anybody is found out by its former epoch', async () => {
  const loop = new Loop()
  const engine = new MemoryEngine()
  const original = await loopNode(loop, 'node', { engine })
  const hourMs = 3_600_000
  original.env.stepClock(hourMs)
  await put(original, 'users/1', 1)
  const copy = await loopNode(loop, 'node', { engine: engine.copy() })
  await put(original, 'users/1', 2)
  const { epoch, run, seq } = original.store
  expect(await copy.store.restamp()).toBe(1)
  const restamped = copy.store.epoch

  const peer = new HandPeer(loop, copy)
  await peer.say(hello)
  expect(peer.all('hello')[0]).toMatchObject({ epoch: restamped, formerly: [epoch] })
  await peer.say({ kind: 'resume', positions: [{ epoch, run, seq }] })
  expect(peer.bye).toBe('SKERRY_NODE_REWOUND')
  expect(copy.store.epoch).not.toBe(restamped)
  expect(copy.store.formerly).toEqual([])
})
