import { expect, onTestFinished, test } from 'vitest'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { type KeyLag, LagSurvey, LOOK_PAUSE_MS, MAX_LAG_CHANGES } from '../../src/sync/lag.ts'
import type { Message } from '../../src/sync/messages.ts'
import { VirtualEnv } from '../../src/testing/env.ts'
import { RedisServer, whyNoRedis } from '../redis-server.ts'
import { redisPlace } from '../store/redis-place.ts'
import { HandPeer, hello, streamFrom } from './hand.ts'
import { Loop, type LoopNode, loopNode, put } from './loop.ts'

const NONE = { entries: 0, seconds: 0, more: false }

/** What the node says, once it has counted anew. */
async function lagOf(node: LoopNode, peer: string): Promise<readonly KeyLag[] | undefined> {
  node.env.advance(LOOK_PAUSE_MS)
  await node.sync.measureLag()
  return node.sync.status().peers.find((one) => one.peer === peer)?.lag
}

function ack(upTo: number): Message {
  return { kind: 'ack', upTo, seq: 0, aside: [] }
}

/** A peer played by hand, in step with the node: it keeps its data, and shares `users/*`. */
async function inStep(loop: Loop, node: LoopNode, nodeId = 'peer'): Promise<HandPeer> {
  const peer = new HandPeer(loop, node)
  const resume: Message = { kind: 'resume', positions: [undefined] }
  await peer.say({ ...hello, nodeId }, resume, streamFrom(0, true), { kind: 'repaired', key: 0 })
  await peer.say(ack(node.store.seq))
  return peer
}

test('a peer that hangs lacks each path that changed, as old as the oldest of them', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  const peer = await inStep(loop, node)
  expect(await lagOf(node, 'peer')).toEqual([{ key: 'users/*', ...NONE }])
  await put(node, 'users/1', 1)
  node.env.advance(10_000)
  await put(node, 'users/2', 2)
  await put(node, 'users/2', 3)
  await put(node, 'other/1', 1)
  const seconds = 10 + LOOK_PAUSE_MS / 1000
  expect(await lagOf(node, 'peer')).toEqual([{ key: 'users/*', entries: 2, seconds, more: false }])
  await peer.say(ack(1))
  const later = { key: 'users/*', entries: 1, more: false }
  expect(await lagOf(node, 'peer')).toMatchObject([later])
  await peer.say(ack(4))
  expect(await lagOf(node, 'peer')).toEqual([{ key: 'users/*', ...NONE }])
})

test('a peer that went away lacks what was written since, and nothing once it is back', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  const peer = await inStep(loop, node)
  await put(node, 'users/1', 1)
  await peer.say(ack(1))
  await peer.hangUp()
  expect(await lagOf(node, 'peer')).toEqual([{ key: 'users/*', ...NONE }])
  await put(node, 'users/2', 2)
  node.env.advance(60_000 - LOOK_PAUSE_MS)
  expect(node.sync.status().peers).toMatchObject([{ peer: 'peer', linked: false }])
  expect(await lagOf(node, 'peer')).toEqual([
    { key: 'users/*', entries: 1, seconds: 60, more: false },
  ])
  const back = await inStep(loop, node)
  expect(await lagOf(node, 'peer')).toEqual([{ key: 'users/*', ...NONE }])
  expect(back.closed).toBe(false)
})

test('each peer lacks of each key what it shares, and nothing that came from it', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node', { keys: ['users/*', 'rooms/*'] })
  await inStep(loop, node)
  const both = new HandPeer(loop, node)
  const resume: Message = { kind: 'resume', positions: [undefined, undefined] }
  const stream: Message = {
    ...{ kind: 'stream', start: 0, resumed: [true, true] },
    ...{ horizons: [0n, 0n], doubted: [false, false] },
  }
  const keys = ['users/*', 'rooms/*']
  await both.say({ ...hello, nodeId: 'both', epoch: 'other', keys }, resume, stream)
  await both.say({ kind: 'repaired', key: 0 }, { kind: 'repaired', key: 1 })
  await put(node, 'rooms/1', 1)
  await put(node, 'rooms/2', 1)
  const entry = { path: 'users/1', created: 5n, updated: 0n, origin: 'both', data: '1' }
  await both.say({ kind: 'changes', since: 0, upTo: 1, entries: [entry] })
  const lagged = async (peer: string) =>
    (await lagOf(node, peer))?.map(({ key, entries }) => [key, entries])
  expect(await lagged('both')).toEqual([
    ['rooms/*', 2],
    ['users/*', 0],
  ])
  expect(await lagged('peer')).toEqual([['users/*', 1]])
})

test('a peer that is unknown here, or was wiped, lacks all until it is repaired', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  await put(node, 'users/1', 1)
  const peer = await inStep(loop, node)
  expect(await lagOf(node, 'peer')).toEqual([{ key: 'users/*', ...NONE }])
  await peer.hangUp()
  const wiped = new HandPeer(loop, node)
  await wiped.say({ ...hello, epoch: 'fresh' }, { kind: 'resume', positions: [undefined] })
  await wiped.say(streamFrom(0, false))
  expect(await lagOf(node, 'peer')).toMatchObject([{ key: 'users/*', entries: 1, more: false }])
  await wiped.hangUp()
  expect(await lagOf(node, 'peer')).toMatchObject([{ key: 'users/*', entries: 1, more: false }])
})

test('nothing is told of a peer that was forgotten, or that is away and keeps nothing', async () => {
  const loop = new Loop()
  const node = await loopNode(loop, 'node')
  const peer = await inStep(loop, node)
  const fleeting = new HandPeer(loop, node)
  const resume: Message = { kind: 'resume', positions: [undefined] }
  await fleeting.say({ ...hello, nodeId: 'fleeting', durable: false }, resume)
  await put(node, 'users/1', 1)
  expect(await lagOf(node, 'fleeting')).toMatchObject([{ entries: 1 }])
  await fleeting.hangUp()
  expect(await lagOf(node, 'fleeting')).toEqual([])
  await peer.hangUp()
  expect(await lagOf(node, 'peer')).toMatchObject([{ entries: 1 }])
  await node.sync.forget('peer')
  expect(await lagOf(node, 'peer')).toEqual([])
})

test('a node that starts again tells from its disk what a peer that is away lacks', async () => {
  const loop = new Loop()
  const engine = new MemoryEngine()
  const node = await loopNode(loop, 'node', { engine })
  const peer = await inStep(loop, node)
  await put(node, 'users/1', 1)
  await peer.say(ack(1))
  await peer.hangUp()
  await node.sync.stop()
  await node.store.close()
  const again = await loopNode(loop, 'node', { engine })
  await put(again, 'users/2', 2)
  expect(await lagOf(again, 'peer')).toMatchObject([{ entries: 1, more: false }])
})

/** A store with a survey for one peer that has `position` of a key. */
async function surveyed(key = '**', peer = 'peer', given?: Store) {
  const env = new VirtualEnv()
  const store = given ?? (await LocalStore.open(new MemoryEngine(), env, { nodeId: 'node' }))
  const counted = { reads: 0 }
  const watched: Store = Object.create(store, {
    seq: { get: () => store.seq },
    epoch: { get: () => store.epoch },
    changesAfter: {
      value: (seq: number, limit: number) => {
        counted.reads++
        return store.changesAfter(seq, limit)
      },
    },
  }) as Store
  const standing = { store: watched, peer, key, position: 0 }
  const survey = new LagSurvey(env, () => [standing])
  const write = (paths: readonly string[]) =>
    store.write(paths.map((path) => ({ path, decide: () => '1' })))
  const look = async () => {
    env.advance(LOOK_PAUSE_MS)
    await survey.measure()
    return survey.of(standing)
  }
  return { env, store, counted, standing, survey, write, look }
}

function paths(of: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${of}/${i}`)
}

test('beyond the bound a lag is told as at least', async () => {
  const { write, look, standing, store } = await surveyed()
  await write(paths('rows', MAX_LAG_CHANGES + 1))
  expect(await look()).toMatchObject({ entries: MAX_LAG_CHANGES, more: true })
  standing.position = 1
  expect(await look()).toMatchObject({ entries: MAX_LAG_CHANGES, more: false })
  standing.position = store.seq
  expect(await look()).toEqual({ key: '**', ...NONE })
})

test('a key of which little changes is counted to the end, look by look', async () => {
  const { write, look } = await surveyed('rare/*')
  await write(paths('rows', 2 * MAX_LAG_CHANGES))
  await write(['rare/1'])
  expect(await look()).toMatchObject({ entries: 0, more: true })
  expect(await look()).toMatchObject({ entries: 0, more: true })
  expect(await look()).toMatchObject({ entries: 1, more: false })
})

test('however often somebody asks, the feed is read no more often than the pause allows', async () => {
  const { env, write, survey, counted, look } = await surveyed()
  await write(paths('rows', 3))
  await Promise.all(Array.from({ length: 100 }, () => survey.measure()))
  expect(counted.reads).toBe(1)
  await write(['rows/4'])
  for (let i = 0; i < 100; i++) await survey.measure()
  env.advance(LOOK_PAUSE_MS - 1)
  await survey.measure()
  expect(counted.reads).toBe(1)
  await look()
  expect(counted.reads).toBe(2)
  // Nothing has changed since.
  await look()
  await look()
  expect(counted.reads).toBe(2)
})

test('what was not counted yet is never told as nothing', async () => {
  const { write, look, survey, standing } = await surveyed('rare/*')
  await write(['rows/1'])
  expect(survey.of(standing)).toEqual({ key: 'rare/*', ...NONE, more: true })
  expect(await look()).toEqual({ key: 'rare/*', ...NONE })
  await write(['rare/1'])
  expect(survey.of(standing)).toEqual({ key: 'rare/*', ...NONE, more: true })
  expect(await look()).toMatchObject({ entries: 1, more: false })
})

test('a peer that was taken back behind what was counted counts anew', async () => {
  const { write, look, standing, survey, store } = await surveyed()
  await write(paths('rows', 3))
  standing.position = 2
  expect(await look()).toMatchObject({ entries: 1 })
  standing.position = 0
  expect(survey.of(standing)).toMatchObject({ entries: 0, more: true })
  expect(await look()).toMatchObject({ entries: 3, more: false })
  await store.renewEpoch()
  expect(survey.of(standing)).toMatchObject({ entries: 0, more: true })
})

test('a stamp ahead of the clock is no negative age', async () => {
  const { env, write, look } = await surveyed()
  await write(['rows/1'])
  env.stepClock(-3_600_000)
  expect(await look()).toMatchObject({ entries: 1, seconds: 0 })
})

test('a feed that can not be read leaves the figures as they were', async () => {
  const { env, store, write, look, survey, standing } = await surveyed()
  await write(['rows/1'])
  expect(await look()).toMatchObject({ entries: 1, more: false })
  await write(['rows/2'])
  await store.close()
  env.advance(LOOK_PAUSE_MS)
  await expect(survey.measure()).rejects.toMatchObject({ code: 'SKERRY_STORE_CLOSED' })
  expect(survey.of(standing)).toMatchObject({ entries: 1, more: true })
})

test('the feed of a store on Redis is counted alike, read from there or remembered', async (context) => {
  const why = whyNoRedis()
  if (why !== undefined) context.skip(why)
  const server = await RedisServer.start()
  onTestFinished(() => server.stop())
  const place = await redisPlace(server.url)
  const first = await place.open(new VirtualEnv(), { nodeId: 'node' })
  await (await surveyed('users/*', 'peer', first)).write([...paths('users', 700), 'rooms/1'])
  await first.merge([{ path: 'users/p', created: 5n, updated: 0n, origin: 'peer', data: '1' }], {
    peer: 'peer',
  })
  await first.close()
  const store = await place.open(new VirtualEnv(), { nodeId: 'node' })
  onTestFinished(() => store.close())
  const { look, write, standing } = await surveyed('users/*', 'peer', store)
  expect(await look()).toMatchObject({ entries: 700, more: false })
  standing.position = 699
  await write(['users/3'])
  expect(await look()).toMatchObject({ entries: 2, more: false })
})
