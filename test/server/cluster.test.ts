import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Member } from '../../src/cluster.ts'
import { generateKey } from '../../src/events.ts'
import { createServer, type Server, type ServerOptions } from '../../src/index.ts'
import { RedisServer, whyNoRedis } from '../redis-server.ts'
import { failure, runningNode } from './running.ts'

/** A cluster that notices at once what takes half a minute by default. */
const QUICK = { slots: 64, leaseMs: 400, heartbeatIntervalMs: 100, heartbeatTimeoutMs: 2_000 }
const PATIENCE = { timeout: 30_000, interval: 20 }

type Parts = Omit<ServerOptions, 'cluster'> & { readonly cluster?: ServerOptions['cluster'] }

/** Nodes of one cluster; the first keeps the registry unless `registry` says where it is. */
async function nodes(ids: readonly string[], parts: Parts = {}): Promise<Server[]> {
  const servers: Server[] = []
  for (const id of ids) {
    const registry = parts.cluster?.registry ?? servers[0]?.url
    const cluster = { ...QUICK, ...parts.cluster, ...(registry !== undefined && { registry }) }
    servers.push(await runningNode({ ...parts, id, cluster }))
  }
  return servers
}

async function ask<T>(server: Server, path: string, body?: unknown): Promise<T> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(new URL(`/_skerry/cluster${path}`, server.url), init)
  return (await response.json()) as T
}

async function idsSeenBy(server: Server): Promise<string[]> {
  return (await ask<Member[]>(server, '/members')).map(({ id }) => id)
}

test('servers join by themselves, with address, zone and region, and all see the same', async () => {
  const seat = await runningNode({ id: 'a', cluster: { ...QUICK, zone: 'z1', region: 'eu' } })
  const other = { ...QUICK, registry: seat.url, zone: 'z2', region: 'us', weight: 3 }
  const b = await runningNode({ id: 'b', cluster: other })
  await expect.poll(() => idsSeenBy(seat), PATIENCE).toEqual(['a', 'b'])
  const [first, second] = await ask<(Member & { slots: number })[]>(b, '/members')
  expect(first).toMatchObject({
    id: 'a',
    address: '127.0.0.1',
    zone: 'z1',
    region: 'eu',
    slots: 16,
  })
  expect(second).toMatchObject({ path: '/readyz', zone: 'z2', region: 'us', slots: 48, weight: 3 })
  expect(second?.port).toBe(Number(new URL(b.url).port))
  for (const key of ['x', 'y', 'z']) {
    const path = `/owner?key=${key}&n=2`
    expect(await ask(seat, path)).toEqual(await ask(b, path))
  }
  expect(b.status().cluster).toMatchObject({
    state: 'joined',
    registry: seat.url,
    name: 'my-cluster',
  })
})

test('what is advertised is what others reach a node by', async () => {
  const [seat] = await nodes(['a'], { cluster: { advertise: 'node-a.example:8443' } })
  expect(await ask(seat!, '/members')).toMatchObject([{ address: 'node-a.example', port: 8443 }])
})

test('drain, leave, join, reset and distribute by HTTP', async () => {
  const [a, b] = (await nodes(['a', 'b'])) as [Server, Server]
  const keys = Array.from({ length: 200 }, (_, index) => `feed ${index}`)
  expect(await ask(b, '/distribute', { keys })).toEqual({ added: 200 })
  const held = await Promise.all(
    ['a', 'b'].map(async (id) => (await ask<{ keys: string[] }>(a, `/keys?id=${id}`)).keys),
  )
  expect(held.flat().sort()).toEqual([...keys].sort())
  expect(await ask(a, '/drain', { id: 'b' })).toEqual({ id: 'b' })
  expect(await ask(a, '/health?id=b')).toMatchObject({ status: 'alive', draining: true })
  expect((await ask<{ keys: string[] }>(a, '/keys?id=b')).keys).toEqual([])
  expect(await ask(a, '/ping', { id: 'b' })).toMatchObject({
    id: 'b',
    outcome: 'alive',
    status: 200,
  })
  expect(await ask(a, '/reset', { id: 'b' })).toEqual({ id: 'b' })
  expect(await ask(a, '/leave', { id: 'b' })).toEqual({ id: 'b' })
  await expect.poll(() => b.status().cluster?.state, PATIENCE).toBe('left')
  const joined = await fetch(new URL('/_skerry/cluster/join', b.url), { method: 'POST' })
  expect(await joined.json()).toMatchObject({ id: 'b', draining: false })
  await expect.poll(() => idsSeenBy(a), PATIENCE).toEqual(['a', 'b'])
  expect(await ask(a, '/release', { keys })).toEqual({ removed: 200 })
})

test('a node that stops is unready, then dead, but still a member; it comes back by itself', async () => {
  const [a] = (await nodes(['a'])) as [Server]
  const directory = scratch()
  const options = {
    id: 'b',
    memory: false,
    data: directory,
    cluster: { ...QUICK, registry: a.url },
  }
  const b = await runningNode(options)
  await expect.poll(() => idsSeenBy(a), PATIENCE).toEqual(['a', 'b'])
  await b.close()
  const health = () => ask<{ status: string }>(a, '/health?id=b')
  await expect.poll(async () => (await health()).status, PATIENCE).toBe('dead')
  expect(await idsSeenBy(a)).toEqual(['a', 'b'])
  const again = await runningNode(options)
  await expect.poll(health, PATIENCE).toMatchObject({ status: 'alive' })
  const [, member] = await ask<Member[]>(a, '/members')
  expect(member?.port).toBe(Number(new URL(again.url).port))
})

test('a node that stops is out of the ring at once, long before the next heartbeat', async () => {
  const slow = { heartbeatIntervalMs: 86_400_000 }
  const [a, b] = (await nodes(['a', 'b'], { cluster: slow })) as [Server, Server]
  const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`)
  const owners = () => new Set(keys.map((key) => a.cluster.getKeyNode(key)))
  await expect.poll(owners, PATIENCE).toEqual(new Set(['a', 'b']))
  await b.close()
  await expect.poll(owners, PATIENCE).toEqual(new Set(['a']))
  expect(a.cluster.getNodeHealth('b')).toMatchObject({ status: 'alive', ready: false })
  const again = await runningNode({ id: 'b', cluster: { ...QUICK, ...slow, registry: a.url } })
  await expect.poll(owners, PATIENCE).toEqual(new Set(['a', 'b']))
  expect(again.cluster.getNodeHealth('b')).toMatchObject({ ready: true })
})

test('a node serves its state while the registry is out of reach, and joins when it is back', async () => {
  const first = await runningNode({ id: 'a', cluster: QUICK })
  const { url } = first
  await first.close()
  const b = await runningNode({ id: 'b', cluster: { ...QUICK, registry: url } })
  expect(await failure(await fetch(new URL('/_skerry/cluster/members', b.url)))).toEqual({
    status: 503,
    code: 'SKERRY_CLUSTER_JOINING',
  })
  await b.state.text.set('here', '1')
  expect(b.status().cluster).toMatchObject({ state: 'joining' })
  await runningNode({ id: 'a', port: Number(new URL(url).port), cluster: QUICK })
  await expect.poll(() => b.status().cluster?.state, PATIENCE).toBe('joined')
  expect(await idsSeenBy(b)).toEqual(['a', 'b'])
})

test('the registry on the disk of a node outlives it: members, owners, keys', async () => {
  const options = { id: 'a', memory: false, data: scratch(), cluster: QUICK }
  const first = await runningNode(options)
  await first.cluster.join({ id: 'elsewhere', address: '127.0.0.1', port: 1 })
  await first.cluster.distribute(['k1', 'k2', 'k3'])
  await first.close()
  const second = await runningNode(options)
  expect(second.cluster.members().map(({ id }) => id)).toEqual(['a', 'elsewhere'])
  const keys = await Promise.all(['a', 'elsewhere'].map((id) => second.cluster.getNodeKeys(id)))
  expect(keys.flat().sort()).toEqual(['k1', 'k2', 'k3'])
})

test('what happens in the cluster is told live, a line each', async () => {
  const [a, b] = (await nodes(['a', 'b'])) as [Server, Server]
  await expect.poll(() => idsSeenBy(b), PATIENCE).toEqual(['a', 'b'])
  const response = await fetch(new URL('/_skerry/cluster/events', b.url))
  await a.cluster.join({ id: 'c', address: '127.0.0.1', port: 1 })
  let told = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    told += chunk
    if (told.includes('rebalanced')) break
  }
  const events = told
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]))
  expect(events[0]).toMatchObject({ type: 'joined', nodeId: 'c' })
  expect(events).toContainEqual(expect.objectContaining({ type: 'moved', nodeId: 'c' }))
})

test('a stop ends the live streams instead of waiting for them', async () => {
  const [a] = (await nodes(['a'])) as [Server]
  const response = await fetch(new URL('/_skerry/cluster/events', a.url))
  await a.close()
  await expect(response.text()).resolves.toBe('\n')
})

test('members of one Redis: servers see each other, a dead one is noticed', async (context) => {
  const missing = whyNoRedis()
  if (missing !== undefined) return context.skip(missing)
  const redis = await RedisServer.start()
  onTestFinished(() => redis.stop())
  const [a, b] = (await nodes(['a', 'b'], { cluster: { registry: redis.url } })) as [Server, Server]
  await expect.poll(() => idsSeenBy(a), PATIENCE).toEqual(['a', 'b'])
  expect(await failure(await registry(a))).toMatchObject({ code: 'SKERRY_REGISTRY_ELSEWHERE' })
  await b.close()
  const health = () => ask<{ status: string }>(a, '/health?id=b')
  await expect.poll(async () => (await health()).status, PATIENCE).toBe('dead')
})

test.each([
  ['an unknown option', { cluster: { beat: 1 } }, 'OPTION_UNKNOWN'],
  ['an id of its own', { cluster: { id: 'x' } }, 'OPTION_UNKNOWN'],
  ['a registry of another scheme', { cluster: { registry: 'ftp://x' } }, 'OPTION_INVALID'],
  ['an address that is none', { cluster: { advertise: 'node' } }, 'OPTION_INVALID'],
  ['a port out of range', { cluster: { advertise: 'node:70000' } }, 'OPTION_INVALID'],
  ['no object', { cluster: 'yes' }, 'OPTION_INVALID'],
  ['an unknown option of events', { events: { copies: 3 } }, 'OPTION_UNKNOWN'],
  ['an interval that is none', { events: { interval: 'P2D' } }, 'OPTION_INVALID'],
])('refused at once: %s', async (_what, options, code) => {
  const made = createServer({ port: 0, memory: true, ...(options as unknown as ServerOptions) })
  await expect(made).rejects.toMatchObject({ code: `SKERRY_${code}` })
})

test.each([
  ['/leave', { id: 'nobody' }, 404, 'SKERRY_MEMBER_UNKNOWN'],
  ['/drain', { id: 'a' }, 409, 'SKERRY_DRAIN_IMPOSSIBLE'],
  ['/drain', { id: 7 }, 400, 'SKERRY_REQUEST_INVALID'],
  ['/join', [], 400, 'SKERRY_REQUEST_INVALID'],
  ['/join', { id: 'b', address: 'x', port: 0 }, 400, 'SKERRY_MEMBER_INVALID'],
  ['/distribute', { keys: 'x' }, 400, 'SKERRY_REQUEST_INVALID'],
  ['/distribute', { keys: [7] }, 400, 'SKERRY_WORK_KEY_INVALID'],
])('bad input is refused by name: POST %s %j', async (path, body, status, code) => {
  const [a] = (await nodes(['a'])) as [Server]
  const url = new URL(`/_skerry/cluster${path}`, a.url)
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  expect(await failure(response)).toEqual({ status, code })
})

function registry(server: Server): Promise<Response> {
  const url = new URL('/_skerry/cluster/registry?name=my-cluster', server.url)
  return fetch(url, { method: 'POST', body: '["head"]' })
}

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'skerry-cluster-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('nodes behind tokens show each other theirs, and turn away who has none', async () => {
  const directory = scratch()
  const [peerTokenFile, tokenFile] = [join(directory, 'peer'), join(directory, 'tokens.json')]
  const token = 'node-0123456789abcdef'
  writeFileSync(peerTokenFile, `${token}\n`)
  const tokens = [{ name: 'nodes', token, rights: [{ verbs: ['admin'] }] }]
  writeFileSync(tokenFile, JSON.stringify({ tokens }))
  const guarded = { tokenFile, peerTokenFile, events: { replicationFactor: 2 } }
  const [a, b] = (await nodes(['a', 'b'], guarded)) as [Server, Server]
  await expect.poll(() => a.cluster.members().map(({ id }) => id), PATIENCE).toEqual(['a', 'b'])
  await expect.poll(() => a.events.status().peers, PATIENCE).toBe(1)
  const key = generateKey()
  expect((await a.events.put(key, 1, 'ALL')).replicas).toEqual(['a', 'b'])
  for (const path of ['/_skerry/cluster', '/_skerry/events', `/_skerry/events/replicas/${key}`]) {
    expect((await fetch(new URL(path, b.url))).status).toBe(401)
  }
  expect((await registry(a)).status).toBe(401)
})
