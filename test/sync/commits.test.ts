import { expect, test } from 'vitest'
import type { CommitAsked } from '../../src/core/commitment.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { type CommitGroup, Commits, MAX_WAITING_COMMITS } from '../../src/sync/commits.ts'
import { decodeFrame } from '../../src/sync/frame.ts'
import type { Changes } from '../../src/sync/messages.ts'
import { Outgoing } from '../../src/sync/outgoing.ts'
import { NotShown } from '../../src/sync/shown.ts'
import { VirtualEnv } from '../../src/testing/env.ts'
import { Loop, loopNode } from './loop.ts'

const ALL: CommitAsked = { level: 'ALL', timeoutMs: 1000 }

function group(nodes: readonly string[], changes: Record<string, number> = { a: 1 }): CommitGroup {
  return { nodes, changes: new Map(Object.entries(changes)) }
}

test('a level is reached once enough nodes have all changes of each group', async () => {
  const had = new Map<string, number>([['one', 9]])
  const commits = new Commits(new VirtualEnv(1), (node, _, seq) => (had.get(node) ?? 0) >= seq)
  const groups = [group(['one', 'two', 'three'], { a: 1, b: 3 }), group(['one', 'two'], { c: 2 })]
  let answer: unknown
  const waiting = commits.wait({ ...ALL, level: 'QUORUM' }, groups).then((got) => (answer = got))
  had.set('two', 2)
  commits.progressed('two')
  await Promise.resolve()
  expect(answer).toBe(undefined)
  had.set('three', 3)
  commits.progressed('three')
  await waiting
  expect(answer).toEqual({ reached: true, committed: ['one', 'three'], missing: ['two'] })
  expect(commits.waiting).toBe(0)
})

test('when time runs out, and when it stops, a wait is answered as things stand', async () => {
  const env = new VirtualEnv(1)
  const commits = new Commits(env, (node) => node === 'one')
  const late = commits.wait(ALL, [group(['one', 'two'])])
  env.advance(1000)
  const short = { reached: false, committed: ['one'], missing: ['two'] }
  expect(await late).toEqual(short)
  const stopped = commits.wait(ALL, [group(['one', 'two'])])
  commits.stop()
  expect(await stopped).toEqual(short)
  expect(await commits.wait(ALL, [group(['one', 'two'])])).toEqual(short)
})

test('no more writes wait than the bound, and each place is given back once', () => {
  const commits = new Commits(new VirtualEnv(1), () => false)
  const releases = Array.from({ length: MAX_WAITING_COMMITS }, () => commits.reserve())
  expect(() => commits.reserve()).toThrow('writes wait for other nodes already')
  releases[0]!()
  releases[0]!()
  commits.reserve()
  expect(() => commits.reserve()).toThrow('writes wait for other nodes already')
})

test('a change that was left out of a page for a newer one is not had before that one is', async () => {
  const env = new VirtualEnv(1)
  const store = await LocalStore.open(new MemoryEngine(), env, { nodeId: 'here' })
  const sent: Changes[] = []
  const send = (message: Changes): number => sent.push(message)
  const failed = (error: unknown): never => {
    throw error
  }
  const link = { peerId: 'there', keys: ['**'], unrepaired: new Set<string>(), send, failed }
  const outgoing = new Outgoing(store, link, [0], 1)
  const put = (path: string) => ({ path, decide: () => '1' })
  const [written] = await store.write([put('hot')])
  const changes = new Map([['hot', written!.seq]])
  // The window is one byte: a frame at a time. The page that reaches beyond the first change leaves it out.
  await store.write(Array.from({ length: 300 }, (_, i) => put(`cold/${i}`)))
  await store.write([put('hot')])
  outgoing.wake()
  await expect.poll(() => sent.length).toBe(1)
  expect(sent[0]!.entries.some(({ path }) => path === 'hot')).toBe(false)
  outgoing.acknowledge(sent[0]!.upTo, 0)
  expect(sent[0]!.upTo).toBeGreaterThan(written!.seq)
  expect(outgoing.has(changes, written!.seq)).toBe(false)
  await expect.poll(() => sent.length).toBe(2)
  expect(outgoing.has(changes, written!.seq)).toBe(false)
  outgoing.acknowledge(sent[1]!.upTo, 0)
  expect(outgoing.has(changes, written!.seq)).toBe(true)
})

test('what a repair is to bring does not count as streamed', async () => {
  const env = new VirtualEnv(1)
  const store = await LocalStore.open(new MemoryEngine(), env, { nodeId: 'here' })
  const [written] = await store.write([{ path: 'users/1', decide: () => '1' }])
  const keys = ['log/*', 'users/*']
  const unrepaired = new Set(['users/*'])
  const link = { peerId: 'there', keys, unrepaired, send: () => 1, failed: () => {} }
  const outgoing = new Outgoing(store, link, [0, store.seq], 1000)
  outgoing.wake()
  outgoing.ask(store.seq)
  outgoing.acknowledge(store.seq, 0)
  const [later] = await store.write([{ path: 'users/2', decide: () => '2' }])
  outgoing.wake()
  await expect.poll(() => outgoing.start).toBe(later!.seq)
  outgoing.acknowledge(later!.seq, 0)
  expect(outgoing.has(new Map([['users/2', later!.seq]]), later!.seq)).toBe(true)
  expect(outgoing.has(new Map([['users/1', written!.seq]]), written!.seq)).toBe(false)
})

test('what a peer does not show counts as hidden, also beyond what is remembered of it', () => {
  const notShown = new NotShown()
  notShown.note(['a'], 5)
  expect(notShown.hides(new Map([['a', 5]]))).toBe(true)
  expect(notShown.hides(new Map([['a', 6]]))).toBe(false)
  expect(notShown.hides(new Map([['b', 1]]))).toBe(false)
  const paths = Array.from({ length: 1000 }, (_, i) => `p/${i}`)
  notShown.note(paths, 7)
  expect(notShown.hides(new Map([['a', 5]]))).toBe(true)
  expect(notShown.hides(new Map([['b', 5]]))).toBe(true)
  expect(notShown.hides(new Map([['b', 6]]))).toBe(false)
  expect(notShown.hides(new Map([['p/0', 7]]))).toBe(true)
})

test('an address does not count for itself once a node has introduced itself there, though that link ended at once', async () => {
  const loop = new Loop()
  let pings = 0
  loop.watcher = (frame) => {
    // Both have introduced themselves, and neither has let the other in.
    if (decodeFrame(frame).message.kind === 'ping' && ++pings === 2) loop.cut()
  }
  await loopNode(loop, 'b')
  const a = await loopNode(loop, 'a', { peers: ['b'] })
  await loop.settled()
  expect(pings).toBe(2)
  const place = await a.sync.reserve(ALL)
  const waiting = place.wait(new Map([['users/1', 1]]))
  a.env.advance(ALL.timeoutMs)
  expect((await waiting).missing).toEqual([])
})
