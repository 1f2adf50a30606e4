import { expect, test } from 'vitest'
import { LocalStore } from '../../../src/store/local.ts'
import { MemoryEngine } from '../../../src/store/memory.ts'
import { NAMELESS, peerName } from '../../../src/sync/pivot/address.ts'
import { pivotKey } from '../../../src/sync/pivot/keys.ts'
import { MAX_PIVOT_PEERS, PivotPeers } from '../../../src/sync/pivot/peers.ts'
import { VirtualEnv } from '../../../src/testing/env.ts'
import { Loop, loopNode } from '../loop.ts'

const GO = peerName('10.0.0.7:8800')

const MINUTE_MS = 60_000

async function opened(engine = new MemoryEngine()) {
  const env = new VirtualEnv(1)
  const store = await LocalStore.open(engine, env)
  const users = pivotKey('users/*', store, undefined)
  return { env, engine, store, users, peers: new PivotPeers(store) }
}

/** A node that shares `users/*` with a Go peer, and has deleted a user and a thing. */
async function nodeWithGoPeer() {
  const node = await loopNode(new Loop(), 'node', {
    ...{ collectIntervalMs: 1000, tombstoneTtlMs: 10 * MINUTE_MS },
  })
  const peers = new PivotPeers(node.store)
  await peers.heard(GO, [pivotKey('users/*', node.store, undefined)])
  const known = { ...node, peers }
  await deleteAt(known, 'users/1', 'things/1')
  return known
}

type Node = Awaited<ReturnType<typeof nodeWithGoPeer>>

async function deleteAt(node: Pick<Node, 'store'>, ...paths: string[]): Promise<void> {
  for (const path of paths) await node.store.write([{ path, decide: () => '1' }])
  for (const path of paths) await node.store.write([{ path, decide: () => null }])
}

/** Waits until a round of the collection has taken the tombstone. */
async function goes({ store, env }: Node, path: string): Promise<void> {
  await expect
    .poll(async () => {
      env.advance(1)
      return store.newest(path)
    })
    .toBeUndefined()
}

test('a tombstone under a key shared with a Go peer waits until it has expired', async () => {
  const node = await nodeWithGoPeer()
  node.env.advance(2000)
  await goes(node, 'things/1')
  expect((await node.store.newest('users/1'))?.data).toBeNull()
  node.env.advance(11 * MINUTE_MS)
  await goes(node, 'users/1')
  const horizon = node.store.horizons().find(({ key }) => key === '**')
  expect(horizon?.stamp).toBeGreaterThan(0n)
})

test('nothing waits for a Go peer that is forgotten, but what it may bring back is withheld', async () => {
  const node = await nodeWithGoPeer()
  const old = await node.store.newest('users/1')
  await node.sync.forget(GO)
  // The node looks at what is written down; its own list is loaded by now.
  node.env.advance(2000)
  await goes(node, 'users/1')
  const stale = { path: 'users/1', created: old!.created, updated: 0n, origin: '', data: '"old"' }
  await node.store.merge([stale], { peer: GO, doubted: new Set(['users/1']) })
  expect(await node.store.read('users/1')).toBeUndefined()
  expect(node.store.withheldCount).toBe(1)
  await expect(node.sync.forget(GO)).rejects.toMatchObject({ code: 'SKERRY_PEER_UNKNOWN' })
})

test('a Go peer that was silent for as long as tombstones live is fenced', async () => {
  const node = await nodeWithGoPeer()
  node.env.advance(3 * 60 * MINUTE_MS)
  await deleteAt(node, 'users/2')
  node.env.advance(2000)
  await goes(node, 'users/2')
})

test('which Go peers there are survives a restart', async () => {
  const { peers, users, engine } = await opened()
  await peers.expect(GO, [users])
  const again = await opened(engine)
  await again.peers.load()
  expect(again.peers.sharing).toMatchObject([{ name: GO, keys: ['users/*'] }])
  expect(again.peers.waitFor(0n)).toEqual([{ peer: GO, epoch: '', keys: ['users/*'] }])
})

test('a peer that is expected is not heard of: its silence counts from when it was named', async () => {
  const { peers, users, env } = await opened()
  await peers.expect(GO, [users])
  const [first] = peers.sharing
  env.advance(2 * 60 * MINUTE_MS)
  await peers.expect(GO, [users])
  expect(peers.sharing).toEqual([first])
  await peers.heard(GO, [users])
  expect(peers.sharing[0]?.since).toBeGreaterThan(first!.since)
})

test('a key with a store of its own counts for nobody: nothing is collected there', async () => {
  const { peers } = await opened()
  const { users: elsewhere } = await opened()
  await peers.heard(GO, [elsewhere])
  expect(peers.any).toBe(false)
})

test('a reader without a name is a peer only where no peer is known', async () => {
  const { peers, users, store } = await opened()
  await peers.read(users)
  expect(peers.sharing).toMatchObject([{ name: NAMELESS, keys: ['users/*'] }])
  await peers.drop(NAMELESS)
  await peers.heard(GO, [users])
  await peers.read(users)
  await peers.read(pivotKey('settings', store, undefined))
  expect(peers.sharing.map(({ name, keys }) => [name, keys.at(-1)])).toEqual(
    expect.arrayContaining([
      [GO, 'users/*'],
      [NAMELESS, 'settings'],
    ]),
  )
})

test('beyond the bound, peers are known as one without a name, and none is left out', async () => {
  const { peers, users } = await opened()
  const names = Array.from({ length: MAX_PIVOT_PEERS + 50 }, (_, i) => peerName(`go${i}:1`))
  await Promise.all(names.map((name) => peers.heard(name, [users])))
  expect(peers.sharing.length).toBe(MAX_PIVOT_PEERS + 1)
  expect(peers.has(NAMELESS)).toBe(true)
  expect(peers.has(names.at(-1)!)).toBe(false)
})
