import { expect, test } from 'vitest'
import { MIN_TOMBSTONE_TTL_MS } from '../../src/sync/options.ts'
import { LONGEST_SILENCE_MS, PING_INTERVAL_MS } from '../../src/sync/wire.ts'
import { HandPeer, hello } from './hand.ts'
import { Loop, loopNode, type LoopNode, put } from './loop.ts'

/** A peer that is linked, with which the node is in step. */
async function inStep(loop: Loop, node: LoopNode, nodeId: string): Promise<HandPeer> {
  const peer = new HandPeer(loop, node)
  await peer.say({ ...hello, nodeId }, { kind: 'resume', positions: [undefined] })
  const stream = { start: 0, resumed: [true], horizons: [0n], doubted: [false] }
  await peer.say({ kind: 'stream', ...stream }, { kind: 'repaired', key: 0 })
  await peer.say({ kind: 'settled', key: 0, seq: 0, stamp: 0n })
  return peer
}

/** A version from long ago, by a third node. */
function old(path: string) {
  return { path, created: 5n, updated: 0n, origin: 'third', data: '1' }
}

async function setUp(): Promise<{ loop: Loop; node: LoopNode; peer: HandPeer }> {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { keys: ['users/*'] })
  await put(node, 'users/0', 0)
  return { loop, node, peer: await inStep(loop, node, 'peer') }
}

test('a horizon that is taken over in the middle of a session is told to other peers, doubted until they have it', async () => {
  const { node, peer } = await setUp()
  await node.store.raiseHorizons([{ key: 'users/*', stamp: 10n }])
  await peer.say({ kind: 'changes', since: 0, upTo: 1, entries: [old('users/1')] })
  expect(node.store.withheldCount).toBe(1)
  expect(peer.all('horizon')).toEqual([{ kind: 'horizon', key: 0, stamp: 10n }])

  // An answer to what was told before does not count.
  await peer.say({ kind: 'settled', key: 0, seq: 1, stamp: 9n })
  await peer.say({ kind: 'changes', since: 1, upTo: 2, entries: [old('users/2')] })
  expect(node.store.withheldCount).toBe(2)
  await peer.say({ kind: 'settled', key: 0, seq: 2, stamp: 10n })
  await peer.say({ kind: 'changes', since: 2, upTo: 3, entries: [old('users/3')] })
  expect((await node.store.read('users/3'))?.data).toBe('1')
})

test('who has more of the feed than a horizon that was taken over was told of it before', async () => {
  const { node, peer } = await setUp()
  await node.store.raiseHorizons([{ key: 'users/*', stamp: 10n }])
  expect(peer.all('horizon')).toHaveLength(0)
  await put(node, 'users/1', 1)
  await expect.poll(() => peer.all('changes')).toHaveLength(1)
  const kinds = peer.heard.map(({ kind }) => kind)
  expect(kinds.indexOf('horizon')).toBe(kinds.lastIndexOf('changes') - 1)
})

test('a peer that has nothing else to be told learns of a horizon that was taken over with the next ping', async () => {
  const { loop, node, peer } = await setUp()
  await node.store.raiseHorizons([{ key: 'users/*', stamp: 10n }])
  node.env.advance(PING_INTERVAL_MS)
  await loop.settled()
  expect(peer.all('horizon')).toHaveLength(1)
})

test('who is told of a horizon takes it over, says so, and tells its other peers, but not who told it', async () => {
  const { loop, node, peer } = await setUp()
  const other = await inStep(loop, node, 'other')
  await peer.say({ kind: 'horizon', key: 0, stamp: 10n })
  expect(node.store.horizons()).toMatchObject([{ key: 'users/*', stamp: 10n }])
  expect(peer.all('settled').at(-1)).toMatchObject({ key: 0, seq: 1, stamp: 10n })
  node.env.advance(PING_INTERVAL_MS)
  await loop.settled()
  expect(other.all('horizon')).toMatchObject([{ key: 0, stamp: 10n }])
  expect(peer.all('horizon')).toHaveLength(0)
  // Told once more, it has it already.
  await other.say({ kind: 'horizon', key: 0, stamp: 10n })
  node.env.advance(PING_INTERVAL_MS)
  await loop.settled()
  expect(peer.all('horizon')).toHaveLength(0)
})

test('a horizon that is told in the middle of a repair is taken over when that is done', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { keys: ['users/*'] })
  const peer = new HandPeer(loop, node)
  await peer.shakeHands()
  await peer.say({ kind: 'horizon', key: 0, stamp: 10n })
  expect(node.store.horizons()).toMatchObject([{ stamp: 0n }])
  await peer.say({ kind: 'push', id: 1, key: 0, entries: [old('users/1')], fresh: [], seq: 1 })
  await peer.say({ kind: 'repaired', key: 0 })
  expect(node.store.horizons()).toMatchObject([{ stamp: 10n }])
  expect(peer.all('settled')).toMatchObject([{ stamp: 10n }])
  expect((await node.store.read('users/1'))?.data).toBe('1')
})

test('no horizon is told before the stream, or of a key that is not shared', async () => {
  const early = new HandPeer(new Loop(), await loopNode(new Loop(), 'node', { keys: ['users/*'] }))
  await early.say(hello, { kind: 'resume', positions: [undefined] })
  await early.say({ kind: 'horizon', key: 0, stamp: 10n })
  const { peer } = await setUp()
  await peer.say({ kind: 'horizon', key: 1, stamp: 10n })
  for (const each of [early, peer]) await expect.poll(() => each.bye).toBe('SKERRY_LINK_PROTOCOL')
})

test('what a linked peer is yet to get is not collected, expired or not', async () => {
  const loop = new Loop()
  const times = { tombstoneTtlMs: 60_000, collectIntervalMs: 1000 }
  const node = await loopNode(loop, 'node', { keys: ['users/*'], ...times })
  const peer = await inStep(loop, node, 'peer')
  await put(node, 'users/1', 1)
  await node.store.write([{ path: 'users/1', decide: () => null }])
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += PING_INTERVAL_MS) {
      node.env.advance(PING_INTERVAL_MS)
      await peer.say({ kind: 'ping', clock: node.env.now() })
    }
  }
  await pass(120_000)
  expect((await node.store.newest('users/1'))?.data).toBeNull()
  await peer.say({ kind: 'ack', upTo: node.store.seq, seq: 0, aside: [] })
  await pass(20_000)
  expect(await node.store.newest('users/1')).toBeUndefined()
})

test('a tombstone lives for longer than a link stands that has gone silent', () => {
  expect(MIN_TOMBSTONE_TTL_MS).toBeGreaterThan(LONGEST_SILENCE_MS)
})
