import { afterEach, beforeEach, expect, test } from 'vitest'
import { machineEnv } from '../../src/server/env.ts'
import { RedisStore } from '../../src/store/redis.ts'
import { type RedisStoreOptions, resolveRedisOptions } from '../../src/store/redis/options.ts'
import { seen, set } from '../../src/testing/store/scene.ts'
import { type RedisKind, startRedisCluster, startSentinel } from '../cluster/redis-kinds.ts'
import { type RedisServer, until, whyNoRedis } from '../redis-server.ts'

// The store where Redis is several servers: Sentinel with a real failover, and Redis Cluster.

const LIMIT_MS = 120_000
const POLL = { timeout: 60_000 }

const cleanUp: (() => unknown)[] = []
beforeEach((context) => {
  const why = whyNoRedis()
  if (why) context.skip(why)
})
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

async function started(kind: Promise<RedisKind>): Promise<RedisKind> {
  const one = await kind
  cleanUp.push(() => one.stop())
  return one
}

async function openStore(options: RedisStoreOptions): Promise<RedisStore> {
  const given = { name: 'kinds', leaseMs: 600, timeoutMs: 2000, ...options }
  const store = await RedisStore.open(
    resolveRedisOptions('redis://127.0.0.1:6379', given),
    machineEnv,
  )
  cleanUp.push(() => store.close())
  return store
}

/** Writes until it works, as a client would. */
async function setAtLast(store: RedisStore, path: string, data: string): Promise<void> {
  await expect.poll(() => set(store, path, data).then(Boolean, () => false), POLL).toBe(true)
}

test(
  'Sentinel: after a failover the store goes on with the new master, in a new epoch',
  { timeout: LIMIT_MS },
  async () => {
    const kind = await started(startSentinel())
    const [master, replica] = kind.servers as [RedisServer, RedisServer]
    const admin = kind.admin(replica.port)
    const { sentinel } = kind.options as Required<typeof kind.options>
    const stores = [await openStore({ sentinel }), await openStore({ sentinel })]
    const [a, b] = stores as [RedisStore, RedisStore]
    const { epoch } = a
    for (let i = 0; i < 50; i++) await set(stores[i % 2]!, `x/${i}`, `${i}`)
    // The replica is as good as gone while these are written: what it lacks is still in the servers' memory.
    replica.signal('SIGSTOP')
    for (let i = 50; i < 60; i++) await set(stores[i % 2]!, `x/${i}`, `${i}`)
    await master.kill()
    replica.signal('SIGCONT')
    await until(async () => (await admin.info('replication')).includes('role:master'), 'failover')
    await setAtLast(a, 'after', '1')
    await setAtLast(b, 'after', '2')
    await expect.poll(() => [a.epoch !== epoch, a.epoch === b.epoch], POLL).toEqual([true, true])
    const all = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x/${i}`, `${i}`]))
    for (const store of stores) {
      await expect.poll(async () => seen(await store.list('x/*')), POLL).toEqual(all)
      expect(store.durable).toBe(true)
    }
  },
)

test(
  'Redis Cluster: a store lies on one of three masters, and outlives kill -9 of it',
  { timeout: LIMIT_MS },
  async () => {
    const kind = await started(startRedisCluster())
    const { cluster } = kind.options as Required<typeof kind.options>
    const stores = [await openStore({ cluster }), await openStore({ cluster })]
    const other = await openStore({ cluster, name: 'another' })
    const [a, b] = stores as [RedisStore, RedisStore]
    const shown = new Map<string, string | null>()
    b.watch(({ changes }) => changes.forEach(({ entry }) => shown.set(entry.path, entry.data)))
    for (let i = 0; i < 50; i++) await set(a, `x/${i}`, `${i}`)
    await set(other, 'x/0', '"other"')
    await expect.poll(() => shown.size).toBe(50)
    const holders: RedisServer[] = []
    for (const server of kind.servers) {
      const keys = await kind.admin(server.port).keys('skerry:{kinds}:*')
      if (keys.length > 0) holders.push(server)
    }
    expect(holders).toHaveLength(1)
    const [holder] = holders as [RedisServer]
    const { epoch } = a
    await holder.kill()
    await expect(set(a, 'x/0', '"lost?"')).rejects.toMatchObject({ code: /^SKERRY_/ })
    await holder.start()
    await setAtLast(b, 'x/1', '"after"')
    await setAtLast(a, 'x/0', '"again"')
    const expected = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x/${i}`, `${i}`]))
    const all = { ...expected, 'x/0': '"again"', 'x/1': '"after"' }
    for (const store of stores) {
      await expect.poll(async () => seen(await store.list('x/*')), POLL).toEqual(all)
    }
    await expect.poll(() => [a.epoch !== epoch, a.epoch === b.epoch], POLL).toEqual([true, true])
    expect((await other.read('x/0'))?.data).toBe('"other"')
  },
)

test(
  'Redis Cluster: each master is asked whether it is durable',
  { timeout: LIMIT_MS },
  async () => {
    const kind = await started(startRedisCluster())
    const { cluster } = kind.options as Required<typeof kind.options>
    for (const { port } of kind.servers) {
      const admin = kind.admin(port)
      await admin.config('SET', 'appendfsync', 'everysec')
      await expect(openStore({ cluster })).rejects.toMatchObject({
        code: 'SKERRY_REDIS_NOT_DURABLE',
      })
      expect((await openStore({ cluster, durability: 'relaxed' })).durable).toBe(false)
      await admin.config('SET', 'appendfsync', 'always')
    }
    expect((await openStore({ cluster })).durable).toBe(true)
  },
)
