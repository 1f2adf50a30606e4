import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createCluster, createRing } from '../../src/cluster.ts'
import type { Cluster, ClusterEvent, ClusterOptions } from '../../src/cluster.ts'
import { Endpoint } from './endpoint.ts'
import { freePort, RedisServer, until, whyNoRedis } from '../redis-server.ts'

// The defects found in the ancestor, P0 to P16 of its examination, as what must hold here.

let redis: RedisServer | undefined
let client: Redis
const cleanUp: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  if (whyNoRedis() === undefined) redis = await RedisServer.start()
})
beforeEach(async () => {
  if (redis === undefined) return
  client = new Redis(redis.url)
  cleanUp.push(async () => client.disconnect())
  await client.flushall()
})
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})
afterAll(() => redis?.stop())

const quick = {
  name: 'test',
  slots: 256,
  heartbeatIntervalMs: 60,
  heartbeatTimeoutMs: 1_000,
  leaseMs: 400,
} satisfies ClusterOptions

async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = createCluster({ ...quick, ...options })
  cleanUp.push(() => cluster.destroy())
  await cluster.start()
  return cluster
}

async function startEndpoints(count: number): Promise<Endpoint[]> {
  const endpoints = await Promise.all(Array.from({ length: count }, () => Endpoint.start()))
  cleanUp.push(() => Promise.all(endpoints.map((endpoint) => endpoint.stop())))
  return endpoints
}

async function joinAll(cluster: Cluster, endpoints: readonly Endpoint[]): Promise<void> {
  for (const [index, { port }] of endpoints.entries()) {
    await cluster.join({ id: `node-${index + 1}`, address: '127.0.0.1', port, path: '/health' })
  }
}

function record(cluster: Cluster): ClusterEvent[] {
  const events: ClusterEvent[] = []
  const types = ['suspect', 'died', 'revived', 'joined', 'left', 'rebalanced', 'error'] as const
  for (const type of types) cluster.on(type, (event) => events.push(event))
  return events
}

const typesOf = (events: readonly ClusterEvent[], id: string) =>
  events
    .filter(({ nodeId, type }) => nodeId === id && type !== 'rebalanced')
    .map(({ type }) => type)

const names = (count: number) => Array.from({ length: count }, (_, index) => `key-${index}`)

/** Every key is some member's, exactly once, and the one that `getKeyNode` names. */
async function expectEachKeyOnce(cluster: Cluster, keys: readonly string[]): Promise<void> {
  const found: string[] = []
  for (const { id } of cluster.members()) {
    const mine = await cluster.getNodeKeys(id)
    for (const key of mine) expect(cluster.getKeyNode(key)).toBe(id)
    found.push(...mine)
  }
  expect(found.sort()).toEqual([...keys].sort())
}

test('P0 README start: it starts with no optional argument', async () => {
  const cluster = createCluster()
  cleanUp.push(() => cluster.destroy())
  let started = 0
  cluster.on('started', () => started++)
  await cluster.start()
  const [endpoint] = await startEndpoints(1)
  await cluster.join({ id: 'node-1', address: '127.0.0.1', port: endpoint!.port, path: '/health' })
  expect(await cluster.distribute(['a', 'b'])).toBe(2)
  expect(cluster.getKeyNode('a')).toBe('node-1')
  expect(started).toBe(1)
})

test('P1 Death: a member that is down dies, once', async () => {
  const cluster = await startCluster({ heartbeatMaxFailures: 2 })
  const events = record(cluster)
  const port = await freePort()
  await cluster.join({ id: 'node-1', address: '127.0.0.1', port })
  await until(() => cluster.getNodeHealth('node-1').status === 'dead', 'its death')
  expect(cluster.getNodeHealth('node-1').failures).toBe(2)
  // Many more beats later it is still one death, and it is still probed: it can come back.
  const endpoint = await Endpoint.start(port)
  cleanUp.push(() => endpoint.stop())
  await until(() => cluster.getNodeHealth('node-1').status === 'alive', 'its return')
  expect(typesOf(events, 'node-1')).toEqual(['joined', 'suspect', 'died', 'revived'])
})

test('P2 Counter: only consecutive misses count', async () => {
  const cluster = await startCluster({ heartbeatMaxFailures: 3 })
  const events = record(cluster)
  const [endpoint] = await startEndpoints(1)
  await joinAll(cluster, [endpoint!])
  for (let round = 0; round < 3; round++) {
    endpoint!.mood = 'broken'
    await until(() => cluster.getNodeHealth('node-1').failures > 0, 'a miss')
    endpoint!.mood = 'well'
    await until(() => cluster.getNodeHealth('node-1').failures === 0, 'the count to begin anew')
  }
  expect(typesOf(events, 'node-1')).toEqual(['joined', 'suspect', 'suspect', 'suspect'])
})

test('P3 Events: nobody who emits waits for who listens', async () => {
  const cluster = createCluster(quick)
  cleanUp.push(() => cluster.destroy())
  const events = record(cluster)
  const unread = cluster.events()
  cluster.on('joined', () => {
    throw new Error('a listener that fails')
  })
  // Leaving from within an event is no deadlock.
  const left = new Promise<void>((resolve, reject) => {
    cluster.on('joined', ({ nodeId }) => {
      if (nodeId === 'node-2') cluster.leave(nodeId).then(resolve, reject)
    })
  })
  await cluster.start()
  await joinAll(cluster, await startEndpoints(2))
  await left
  expect(cluster.members().map(({ id }) => id)).toEqual(['node-1'])
  expect(events.filter(({ type }) => type === 'error')).toHaveLength(2)
  expect(typesOf(events, 'node-2')).toEqual(['joined', 'left'])
  expect((await unread.next()).value).toMatchObject({ type: 'started' })
})

test('P3 Events: a miss and a recovery are no return from the dead', async () => {
  const cluster = await startCluster()
  const events = record(cluster)
  const [endpoint] = await startEndpoints(1)
  endpoint!.mood = 'broken'
  await joinAll(cluster, [endpoint!])
  await until(() => cluster.getNodeHealth('node-1').status === 'suspect', 'suspicion')
  endpoint!.mood = 'well'
  await until(() => cluster.getNodeHealth('node-1').status === 'alive', 'recovery')
  expect(typesOf(events, 'node-1')).toEqual(['joined', 'suspect'])
})

test('P4 Restart: the ring is there before start() resolves', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const first = await startCluster({ registry: redis.url })
  await joinAll(first, await startEndpoints(3))
  await first.distribute(names(300))
  const owners = names(300).map((key) => first.getKeyNode(key))
  await first.destroy()
  const second = await startCluster({ registry: redis.url })
  expect(names(300).map((key) => second.getKeyNode(key))).toEqual(owners)
  await expectEachKeyOnce(second, names(300))
  await second.distribute(['one more'])
  await second.leave('node-1')
  await expectEachKeyOnce(second, [...names(300), 'one more'])
})

test('P5 RemoveNode: any order of adding and removing is as a fresh ring', () => {
  for (const algorithm of ['crc32', 'ketama', 'maglev', 'rendezvous'] as const) {
    const ring = createRing({ algorithm, virtualNodes: 10 })
    for (const id of ['a', 'b', 'c', 'd']) ring.add({ id })
    for (let round = 0; round < 5; round++) {
      ring.remove('b')
      ring.add({ id: 'e' })
      ring.remove('e')
      ring.add({ id: 'b' })
    }
    ring.remove('d')
    const fresh = createRing({ algorithm, virtualNodes: 10 })
    for (const id of ['c', 'b', 'a']) fresh.add({ id })
    for (const key of names(10_000)) expect(ring.getNode(key)).toBe(fresh.getNode(key))
  }
})

test('P6 Join and leave: every key once after every event, and only its share moves', async () => {
  const cluster = await startCluster()
  const endpoints = await startEndpoints(4)
  await joinAll(cluster, endpoints.slice(0, 3))
  const keys = names(300)
  expect(await cluster.distribute(keys)).toBe(300)
  await expectEachKeyOnce(cluster, keys)
  const before = new Map(keys.map((key) => [key, cluster.getKeyNode(key)]))
  await cluster.join({ id: 'node-4', address: '127.0.0.1', port: endpoints[3]!.port })
  await expectEachKeyOnce(cluster, keys)
  const moved = keys.filter((key) => cluster.getKeyNode(key) !== before.get(key))
  expect(moved.length).toBeGreaterThan(300 / 4 / 2)
  expect(moved.length).toBeLessThan((300 / 4) * 1.5)
  expect(new Set(moved.map((key) => cluster.getKeyNode(key)))).toEqual(new Set(['node-4']))
  expect(await cluster.distribute(keys)).toBe(0)
  await expectEachKeyOnce(cluster, keys)
  await cluster.leave('node-2')
  await expectEachKeyOnce(cluster, keys)
  await cluster.drain('node-1')
  expect(await cluster.getNodeKeys('node-1')).toEqual([])
  await expectEachKeyOnce(cluster, keys)
  expect(await cluster.release(keys.slice(0, 100))).toBe(100)
  await expectEachKeyOnce(cluster, keys.slice(100))
})

test('P7 Death and return: one source of truth', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const cluster = await startCluster({ registry: redis.url })
  const endpoints = await startEndpoints(2)
  await joinAll(cluster, endpoints)
  const keys = names(200)
  await cluster.distribute(keys)
  endpoints[0]!.mood = 'broken'
  await until(() => cluster.getNodeHealth('node-1').status === 'dead', 'its death')
  expect(await cluster.getNodeKeys('node-1')).toEqual([])
  await expectEachKeyOnce(cluster, keys)
  endpoints[0]!.mood = 'well'
  await until(() => cluster.getNodeHealth('node-1').status === 'alive', 'its return')
  expect((await cluster.getNodeKeys('node-1')).length).toBeGreaterThan(50)
  await expectEachKeyOnce(cluster, keys)
  await cluster.leave('node-1')
  await expectEachKeyOnce(cluster, keys)
})

test('P8 Head of line: hung members are suspect, and nobody else', async () => {
  const cluster = await startCluster({ heartbeatConcurrency: 2, heartbeatTimeoutMs: 300 })
  const events = record(cluster)
  const endpoints = await startEndpoints(42)
  endpoints[3]!.mood = 'hung'
  endpoints[30]!.mood = 'hung'
  await joinAll(cluster, endpoints)
  const hung = ['node-4', 'node-31']
  await until(() => hung.every((id) => cluster.getNodeHealth(id).status === 'dead'), 'two deaths')
  await until(() => endpoints.every(({ paths }) => paths.length >= 3), 'everybody to be probed')
  const accused = events.filter(({ type }) => type === 'suspect' || type === 'died')
  expect(new Set(accused.map(({ nodeId }) => nodeId))).toEqual(new Set(hung))
})

test('P9 Poisoned row: it is isolated and told, and joining repairs it', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const rows = 'skerry:test:members'
  const first = await startCluster({ registry: redis.url })
  const [well, broken] = await startEndpoints(2)
  await joinAll(first, [well!])
  await first.destroy()
  await client.hset(rows, 'half', '{"id":"half","failures":3}', 'torn', '{"id":')
  const cluster = createCluster({ ...quick, registry: redis.url })
  cleanUp.push(() => cluster.destroy())
  const events = record(cluster)
  await cluster.start()
  const errors = events.filter(({ type }) => type === 'error')
  expect(errors.map((event) => 'error' in event && event.error.message).sort()).toEqual([
    expect.stringContaining("member 'half' can't be read"),
    expect.stringContaining("member 'torn' can't be read"),
  ])
  const probes = well!.paths.length
  await until(() => well!.paths.length > probes + 2, 'probes to go on')
  for (const id of ['half', 'torn']) {
    await cluster.join({ id, address: '127.0.0.1', port: broken!.port })
  }
  expect(cluster.members()).toHaveLength(3)
  // Health that arrives after a member left does not bring half a row of it back.
  broken!.mood = 'hung'
  await until(() => broken!.connections > 0, 'a probe in flight')
  await Promise.all(['half', 'torn'].map((id) => cluster.leave(id)))
  await until(() => broken!.connections === 0, 'the probe to end')
  expect(await client.hkeys(rows)).toEqual(['node-1'])
})

test('P9 Poisoned table and row: what they owned is dealt out anew, to who is there', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const first = await startCluster({ registry: redis.url })
  const endpoints = await startEndpoints(3)
  await joinAll(first, endpoints)
  const keys = names(300)
  await first.distribute(keys)
  await first.destroy()
  for (const [poison, told] of [
    [() => client.hset('skerry:test:members', 'node-1', '{}'), "member 'node-1' can't be read"],
    [() => client.set('skerry:test:table', '[["node-2","0-x"'), "the table of slots can't be read"],
  ] as const) {
    await poison()
    const cluster = createCluster({ ...quick, registry: redis.url })
    cleanUp.push(() => cluster.destroy())
    const events = record(cluster)
    await cluster.start()
    const shares = () => cluster.status().members.map(({ slots }) => slots)
    await until(() => shares().join() === '128,128', 'its slots to be dealt out')
    await expectEachKeyOnce(cluster, keys)
    const errors = events.flatMap((event) => ('error' in event ? [event.error.message] : []))
    expect(errors.at(-1)).toContain(told)
    expect(new Set(errors).size).toBe(errors.length)
    await cluster.destroy()
  }
})

test('P10 Two managers: both converge, and a failure is counted once', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const clusters = [
    await startCluster({ registry: redis.url, heartbeatTimeoutMs: 200 }),
    await startCluster({ registry: redis.url, heartbeatTimeoutMs: 200 }),
  ]
  const stories = clusters.map(record)
  const endpoints = await startEndpoints(3)
  await joinAll(clusters[0]!, endpoints)
  const keys = names(1_000)
  await clusters[1]!.distribute(keys)
  await endpoints[1]!.stop()
  await until(
    () => clusters.every((cluster) => cluster.getNodeHealth('node-2').status === 'dead'),
    'both to know of the death',
  )
  for (const cluster of clusters) {
    expect(cluster.getNodeHealth('node-2').failures).toBe(3)
    await expectEachKeyOnce(cluster, keys)
    expect(keys.map((key) => cluster.getKeyNode(key))).not.toContain('node-2')
  }
  expect(typesOf(stories[0]!, 'node-2')).toEqual(['joined', 'suspect', 'died'])
  expect(stories[1]).toEqual(stories[0])
})

test('P11 Shutdown: at any moment, and nothing is left', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  // A process of its own: it ends by itself only if no timer and no socket is left, and
  // an unhandled rejection would end it with another code.
  const script = fileURLToPath(new URL('./processes/shutdown.ts', import.meta.url))
  for (const registry of ['', redis.url]) {
    const child = spawn(process.execPath, ['--import', 'tsx', script, registry])
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    }
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect({ code, output }).toEqual({ code: 0, output: 'destroyed 8 times\n' })
  }
})

test('P12 Redis: the database number counts, and a late server is waited for', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const cluster = await startCluster({ registry: { url: redis.url, database: 5 } })
  await joinAll(cluster, await startEndpoints(1))
  expect(await client.dbsize()).toBe(0)
  const late = await RedisServer.start()
  cleanUp.push(() => late.stop())
  await late.kill()
  const starting = startCluster({ registry: { url: late.url, timeoutMs: 20_000 } })
  await late.start()
  expect((await starting).members()).toEqual([])
})

test('P12 Redis: no KEYS, and no command whose cost grows with the number of keys', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const cluster = await startCluster({ registry: redis.url, slots: 4_096 })
  await joinAll(cluster, await startEndpoints(5))
  await cluster.distribute(names(200_000))
  await client.config('RESETSTAT')
  const beats = () => cluster.status().version
  const before = beats()
  await cluster.resetNodeFailures('node-1')
  await cluster.leave('node-5')
  await expectEachKeyOnce(cluster, names(200_000))
  expect(beats()).toBeGreaterThan(before)
  const stats = await client.info('commandstats')
  expect(stats).toContain('cmdstat_evalsha')
  expect(stats).not.toMatch(/cmdstat_(keys|scan|hkeys|hvals|sunion)\b/)
})

test('P13 Cost: 10,000 keys are a few round trips, not 20,000', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const cluster = await startCluster({ registry: redis.url, monitor: false, slots: 4_096 })
  await cluster.join({ id: 'node-1', address: '127.0.0.1', port: 1 })
  const reads = async () =>
    Number(/total_reads_processed:(\d+)/.exec(await client.info('stats'))?.[1])
  const before = await reads()
  await cluster.distribute(names(10_000))
  // 4,096 sets in pipelines of 1,000; a large pipeline is read in pieces of 16 KiB.
  expect((await reads()) - before).toBeLessThan(100)
})

test('P14 Probe: scheme, path and connections', async () => {
  const cluster = await startCluster()
  const endpoints = await startEndpoints(2)
  const [plain, schemed] = endpoints
  await cluster.join({ id: 'plain', address: '127.0.0.1', port: plain!.port, path: '/health' })
  await cluster.join({
    id: 'schemed',
    address: 'http://127.0.0.1',
    port: schemed!.port,
    path: 'ok',
  })
  await until(() => endpoints.every(({ paths }) => paths.length > 10), 'ten probes')
  expect(new Set(plain!.paths)).toEqual(new Set(['/health']))
  expect(new Set(schemed!.paths)).toEqual(new Set(['/ok']))
  await until(() => endpoints.every(({ connections }) => connections === 0), 'no socket to be left')
  expect(await cluster.pingNode('plain')).toMatchObject({ outcome: 'alive', status: 200 })
  await cluster.join({ id: 'gone', address: '127.0.0.1', port: await freePort() })
  expect(await cluster.pingNode('gone')).toMatchObject({
    outcome: 'missed',
    reason: expect.stringContaining('ECONNREFUSED') as string,
  })
  await expect(cluster.pingNode('nobody')).rejects.toThrow(/no member has the id 'nobody'/)
})

test('P15 Joining again: a new port is an update, and the dead are alive again', async (context) => {
  if (!redis) return context.skip(whyNoRedis())
  const cluster = await startCluster({ registry: redis.url })
  const events = record(cluster)
  await cluster.join({ id: 'node-1', address: '127.0.0.1', port: await freePort() })
  await until(() => cluster.getNodeHealth('node-1').status === 'dead', 'its death')
  const [endpoint] = await startEndpoints(1)
  await joinAll(cluster, [endpoint!])
  expect(cluster.getNodeHealth('node-1')).toMatchObject({ status: 'alive', failures: 0 })
  await until(() => endpoint!.paths.length > 3, 'probes at the new port')
  expect(typesOf(events, 'node-1')).toEqual(['joined', 'suspect', 'died', 'revived'])
  await joinAll(cluster, [endpoint!])
  expect(cluster.members()).toHaveLength(1)
})

test('P16 Stale read: from the moment of a death nothing is assigned to the dead', async () => {
  const cluster = await startCluster()
  const endpoints = await startEndpoints(3)
  await joinAll(cluster, endpoints)
  const keys = names(500)
  const seen: (string | undefined)[] = []
  cluster.on('died', () => seen.push(...keys.map((key) => cluster.getKeyNode(key))))
  endpoints[1]!.mood = 'broken'
  await until(() => seen.length > 0, 'its death')
  expect(seen).not.toContain('node-2')
  expect(seen).not.toContain(undefined)
})
