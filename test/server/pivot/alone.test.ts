import { expect, onTestFinished, test } from 'vitest'
import {
  createServer,
  type NodeStatus,
  type Server,
  type ServerOptions,
} from '../../../src/index.ts'
import { MemoryEngine } from '../../../src/store/memory.ts'
import { LocalStore } from '../../../src/store/local.ts'
import { machineEnv } from '../../../src/server/env.ts'
import { scratchDir } from '../../cli/command.ts'
import { Client } from '../client.ts'
import { runningNode } from '../running.ts'
import { becomes, shows } from './shown.ts'

const KEYS = ['users/*', 'settings']

/** Between Skerry nodes, by the pivot protocol alone. */
const ALONE = { keys: KEYS, nativeLink: false, nodeCheckIntervalMs: 50 }

async function register(leader: Server, node: Server): Promise<void> {
  const { hostname, port } = new URL(node.url)
  await leader.state.text.set(`things/${node.id}`, `{"ip":"${hostname}","port":"${port}"}`)
}

async function leaderAndNodes(count: number, options: ServerOptions = {}) {
  const leader = await runningNode({ ...ALONE, nodesKey: 'things/*', ...options })
  const nodes: Server[] = []
  for (let i = 0; i < count; i++) {
    const node = await runningNode({ ...ALONE, nodesKey: 'things/*', leader: leader.url })
    await register(leader, node)
    nodes.push(node)
  }
  return { leader, nodes }
}

test('creates, edits, deletes and a single key travel both ways', async () => {
  const { leader, nodes } = await leaderAndNodes(2)
  const [one, two] = nodes as [Server, Server]
  await one.state.text.set('users/a', '1')
  await two.state.text.set('users/b', '2')
  await leader.state.text.set('settings', '"dark"')
  for (const node of [leader, one, two]) {
    await shows(node, { 'users/a': '1', 'users/b': '2', settings: '"dark"' })
  }
  await one.state.text.set('users/b', '3')
  await two.state.text.delete('users/a')
  await one.state.text.delete('settings')
  for (const node of [leader, one, two]) {
    await shows(node, { 'users/a': undefined, 'users/b': '3', settings: undefined })
  }
  expect(one.status().sync.links).toEqual([])
})

test('edits and deletes made on both sides of a cut converge, the leader killed and restarted', async () => {
  const data = scratchDir()
  const options = { ...ALONE, nodesKey: 'things/*', data }
  const first = await createServer({ ...options, port: 0 })
  onTestFinished(() => first.close())
  await first.listen()
  const port = Number(new URL(first.url).port)
  const node = await runningNode({ ...ALONE, nodesKey: 'things/*', leader: first.url })
  await register(first, node)
  for (const i of [1, 2, 3, 4]) await first.state.text.set(`users/${i}`, String(i))
  await shows(node, { 'users/1': '1', 'users/4': '4' })
  await first.close()
  await node.state.text.set('users/1', '"node"')
  await node.state.text.delete('users/2')
  await node.state.text.set('users/5', '5')
  const again = await createServer({ ...options, port })
  onTestFinished(() => again.close())
  await again.state.text.set('users/3', '"leader"')
  await again.state.text.delete('users/4')
  await again.listen()
  const all = {
    ...{ 'users/1': '"node"', 'users/2': undefined, 'users/3': '"leader"' },
    ...{ 'users/4': undefined, 'users/5': '5' },
  }
  await shows(node, all)
  await shows(again, all)
})

test('P5: the leader writes while a node creates 300 keys: none is lost', async () => {
  const { leader, nodes } = await leaderAndNodes(1)
  const [node] = nodes as [Server]
  let busy = true
  const writing = (async () => {
    for (let i = 0; busy; i++) await leader.state.text.set('users/leader', String(i))
  })()
  await Promise.all(
    Array.from({ length: 300 }, (_, i) => node.state.text.set(`users/k${i}`, String(i))),
  )
  busy = false
  await writing
  const all = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`users/k${i}`, String(i)]))
  await shows(leader, all)
  await shows(node, all)
})

test('mixed leaders: each key goes to its own leader, a local one to none', async () => {
  const one = await runningNode({ ...ALONE, keys: ['a/*', 'c/*'] })
  const two = await runningNode({ ...ALONE, keys: ['b/*', 'c/*'] })
  const node = await runningNode({
    ...ALONE,
    leader: one.url,
    keys: ['a/*', { path: 'b/*', clusterUrl: two.url }, { path: 'c/*', local: true }],
  })
  await node.state.text.set('a/1', '1')
  await node.state.text.set('b/1', '2')
  await node.state.text.set('c/1', '3')
  await two.state.text.set('b/2', '4')
  await shows(one, { 'a/1': '1' })
  await shows(two, { 'b/1': '2' })
  await shows(node, { 'b/2': '4' })
  expect(await one.store.read('b/1')).toBeUndefined()
  expect(await one.store.read('c/1')).toBeUndefined()
  expect(await two.store.read('c/1')).toBeUndefined()
})

test('a key with a store of its own is kept in step, and not served to clients', async () => {
  const auth = await LocalStore.open(new MemoryEngine(), machineEnv)
  onTestFinished(() => auth.close())
  const leader = await runningNode(ALONE)
  const node = await createServer({
    ...ALONE,
    ...{ memory: true, port: 0, leader: leader.url },
    keys: [{ path: 'users/*', store: auth }, 'settings'],
  })
  onTestFinished(() => node.close())
  const written: string[] = []
  node.pivot.attach(auth, { afterWrite: (path) => written.push(path) })
  await node.listen()
  await auth.write([{ path: 'users/1', decide: () => '1' }])
  await leader.state.text.set('users/2', '2')
  await shows(leader, { 'users/1': '1' })
  await becomes(async () => (await auth.read('users/2'))?.data, '2')
  expect(written).toEqual(expect.arrayContaining(['users/1', 'users/2']))
  expect((await fetch(`${node.url}/users/1`)).status).toBe(404)
  expect(() => node.pivot.attach(leader.store)).toThrow('no key names this store')
})

test('Skerry nodes with keys of names choose the native link by themselves', async () => {
  const leader = await runningNode({ keys: KEYS })
  const node = await runningNode({ keys: KEYS, leader: leader.url })
  await leader.state.text.set('users/1', '1')
  await shows(node, { 'users/1': '1' })
  expect(node.status().sync.links).toMatchObject([{ open: true, leads: true }])
  expect(node.pivot.status.leaders[0]?.active).toBe(false)
})

test('health is there by HTTP, in the status, and live at pivot/status', async () => {
  const { leader, nodes } = await leaderAndNodes(1)
  const [node] = nodes as [Server]
  await becomes(() => leader.pivot.status.nodes[0]?.healthy)
  const answer = await fetch(`${leader.url}/_pivot/health/nodes`)
  expect(await answer.json()).toMatchObject([
    { address: new URL(node.url).host, healthy: true, protocol: '2.0', compatible: true },
  ])
  expect(await (await fetch(`${node.url}/_pivot/health/nodes`)).json()).toEqual([])
  const client = await Client.open(leader.url, 'pivot/status')
  const seen = () =>
    (client.watcher.copy as { data: { nodes: { healthy: boolean; lastCheck: string }[] } }).data
  await becomes(() => seen().nodes[0]?.healthy)
  expect(seen().nodes[0]?.lastCheck).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  // The node's view of its leader.
  const view = async () => {
    const answered = (await (await fetch(`${node.url}/_skerry/status`)).json()) as NodeStatus
    return answered.pivot.leaders[0]
  }
  await becomes(async () => (await view())?.healthy)
  expect((await view())?.lastCheck).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  expect(await (await fetch(`${node.url}/metrics`)).text()).toContain(
    `skerry_pivot_peer_healthy{peer="pivot:${new URL(leader.url).host}"} 1`,
  )
  await node.close()
  await becomes(() => seen().nodes[0]?.healthy, false)
  const put = await fetch(`${leader.url}/pivot/status`, { method: 'POST', body: '1' })
  expect(put.status).toBe(400)
  expect((await fetch(`${leader.url}/pivot/status`)).status).toBe(200)
})

test('lag by key is there by HTTP and live at pivot/status, of peers linked natively too', async () => {
  const leader = await runningNode({ id: 'leader', keys: KEYS })
  const data = scratchDir()
  const node = await runningNode({ id: 'n', keys: KEYS, leader: leader.url, memory: false, data })
  await becomes(() => leader.status().sync.links.map(({ unrepaired }) => unrepaired), [[]])
  const client = await Client.open(leader.url, 'pivot/status')
  type Shown = { peer: string; linked: boolean; lag: { key: string; entries: number }[] }
  const shown = () => (client.watcher.copy as { data: { linkedPeers: Shown[] } }).data.linkedPeers
  await becomes(() => shown(), [{ peer: 'n', linked: true, lag: [] }])
  await node.close()
  await leader.state.text.set('users/1', '1')
  await becomes(() => shown().map(({ linked }) => linked), [false])
  await becomes(() => shown()[0]?.lag.map(({ key, entries }) => [key, entries]), [['users/*', 1]])
  const answer = (await (await fetch(`${leader.url}/_skerry/status`)).json()) as NodeStatus
  expect(answer.sync.peers[0]?.lag).toMatchObject([
    { key: 'settings', entries: 0, seconds: 0, more: false },
    { key: 'users/*', entries: 1, more: false },
  ])
  const again = await runningNode({ id: 'n', keys: KEYS, leader: leader.url, memory: false, data })
  await shows(again, { 'users/1': '1' })
  await becomes(() => shown(), [{ peer: 'n', linked: true, lag: [] }])
})

test.each([
  ['GET', 'activity/other', 422],
  ['GET', 'pivot/other/*', 422],
  ['POST', 'pivot/other/1', 422],
  ['DELETE', 'pivot/other/1/5', 422],
  ['DELETE', 'pivot/users/1/x', 400],
  ['GET', 'pivot/settings', 500],
  ['GET', 'synchronize/pivot', 400],
  ['GET', 'pivot', 400],
])('%s /_pivot/%s is answered %i by a leader', async (method, route, status) => {
  const leader = await runningNode(ALONE)
  const body = method === 'POST' ? { body: '{"created":1,"updated":0,"data":1}' } : {}
  const answer = await fetch(`${leader.url}/_pivot/${route}`, { method, ...body })
  expect(answer.status).toBe(status)
})

test('requests to registered addresses follow no redirect and stay in the allowed networks', async () => {
  const { createServer: createHttp } = await import('node:http')
  const seen: string[] = []
  const trap = createHttp((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`)
    response.writeHead(302, { location: '/secret' }).end()
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void trap.close())
  const { port } = trap.address() as { port: number }
  const leader = await runningNode({ ...ALONE, nodesKey: 'things/*' })
  await leader.state.text.set('things/trap', JSON.stringify({ IP: '127.0.0.1', Port: port }))
  await becomes(() => leader.pivot.status.nodes[0]?.reason.includes('302'))
  expect(new Set(seen)).toEqual(new Set(['GET / ']))
  await leader.close()
  const confined = await runningNode({
    ...{ ...ALONE, nodesKey: 'things/*', allowedPeerNetworks: ['10.0.0.0/8'] },
  })
  seen.length = 0
  await confined.state.text.set('things/trap', JSON.stringify({ ip: '127.0.0.1', port }))
  await confined.state.text.set('things/name', JSON.stringify({ ip: 'localhost', port }))
  await becomes(() =>
    confined.pivot.status.nodes.every(({ reason }) => reason.includes('allowedPeerNetworks')),
  )
  expect(seen).toEqual([])
})

test.each<[ServerOptions, string]>([
  [{ leader: 'a:1', keys: [{ path: 'a/*', local: true, clusterUrl: 'b:1' }] }, "'local'"],
  [{ keys: [{ path: 'a/*', clusterUrl: 'b:1' }] }, "needs a 'leader'"],
  [{ leader: 'a:1', keys: ['a/*', { path: 'a/1', local: true }] }, 'another leader'],
  [{ nodesKey: '**' }, 'nodesKey'],
  [{ nodesKey: 'a/*/b/*' }, 'nodesKey'],
  [{ extraNodeUrls: ['https://a:1'] }, 'extraNodeUrls'],
  [{ allowedPeerNetworks: ['10.0.0.0/33'] }, 'allowedPeerNetworks'],
])('options that contradict each other are refused at once: %j', async (options, said) => {
  await expect(createServer({ memory: true, ...options })).rejects.toThrow(said)
})

test('a node asks a Skerry leader for what is new only, and for all again when that can not be told', async () => {
  const { leader, nodes } = await leaderAndNodes(1)
  const [node] = nodes as [Server]
  for (const n of [1, 2, 3]) await leader.state.text.set(`users/${n}`, String(n))
  await shows(node, { 'users/1': '1', 'users/2': '2', 'users/3': '3' })
  const get = async (route: string): Promise<unknown> =>
    (await fetch(`${leader.url}/_pivot/${route}`)).json()
  const place = async () => ((await get('activity/users')) as { place: string }).place
  const news = async (since: string) => get(`pivot/users/*?since=${since}`)
  const before = await place()
  await leader.state.text.set('users/1', '"edited"')
  await leader.state.text.set('settings', '1')
  await leader.state.text.delete('users/2')
  expect(await news(before)).toMatchObject({
    entries: [{ index: '1', data: 'edited' }],
    deleted: [{ index: '2' }],
  })
  await shows(node, { 'users/1': '"edited"', 'users/2': undefined, 'users/3': '3' })
  expect(await node.pivot.removed('users/*', 10)).toEqual([])
  for (const strange of ['', 'x', `${before}0000`, before.replace(/\.\d+$/, '.-1')]) {
    expect(await news(strange)).toHaveLength(2)
  }
  // What a collected tombstone deleted is in no feed.
  const rule = { waitFor: [], expired: leader.store.time(), keys: ['**'], linked: true }
  expect(await leader.store.collect(rule)).toBe(1)
  expect(await news(before)).toHaveLength(2)
})

test('what is kept aside at the leader and released is told though its place in the feed is behind', async () => {
  const { leader, nodes } = await leaderAndNodes(1)
  const [node] = nodes as [Server]
  const ahead = leader.store.time() + 61_000_000_000n
  const entry = { path: 'users/1', created: ahead, updated: 0n, origin: '', data: '1' }
  await leader.store.merge([entry], { peer: 'p' })
  const place = async () =>
    (await (await fetch(`${leader.url}/_pivot/activity/users`)).json()) as { place: string }
  const { place: before } = await place()
  await leader.state.text.set('users/2', '2')
  await shows(node, { 'users/1': undefined, 'users/2': '2' })
  leader.store.correctClock(3_600_000_000_000n)
  await shows(leader, { 'users/1': '1' })
  const told = await fetch(`${leader.url}/_pivot/pivot/users/*?since=${before}`)
  expect(await told.json()).toHaveLength(2)
  node.store.correctClock(3_600_000_000_000n)
  await shows(node, { 'users/1': '1', 'users/2': '2' })
})
