import { expect, onTestFinished, test } from 'vitest'
import { createServer, type Server, type ServerOptions } from '../../../src/index.ts'
import { scratchDir } from '../../cli/command.ts'
import { runningNode } from '../running.ts'
import { GoPeer } from './go-peer.ts'
import { becomes, holds, shows } from './shown.ts'

const KEYS = ['users/*', 'settings']

/** A Go leader played by hand, and a node of ours that it tells of changes. */
async function leaderAndNode(options: ServerOptions = {}) {
  const nodes: string[] = []
  const leader = await GoPeer.start({ keys: KEYS, nodes: () => nodes })
  const node = await runningNode({
    keys: KEYS,
    leader: leader.url,
    nodeCheckIntervalMs: 50,
    ...options,
  })
  nodes.push(node.url.slice('http://'.length))
  await becomes(() => status(node)?.active)
  return { leader, node }
}

function status(node: Server) {
  return node.pivot.status.leaders[0]
}

/** Waits until the node has nothing more to send, and has seen the leader's list. */
async function inStep(node: Server): Promise<void> {
  await becomes(() => {
    const keys = status(node)?.keys ?? []
    return keys.every(
      ({ lag, lastEntry }) => lag.entries === 0 && !lag.more && lastEntry !== undefined,
    )
  })
}

/** As another node of the leader pushes an entry that it created. */
async function postTo(
  leader: GoPeer,
  path: string,
  { created, data }: { created: bigint; data: string },
): Promise<void> {
  const body = `{"created":${created},"updated":0,"index":"${path.split('/')[1]}","data":${data}}`
  await fetch(`${leader.url}/_pivot/pivot/${path}`, { method: 'POST', body })
}

test('a node under their leader: creates, edits, deletes and a single key travel both ways', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.set('users/a', '{"n":1}')
  await leader.set('settings', '"dark"')
  await shows(node, { 'users/a': '{"n":1}', settings: '"dark"' })
  await node.state.text.set('users/b', '{"n":2}')
  await node.state.text.set('settings', '"light"')
  await holds(leader, { 'users/b': '{"n":2}', settings: '"light"' })
  await leader.set('users/b', '{"n":3}')
  await shows(node, { 'users/b': '{"n":3}' })
  await leader.delete('users/a')
  await shows(node, { 'users/a': undefined })
  await node.state.text.delete('users/b')
  await holds(leader, { 'users/b': undefined })
  await leader.delete('settings')
  await shows(node, { settings: undefined })
})

test('P1 P2 P14: both create while cut off; after healing both have everything, without a read', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.set('users/u1', '1')
  await shows(node, { 'users/u1': '1' })
  await inStep(node)
  await leader.stop()
  await node.state.text.set('users/u2', '2')
  await leader.set('users/u3', '3')
  await leader.listen()
  const all = { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3' }
  await shows(node, all)
  await holds(leader, all)
})

test('P3: a leader that comes back empty and takes a write wipes nobody: it gets everything again', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.set('users/u1', '1')
  await node.state.text.set('users/u2', '2')
  await node.state.text.set('settings', '"dark"')
  await holds(leader, { 'users/u2': '2', settings: '"dark"' })
  await inStep(node)
  await leader.stop()
  leader.forget()
  await leader.set('users/u3', '3')
  await leader.listen()
  const all = { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3', settings: '"dark"' }
  await shows(node, all)
  await holds(leader, all)
  expect(status(node)?.keys[0]?.rewinds).toBeGreaterThan(0)
  await becomes(() => status(node)?.keys[0]?.rewound, false)
})

test('P4: a request that fails after a good look at the activity deletes nothing', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.set('settings', '"dark"')
  await shows(node, { settings: '"dark"' })
  leader.broken.set('GET /_pivot/pivot/settings', { status: 500, body: 'disk error' })
  await leader.set('settings', '"light"')
  await becomes(() => (status(node)?.failures ?? 0) > 1)
  await shows(node, { settings: '"dark"' })
  leader.broken.clear()
  await shows(node, { settings: '"light"' })
})

test('P10: a node deletes offline, the leader edits another path: the deleted one stays away', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.set('users/u1', '1')
  await leader.set('users/u2', '2')
  await shows(node, { 'users/u1': '1', 'users/u2': '2' })
  await inStep(node)
  await leader.stop()
  await node.state.text.delete('users/u1')
  await leader.set('users/u2', '"edited"')
  await leader.listen()
  await holds(leader, { 'users/u1': undefined, 'users/u2': '"edited"' })
  await shows(node, { 'users/u1': undefined, 'users/u2': '"edited"' })
})

test('P12: a leader that accepts connections and then hangs delays no local write or read', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.stop()
  const { createServer: createTcp } = await import('node:net')
  const [, port] = leader.address.split(':')
  const mute = createTcp(() => undefined)
  await new Promise<void>((resolve) => mute.listen(Number(port), '127.0.0.1', resolve))
  onTestFinished(() => void mute.close())
  for (let i = 0; i < 100; i++) {
    await node.state.text.set(`users/${i}`, String(i))
    expect((await node.state.text.get(`users/${i}`))?.data).toBe(String(i))
  }
  await becomes(() => status(node)?.keys[0]?.lag.entries, 100)
})

test('a node that starts again while its leader is away tells what waits for it', async () => {
  const data = scratchDir()
  const { leader, node } = await leaderAndNode({ memory: undefined, data })
  await leader.set('users/u1', '1')
  await shows(node, { 'users/u1': '1' })
  await inStep(node)
  await leader.stop()
  for (const path of ['users/u2', 'users/u3', 'users/u3']) await node.state.text.set(path, '2')
  await node.close()
  const again = await createServer({
    ...{ data, port: 0, keys: KEYS, leader: leader.url, nodeCheckIntervalMs: 50 },
  })
  onTestFinished(() => again.close())
  await again.listen()
  const lag = () =>
    status(again)?.keys.map(({ lag: { key, entries, more } }) => [key, entries, more])
  await becomes(lag, [
    ['users/*', 2, false],
    ['settings', 0, false],
  ])
  const seconds = status(again)?.keys[0]?.lag.seconds
  expect(seconds).toBeGreaterThan(0)
  await leader.listen()
  await holds(leader, { 'users/u2': '2', 'users/u3': '2' })
  await becomes(() => lag()?.[0], ['users/*', 0, false])
})

test('P17: a leader at another address wipes nobody, and gets what it lacks', async () => {
  const data = scratchDir()
  const { leader, node } = await leaderAndNode({ memory: undefined, data })
  await leader.set('users/u1', '1')
  await shows(node, { 'users/u1': '1' })
  await node.close()
  const other = await GoPeer.start({ keys: KEYS })
  await other.set('users/u2', '2')
  const again = await createServer({
    ...{ data, port: 0, keys: KEYS, leader: other.url, nodeCheckIntervalMs: 50 },
  })
  onTestFinished(() => again.close())
  await again.listen()
  await holds(other, { 'users/u1': '1', 'users/u2': '2' })
  await shows(again, { 'users/u1': '1', 'users/u2': '2' })
})

test('what the node could not send survives its restart', async () => {
  const data = scratchDir()
  const { leader, node } = await leaderAndNode({ memory: undefined, data })
  await leader.set('users/u1', '1')
  await shows(node, { 'users/u1': '1' })
  await inStep(node)
  await leader.stop()
  await node.state.text.set('users/u2', '2')
  await node.state.text.delete('users/u1')
  await node.close()
  await leader.listen()
  const again = await createServer({
    ...{ data, port: 0, keys: KEYS, leader: leader.url, nodeCheckIntervalMs: 50 },
  })
  onTestFinished(() => again.close())
  await again.listen()
  await holds(leader, { 'users/u1': undefined, 'users/u2': '2' })
})

test('what the leader refuses is listed, is not read as deleted, and holds up nothing', async () => {
  const { leader, node } = await leaderAndNode()
  await node.state.text.set('users/with-dash', '1')
  await node.state.text.set('users/plain', '2')
  await holds(leader, { 'users/plain': '2' })
  await becomes(() => status(node)?.keys[0]?.undeliverable.named[0]?.path, 'users/with-dash')
  expect(status(node)?.keys[0]?.undeliverable.named[0]?.status).toBe(404)
  await leader.set('users/more', '3')
  await shows(node, { 'users/more': '3', 'users/with-dash': '1' })
})

test('an absence that counts as deleted can be taken back', async () => {
  const { leader, node } = await leaderAndNode()
  await leader.set('users/u1', '1')
  await leader.set('users/u2', '2')
  await shows(node, { 'users/u1': '1', 'users/u2': '2' })
  await inStep(node)
  const before = await node.store.newest('users/u1')
  await leader.delete('users/u1')
  await shows(node, { 'users/u1': undefined })
  const after = await node.store.newest('users/u1')
  expect(after).toMatchObject({ updated: before!.created, origin: before!.origin, data: null })
  const route = `${node.url}/_skerry/pivot`
  const removed = await fetch(`${route}/removed?path=users/*`)
  expect(await removed.json()).toMatchObject([{ entry: { path: 'users/u1', data: 1 } }])
  const restored = await fetch(`${route}/restore?path=users/u1`, { method: 'POST' })
  expect(await restored.json()).toMatchObject({ path: 'users/u1', data: 1 })
  await holds(leader, { 'users/u1': '1' })
})

test('a Go leader that forgets a delete with an older write gets the entry again, and loses nothing', async () => {
  const { leader, node } = await leaderAndNode({ nodeCheckIntervalMs: 3_600_000 })
  await leader.set('users/u1', '1')
  await leader.set('users/u2', '2')
  await shows(node, { 'users/u1': '1', 'users/u2': '2' })
  await inStep(node)
  const { created } = leader.entries.get('users/u1')!
  // The newest entry goes, and a node that came back posts what it wrote before that: lastEntry falls.
  leader.entries.delete('users/u2')
  await postTo(leader, 'users/u0', { created: created - 1n, data: '0' })
  expect(leader.activity('users')).toBe(created)
  const again = { 'users/u0': '0', 'users/u1': '1', 'users/u2': '2' }
  await shows(node, again)
  await holds(leader, again)
})

test('a wipe that others re-seeded before the next look can not be told from deletes, but taken back', async () => {
  const { leader, node } = await leaderAndNode({ nodeCheckIntervalMs: 3_600_000 })
  for (const i of [1, 2, 3]) await leader.set(`users/u${i}`, String(i))
  await shows(node, { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3' })
  await inStep(node)
  const kept = leader.entries.get('users/u3')!
  leader.forget()
  leader.entries.set('users/u3', kept)
  await leader.set('users/u4', '4')
  await shows(node, { 'users/u1': undefined, 'users/u3': '3', 'users/u4': '4' })
  const removed = await node.pivot.removed('users/*', 10)
  expect(removed.map(({ entry }) => entry.path).sort()).toEqual(['users/u1', 'users/u2'])
})
