import { expect, test } from 'vitest'
import type { Server } from '../../../src/index.ts'
import { runningNode } from '../running.ts'
import { Fleet, type Member, type MemberOptions, SkewedClock } from './fleet.ts'
import { GoPeer } from './go-peer.ts'
import { becomes, holds, shows } from './shown.ts'

const KEYS = ['users/*', 'settings']
const OPTIONS = { keys: KEYS, nodesKey: 'things/*', nodeCheckIntervalMs: 50 }

/** Does what the node itself does once tombstones have lived for long enough. */
async function expire(node: Server): Promise<void> {
  const expired = node.store.time()
  await node.store.collect({ waitFor: [], expired, keys: ['**'], linked: true })
  expect(await node.store.newest('users/u1')).toBeUndefined()
}

/** The peer creates `users/u2`, later than anything that the node has deleted. */
function createSince({ store }: Server, peer: GoPeer): void {
  const created = store.horizons().find(({ key }) => key === '**')!.stamp + 1n
  peer.entries.set('users/u2', { created, updated: 0n, data: '"new"' })
}

async function register(leader: Server, node: GoPeer): Promise<void> {
  const [ip, port] = node.address.split(':')
  await leader.state.text.set('things/node', JSON.stringify({ ip, port: Number(port) }))
}

/** A leader of ours with a Go node, which was away while `users/u1` was deleted and its tombstone collected. */
async function leaderOfStaleNode() {
  const leader = await runningNode(OPTIONS)
  const node = await GoPeer.start({ keys: KEYS, leader: leader.url.slice('http://'.length) })
  await register(leader, node)
  await leader.state.text.set('users/u1', '"old"')
  await holds(node, { 'users/u1': '"old"' })
  await node.stop()
  await leader.state.text.delete('users/u1')
  await becomes(() => leader.pivot.status.nodes[0]?.healthy, false)
  await expire(leader)
  return { leader, node }
}

test('a Go node that was away for longer than tombstones live brings nothing back', async () => {
  const { leader, node } = await leaderOfStaleNode()
  createSince(leader, node)
  await node.listen()
  await shows(leader, { 'users/u1': undefined, 'users/u2': '"new"' })
  await becomes(() => leader.status().sync.withheld, 1)
  expect(await leader.store.withheld(10)).toMatchObject([
    { peer: `pivot:${node.address}`, entry: { path: 'users/u1', data: '"old"' } },
  ])
  await leader.store.resolveWithheld(['users/u1'], 'release')
  await shows(leader, { 'users/u1': '"old"' })
  await holds(node, { 'users/u1': '"old"', 'users/u2': '"new"' })
})

test('a POST from before a forgotten delete is answered 200 and withheld; an operator may drop it', async () => {
  const { leader, node } = await leaderOfStaleNode()
  const { created } = node.entries.get('users/u1')!
  const route = `${leader.url}/_pivot/pivot/users/u1`
  const body = `{"created":${created},"updated":0,"index":"u1","data":"old"}`
  expect((await fetch(route, { method: 'POST', body })).status).toBe(200)
  expect(leader.status().sync.withheld).toBe(1)
  expect(await leader.store.read('users/u1')).toBeUndefined()
  await leader.store.resolveWithheld(['users/u1'], 'drop')
  expect((await fetch(route, { method: 'POST', body })).status).toBe(200)
  expect(leader.status().sync.withheld).toBe(0)
  expect(await leader.store.read('users/u1')).toBeUndefined()
})

test('a Go leader that was away for longer than tombstones live brings nothing back', async () => {
  const leader = await GoPeer.start({ keys: KEYS })
  await leader.set('users/u1', '"old"')
  const node = await runningNode({ ...OPTIONS, nodesKey: undefined, leader: leader.url })
  await shows(node, { 'users/u1': '"old"' })
  await leader.stop()
  await becomes(() => (node.pivot.status.leaders[0]?.failures ?? 0) > 0)
  await node.state.text.delete('users/u1')
  await expire(node)
  createSince(node, leader)
  await leader.listen()
  await shows(node, { 'users/u1': undefined, 'users/u2': '"new"' })
  expect(node.status().sync.withheld).toBe(1)
  await node.pivot.synchronize()
  expect(node.status().sync.withheld).toBe(1)
  await node.store.resolveWithheld(['users/u1'], 'drop')
  await holds(leader, { 'users/u1': undefined, 'users/u2': '"new"' })
})

/** A Skerry leader by this protocol alone and its node, cut off before the leader forgot a delete. */
async function leaderThatForgot(member: MemberOptions = {}) {
  const fleet = await Fleet.start({ nativeLink: false }, [{}, member])
  const [node] = fleet.nodes as [Member]
  const { server: leader } = fleet.leader
  for (const n of [1, 2, 3]) await leader.state.text.set(`users/u${n}`, String(n))
  await shows(node.server, { 'users/u1': '1', 'users/u3': '3' })
  await node.cut()
  await node.server.state.text.set('users/mine', '"mine"')
  await leader.state.text.delete('users/u1')
  await expire(leader)
  await leader.state.text.set('users/u2', '"edited"')
  await node.heal()
  return { leader, node }
}

test('what a Skerry leader withholds stays with the node that wrote it, until it is released', async () => {
  const { leader, node } = await leaderThatForgot()
  await becomes(() => leader.status().sync.withheld, 1)
  await shows(node.server, { 'users/u1': undefined, 'users/u2': '"edited"' })
  const undeliverable = () => node.server.pivot.status.leaders[0]!.keys[0]!.undeliverable
  await becomes(() => undeliverable().named.map(({ path }) => path), ['users/mine'])
  expect(undeliverable().named[0]).toMatchObject({ status: 200 })
  // Further lists lack it, and prove nothing.
  await leader.state.text.set('users/u2', '"again"')
  await shows(node.server, { 'users/u2': '"again"', 'users/mine': '"mine"' })
  expect(await node.server.pivot.removed('users/mine', 10)).toEqual([])
  await leader.store.resolveWithheld(['users/mine'], 'release')
  await shows(leader, { 'users/mine': '"mine"' })
  await becomes(() => undeliverable().count, 0)
  await shows(node.server, { 'users/mine': '"mine"' })
})

test('what a Skerry leader withheld and an operator drops goes from the node that wrote it, too', async () => {
  const { leader, node } = await leaderThatForgot()
  await becomes(() => leader.status().sync.withheld, 1)
  await leader.store.resolveWithheld(['users/mine'], 'drop')
  await shows(node.server, { 'users/mine': undefined, 'users/u2': '"edited"' })
})

test('what a leader with a slow clock keeps aside stays with the node that wrote it', async () => {
  const clock = new SkewedClock()
  clock.offsetMs = -3_600_000
  const fleet = await Fleet.start({ nativeLink: false }, [{ clock }, {}])
  const [node] = fleet.nodes as [Member]
  const { server: leader } = fleet.leader
  await leader.state.text.set('users/u1', '1')
  await shows(node.server, { 'users/u1': '1' })
  await node.server.state.text.set('users/mine', '"mine"')
  await becomes(async () => (await leader.store.aside(10)).map(({ path }) => path), ['users/mine'])
  await leader.state.text.set('users/u2', '2')
  await shows(node.server, { 'users/u1': '1', 'users/u2': '2', 'users/mine': '"mine"' })
  expect(await node.server.pivot.removed('users/mine', 10)).toEqual([])
})

test('who shares keys by this protocol is known, in both roles, and tombstones wait for it', async () => {
  const go = await GoPeer.start({ keys: KEYS })
  const node = await runningNode({ ...OPTIONS, nodesKey: undefined, leader: go.url })
  const peersOf = ({ pivot }: Server) => pivot.status.peers.map(({ name, keys }) => [name, keys])
  await becomes(() => peersOf(node), [[`pivot:${go.address}`, KEYS]])

  const leader = await runningNode(OPTIONS)
  const dead = await GoPeer.start({ keys: KEYS, leader: leader.url.slice('http://'.length) })
  await dead.stop()
  await register(leader, dead)
  const all = [...KEYS, 'things/*']
  await becomes(() => peersOf(leader), [[`pivot:${dead.address}`, all]])
  await fetch(`${leader.url}/_pivot/pivot/users/*`)
  expect(peersOf(leader)).toHaveLength(1)
  const forgotten = await fetch(`${leader.url}/_skerry/forget`, {
    method: 'POST',
    body: JSON.stringify({ node: `pivot:${dead.address}` }),
  })
  expect(forgotten.status).toBe(200)
  expect(peersOf(leader)).toEqual([])
})

test('a peer that comes to link natively is waited for by what it acknowledges', async () => {
  const first = await GoPeer.start({ keys: KEYS })
  const node = await runningNode({ ...OPTIONS, nodesKey: undefined, leader: first.url })
  await becomes(() => node.pivot.status.peers.length, 1)
  const { port } = new URL(first.url)
  await first.stop()
  await runningNode({ ...OPTIONS, port: Number(port) })
  await becomes(() => node.status().sync.links[0]?.open)
  await becomes(() => node.pivot.status.peers, [])
})
