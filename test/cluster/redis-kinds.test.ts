import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createCluster } from '../../src/cluster.ts'
import type { Cluster, RedisOptions } from '../../src/cluster.ts'
import type { Registry } from '../../src/cluster/registry.ts'
import { RedisRegistry } from '../../src/cluster/redis.ts'
import { until, whyNoRedis } from '../redis-server.ts'
import { startRedisCluster, startSentinel, startTls } from './redis-kinds.ts'
import type { RedisKind } from './redis-kinds.ts'
import { registrySuite } from './registry-suite.ts'
import type { Opened } from './registry-suite.ts'

// The other ways a Redis may stand: Redis Cluster, Sentinel with a real failover, TLS.

const cleanUp: (() => Promise<unknown>)[] = []
beforeEach((context) => {
  const why = whyNoRedis()
  if (why) context.skip(why)
})
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

let registries = 0

/** Two registries of one cluster that nobody used before. */
function opened(options: RedisOptions): Opened {
  const name = `suite-${++registries}`
  const [registry, other] = [1, 2].map((): Registry => {
    const one = new RedisRegistry(options, 'skerry', name)
    cleanUp.push(() => one.close())
    return one
  })
  return { registry: registry!, other }
}

async function startCluster(registry: RedisOptions): Promise<Cluster> {
  const cluster = createCluster({ registry, name: 'kinds', slots: 32, leaseMs: 500 })
  cleanUp.push(() => cluster.destroy())
  await cluster.start()
  return cluster
}

const keys = Array.from({ length: 100 }, (_, index) => `key-${index}`)

async function expectItWorks(cluster: Cluster): Promise<void> {
  await cluster.join({ id: 'a', address: 'localhost', port: 1 })
  await cluster.join({ id: 'b', address: 'localhost', port: 2 })
  expect(await cluster.distribute(keys)).toBe(keys.length)
  const worker = cluster.worker('a')
  await worker.start()
  await until(() => worker.rights().length === 16, 'rights')
  const found = await Promise.all(['a', 'b'].map((id) => cluster.getNodeKeys(id)))
  expect(found.flat().sort()).toEqual([...keys].sort())
}

describe('Redis Cluster', () => {
  let kind: RedisKind
  beforeAll(async () => {
    if (whyNoRedis() === undefined) kind = await startRedisCluster()
  }, 60_000)
  afterAll(() => kind?.stop())

  registrySuite('Redis Cluster', async () => opened(kind.options))

  test('all keys of a cluster lie on one node, scripts and pipelines work', async () => {
    await expectItWorks(await startCluster(kind.options))
    const admins = kind.servers.map(({ port }) => kind.admin(port))
    const found = await Promise.all(admins.map((admin) => admin.keys('skerry:{kinds}:*')))
    expect(found.filter((names) => names.length > 0)).toHaveLength(1)
    expect(found.flat()).toContain('skerry:{kinds}:head')
  })
})

describe('TLS', () => {
  let kind: RedisKind | undefined
  let why: string | undefined
  beforeAll(async () => {
    if (whyNoRedis() !== undefined) return
    const started = await startTls()
    if (typeof started === 'string') why = started
    else kind = started
  }, 60_000)
  beforeEach((context) => {
    if (why) context.skip(why)
  })
  afterAll(() => kind?.stop())

  registrySuite('Redis, TLS', async () => opened(kind!.options))

  test('the registry is spoken to in private, and a stranger is refused', async () => {
    const { url, tls } = kind!.options
    await expectItWorks(await startCluster({ url: url!, tls: tls! }))
    await expect(startCluster({ url: url!, timeoutMs: 500 })).rejects.toThrow(/certificate/)
  })
})

describe('Sentinel', () => {
  let kind: RedisKind
  beforeAll(async () => {
    if (whyNoRedis() === undefined) kind = await startSentinel()
  }, 60_000)
  afterAll(() => kind?.stop())

  registrySuite('Redis, Sentinel', async () => opened(kind.options))

  test('after a failover the cluster goes on with the new master', async () => {
    const [master, replica] = kind.servers
    const admin = kind.admin(replica!.port)
    const cluster = await startCluster(kind.options)
    await expectItWorks(cluster)
    const worker = cluster.worker('a')
    const before = new Map(worker.rights().map(({ slot, epoch }) => [slot, epoch]))
    await until(async () => (await admin.scard('skerry:kinds:keys:0')) > 0, 'replication')
    await master!.kill()
    await until(async () => (await admin.info('replication')).includes('role:master'), 'failover')
    await until(
      () => cluster.status().recovering === false && worker.rights().length === 16,
      'rights',
    )
    // Whoever lost its lease meanwhile works with higher epochs; nobody with a lower one.
    for (const { slot, epoch } of worker.rights()) {
      expect(epoch).toBeGreaterThanOrEqual(before.get(slot)!)
    }
    await until(() =>
      cluster.join({ id: 'c', address: 'localhost', port: 3 }).then(
        () => true,
        () => false,
      ),
    )
    const found = await Promise.all(['a', 'b', 'c'].map((id) => cluster.getNodeKeys(id)))
    expect(found.flat().sort()).toEqual([...keys].sort())
  })
})
