import { expect, test } from 'vitest'
import type { ServerOptions } from '../../../src/index.ts'
import { scratchDir } from '../../cli/command.ts'
import { runningNode } from '../running.ts'
import { GoPeer } from './go-peer.ts'
import { becomes, holds, shows } from './shown.ts'

const KEYS = ['users/*', 'settings']
const OPTIONS = { keys: KEYS, nodesKey: 'things/*', nodeCheckIntervalMs: 50 }

/** A leader of ours, and a Go node played by hand that is registered with it. */
async function leaderAndNode({ server = {} }: { server?: ServerOptions } = {}) {
  const leader = await runningNode({ ...OPTIONS, ...server })
  const node = await GoPeer.start({
    keys: [...KEYS, 'things/*'],
    leader: leader.url.slice('http://'.length),
  })
  const [ip, port] = node.address.split(':')
  await leader.state.text.set('things/node', JSON.stringify({ ip, port: Number(port) }))
  await becomes(() => leader.pivot.status.nodes[0]?.healthy)
  return { leader, node }
}

test('a node under our leader: creates, edits, deletes and a single key travel both ways', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.state.text.set('users/a', '{"n":1}')
  await leader.state.text.set('settings', '"dark"')
  await holds(node, { 'users/a': '{"n":1}', settings: '"dark"' })
  await node.set('users/b', '{"n":2}')
  await node.set('settings', '"light"')
  await shows(leader, { 'users/b': '{"n":2}', settings: '"light"' })
  await leader.state.text.set('users/b', '{"n":3}')
  await node.set('users/a', '{"n":4}')
  await holds(node, { 'users/b': '{"n":3}', 'users/a': '{"n":4}' })
  await shows(leader, { 'users/a': '{"n":4}' })
  await leader.state.text.delete('users/a')
  await node.delete('users/b')
  await leader.state.text.delete('settings')
  await holds(node, { 'users/a': undefined, 'users/b': undefined, settings: undefined })
  await shows(leader, { 'users/a': undefined, 'users/b': undefined })
})

test('P1 P2 P14: what a node wrote while it was cut off is collected before it fetches, without a read', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.state.text.set('users/u1', '1')
  await holds(node, { 'users/u1': '1' })
  await node.stop()
  await leader.state.text.set('users/u4', '4')
  await becomes(() => leader.pivot.status.nodes[0]?.healthy, false)
  node.entries.set('users/u2', { created: 1_700_000_000_000_000_000n, updated: 0n, data: '2' })
  await leader.state.text.set('users/u3', '3')
  await node.listen()
  const all = { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3', 'users/u4': '4' }
  await shows(leader, all)
  await holds(node, all)
})

test('P6: an hour-old POST and DELETE are answered 200 and change nothing but the stamp', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.state.text.set('users/u1', '"new"')
  await holds(node, { 'users/u1': '"new"' })
  const hourAgo = BigInt(Date.now() - 3_600_000) * 1_000_000n
  const before = await leader.store.newest('users/u1')
  const old = `{"created":${hourAgo},"updated":${hourAgo},"index":"u1","data":"old"}`
  const route = `${leader.url}/_pivot/pivot/users/u1`
  expect((await fetch(route, { method: 'POST', body: old })).status).toBe(200)
  expect((await fetch(`${route}/${hourAgo}`, { method: 'DELETE' })).status).toBe(200)
  await shows(leader, { 'users/u1': '"new"' })
  const after = await leader.store.newest('users/u1')
  expect(after!.updated).toBeGreaterThan(before!.created)
  await becomes(() => node.entries.get('users/u1')?.updated, after!.updated)
})

test('a node that inferred a delete from what it lacks gets the entry back', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.state.text.set('users/u1', '1')
  await holds(node, { 'users/u1': '1' })
  node.entries.delete('users/u1')
  node.entries.set('users/u2', {
    created: BigInt(Date.now() + 1000) * 1_000_000n,
    updated: 0n,
    data: '2',
  })
  await node.synchronize()
  await holds(node, { 'users/u1': '1' })
  await shows(leader, { 'users/u1': '1' })
})

test('P8: what a node with a slow clock writes reaches the other nodes', async () => {
  const { leader, node } = await leaderAndNode()
  const slow = await GoPeer.start({
    keys: KEYS,
    leader: leader.url.slice('http://'.length),
    clockOffsetMs: -2000,
  })
  await leader.state.text.set('users/u1', '1')
  await holds(node, { 'users/u1': '1' })
  await slow.set('users/u2', '2')
  await holds(node, { 'users/u1': '1', 'users/u2': '2' })
})

test('P7: one write stamped an hour ahead is answered 200, kept aside, and holds up nothing', async () => {
  const { leader, node } = await leaderAndNode()
  const fast = await GoPeer.start({
    keys: KEYS,
    leader: leader.url.slice('http://'.length),
    clockOffsetMs: 3_600_000,
  })
  await fast.set('users/future', '1')
  expect(await leader.store.aside(10)).toMatchObject([{ path: 'users/future' }])
  await leader.state.text.set('users/u1', '1')
  await holds(node, { 'users/u1': '1' })
  await shows(leader, { 'users/future': undefined })
})

test('P9: deleted and created anew, a node that missed the delete takes the new value', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.state.text.set('users/u1', '"first"')
  await leader.state.text.set('users/u1', '"edited"')
  await holds(node, { 'users/u1': '"edited"' })
  await node.stop()
  await leader.state.text.delete('users/u1')
  await leader.state.text.set('users/u1', '"anew"')
  await node.listen()
  await holds(node, { 'users/u1': '"anew"' })
})

test('P15: a spoofed originator delays what a node hears until the next check, no longer', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.state.text.set('users/u1', '1')
  await holds(node, { 'users/u1': '1' })
  const now = BigInt(Date.now() + 1) * 1_000_000n
  await fetch(`${leader.url}/_pivot/pivot/users/u2`, {
    method: 'POST',
    headers: { 'x-pivot-originator': node.address },
    body: `{"created":${now},"updated":0,"index":"u2","data":2}`,
  })
  await holds(node, { 'users/u2': '2' })
})

test('the same write in other words changes nothing', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.state.text.set('users/u1', '{ "a": 1.0 }')
  await holds(node, { 'users/u1': '{ "a": 1.0 }' })
  const { seq } = leader.store
  const { created } = (await leader.store.newest('users/u1'))!
  await fetch(`${leader.url}/_pivot/pivot/users/u1`, {
    method: 'POST',
    body: `{"created":${created},"updated":${created},"index":"u1","data":{"a":1}}`,
  })
  expect(leader.store.seq).toBe(seq)
  expect((await leader.store.read('users/u1'))?.data).toBe('{ "a": 1.0 }')
})

test('lastEntry grows with each change, and never falls: not by deletes, not by restarts', async () => {
  const data = scratchDir()
  const { leader, node } = await leaderAndNode({ server: { memory: false, data } })
  const activity = async () =>
    (await (await fetch(`${leader.url}/_pivot/activity/users`)).text()).match(/\d+/)![0]
  const seen = [BigInt(await activity())]
  await node.set('users/u1', '1')
  seen.push(BigInt(await activity()))
  await leader.state.text.set('users/u1', '2')
  seen.push(BigInt(await activity()))
  await leader.state.text.delete('users/u1')
  seen.push(BigInt(await activity()))
  const old = `{"created":5,"updated":5,"index":"u1","data":"old"}`
  await fetch(`${leader.url}/_pivot/pivot/users/u1`, { method: 'POST', body: old })
  seen.push(BigInt(await activity()))
  for (let i = 1; i < seen.length; i++) expect(seen[i]).toBeGreaterThan(seen[i - 1]!)
  const last = BigInt(await activity())
  await leader.close()
  const again = await runningNode({ ...OPTIONS, memory: false, data })
  expect((await again.pivot.activity('users')).lastEntry).toBeGreaterThanOrEqual(last)
})
