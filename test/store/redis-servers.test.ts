import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { compareVersions, type Entry, stampOf } from '../../src/core/entry.ts'
import { machineEnv } from '../../src/server/env.ts'
import { RedisStore } from '../../src/store/redis.ts'
import { type RedisStoreOptions, resolveRedisOptions } from '../../src/store/redis/options.ts'
import { STAMPS } from '../../src/store/redis/scripts.ts'
import type { Commit, Store } from '../../src/store/store.ts'
import { put, seen, set, version } from '../../src/testing/store/scene.ts'
import { RedisServer, whyNoRedis } from '../redis-server.ts'

let redis: RedisServer
let client: Redis
let names = 0
const open: RedisStore[] = []

beforeAll(async () => {
  if (whyNoRedis() === undefined) redis = await RedisServer.start()
})
beforeEach((context) => {
  const why = whyNoRedis()
  if (why) context.skip(why)
  client = new Redis(redis.url)
  client.on('error', () => undefined)
})
afterEach(async () => {
  client?.disconnect()
  await Promise.all(open.splice(0).map((store) => store.close()))
})
afterAll(() => redis?.stop())

async function openServer(name: string, options: RedisStoreOptions = {}): Promise<RedisStore> {
  const given = { name, leaseMs: 600, timeoutMs: 2_000, ...options }
  const store = await RedisStore.open(resolveRedisOptions(redis.url, given), machineEnv)
  open.push(store)
  return store
}

async function openServers(count: number, options: RedisStoreOptions = {}): Promise<RedisStore[]> {
  const name = `servers-${process.pid}-${names++}`
  const stores: RedisStore[] = []
  for (let i = 0; i < count; i++) stores.push(await openServer(name, options))
  return stores
}

/** What listeners of a store were told: the newest of each path, and every sequence number. */
function follow(store: Store) {
  const shown = new Map<string, string | null>()
  const commits: Commit[] = []
  store.watch((commit) => {
    commits.push(commit)
    for (const { entry, after } of commit.changes) shown.set(entry.path, after?.data ?? null)
  })
  return { shown, commits }
}

const increment = (path: string) => ({
  path,
  decide: (held?: Entry) => `${Number(held?.data ?? 0) + 1}`,
})

describe('several servers on one Redis', () => {
  test('are one node: id and epoch are shared, and one of them leads', async () => {
    const [a, b] = (await openServers(2)) as [RedisStore, RedisStore]
    expect([b.nodeId, b.epoch]).toEqual([a.nodeId, a.epoch])
    const led: boolean[] = []
    b.lead((leads) => led.push(leads))
    expect(led).toEqual([false])
    await a.close()
    await expect.poll(() => led).toEqual([false, true])
  })

  test('concurrent increments on all of them: none is lost, stamps never repeat', async () => {
    const stores = await openServers(3)
    const views = stores.map(follow)
    const stamps = new Set<bigint>()
    const work = stores.flatMap((store, s) =>
      Array.from({ length: 60 }, async (_, i) => {
        const [shared, own] = await store.write([increment('n'), put(`own/${s}-${i % 7}`, `${i}`)])
        for (const written of [shared, own]) stamps.add(stampOf(written!.entry!))
      }),
    )
    await Promise.all(work)
    expect((await stores[0]!.read('n'))?.data).toBe('180')
    expect(stamps.size).toBe(360)
    for (const [i, { shown, commits }] of views.entries()) {
      await expect.poll(() => shown.get('n'), { message: `server ${i}` }).toBe('180')
      const expected = seen(await stores[0]!.list('**'))
      await expect.poll(() => Object.fromEntries(shown)).toEqual(expected)
      const seqs = commits.map(({ seq }) => seq)
      expect(seqs).toEqual([...seqs].sort((x, y) => x - y))
    }
    await expect.poll(() => stores.map(({ seq }) => seq)).toEqual([360, 360, 360])
  })

  test('minted paths are stamped by their own stamp, whoever mints', async () => {
    const stores = await openServers(2)
    const pushes = stores.flatMap((store) =>
      Array.from({ length: 50 }, async () => {
        const [written] = await store.write([
          { path: (stamp) => `box/${stamp}`, decide: () => '1' },
        ])
        return written!.entry!
      }),
    )
    const entries = await Promise.all(pushes)
    for (const { path, created } of entries) expect(path).toBe(`box/${created}`)
    expect(new Set(entries.map(({ path }) => path)).size).toBe(100)
  })

  test('a digest follows what other servers write, also while it is built', async () => {
    const [leader, other] = (await openServers(2)) as [RedisStore, RedisStore]
    await other.write(Array.from({ length: 2500 }, (_, i) => put(`x/${i}`, '0')))
    const building = leader.digest('x/*')
    for (let i = 0; i < 20; i++) {
      await other.write([put(`x/${i * 120}`, null), put(`x/${i * 121 + 1}`, 'true')])
    }
    await building
    await expect.poll(() => leader.seq).toBe(other.seq)
    const kept = (await leader.digest('x/*')).root()
    expect(kept).toBe((await other.digest('x/*')).root())
  })

  test('a server that missed messages reads what it missed', async () => {
    const [a, b] = (await openServers(2)) as [RedisStore, RedisStore]
    const view = follow(b)
    await set(a, 'deleted', '1')
    await expect.poll(() => view.shown.get('deleted')).toBe('1')
    for (let round = 0; round < 5; round++) {
      const writes = Array.from({ length: 40 }, (_, i) => set(a, `r/${i % 9}`, `${round}`))
      await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await Promise.all(writes)
    }
    await set(a, 'deleted', null)
    await expect
      .poll(() => Object.fromEntries(view.shown))
      .toEqual({ ...seen(await a.list('**')), deleted: null })
    await expect.poll(() => b.seq).toBe(a.seq)
  })

  test('a tombstone that the leader collects is gone on every server, and a write there is above it', async () => {
    const [a, b] = (await openServers(2)) as [RedisStore, RedisStore]
    await a.merge([version('x', 10, '1'), version('y', 10, '1')], { peer: 'p' })
    await a.merge([version('x', 20, null)], { peer: 'p' })
    await expect.poll(() => b.seq).toBe(3)
    expect((await b.digest('**')).count(0, 0)).toBe(2)
    const rule = { waitFor: [], expired: 0n, keys: ['**'], linked: true }
    expect(await a.collect(rule)).toBe(1)
    await expect.poll(async () => (await b.digest('**')).root()).toBe((await a.digest('**')).root())
    expect((await b.digest('**')).count(0, 0)).toBe(1)
    const { changes } = await b.changesAfter(0, 9)
    expect(changes.map(({ entry }) => entry.path)).toEqual(['y'])
    expect(await b.newest('x')).toBeUndefined()
    await expect(b.collect(rule)).resolves.toBe(0)
    const ahead = version('', 3_600_000, null).updated
    await a.raiseHorizons([{ key: '**', stamp: ahead }])
    const { entry } = await set(b, 'x', '2')
    expect(entry!.created).toBeGreaterThan(ahead)
    await expect.poll(async () => (await a.digest('**')).root()).toBe((await b.digest('**')).root())
  })

  test('what is withheld ends with a write on a server that does not lead', async () => {
    const [a, b] = (await openServers(2)) as [RedisStore, RedisStore]
    await a.merge([version('x', 20, null)], { peer: 'p' })
    await a.collect({ waitFor: [], expired: 0n, keys: ['**'], linked: true })
    const doubted = new Set(['x'])
    await a.merge([version('x', 10, '"old"')], { peer: 'q', doubted })
    expect([a.withheldCount, (await b.withheld(9)).length]).toEqual([1, 1])
    await set(b, 'x', '"new"')
    expect(await b.withheld(9)).toEqual([])
    expect(await a.resolveWithheld(['x'], 'release')).toBe(0)
    expect((await a.read('x'))?.data).toBe('"new"')
  })

  test('only the one that leads may merge; a lease that was taken over fences the other', async () => {
    const [a, b] = (await openServers(2)) as [RedisStore, RedisStore]
    await expect(b.merge([version('x', 1, '1')], { peer: 'p' })).rejects.toMatchObject({
      code: 'SKERRY_LEASE_LOST',
    })
    await expect(b.renewEpoch()).rejects.toMatchObject({ code: 'SKERRY_LEASE_LOST' })
    expect((await a.merge([version('x', 1, '1')], { peer: 'p' })).changed).toBe(1)
    const [key] = await client.keys(`skerry:{servers-*-${names - 1}}:head`)
    await client.hset(key!, 'holder', 'somebody else', 'term', '99')
    await expect(a.merge([version('y', 1, '1')], { peer: 'p' })).rejects.toMatchObject({
      code: 'SKERRY_LEASE_LOST',
    })
    expect((await set(a, 'y', '2')).changed).toBe(true)
  })

  test('decisions of an overtaken leader that would change nothing are refused as well', async () => {
    const [a] = (await openServers(2)) as [RedisStore, RedisStore]
    const held = version('x', 1, '1')
    await a.merge([held], { peer: 'p' })
    expect((await a.merge([held], { peer: 'q' })).changed).toBe(0)
    const [key] = await client.keys(`skerry:{servers-*-${names - 1}}:head`)
    await client.hset(key!, 'holder', 'somebody else', 'term', '99')
    const refused = { code: 'SKERRY_LEASE_LOST' }
    await expect(a.merge([held], { peer: 'q' })).rejects.toMatchObject(refused)
    await expect(a.resolveWithheld(['x'], 'drop')).rejects.toMatchObject(refused)
    expect((await set(a, 'y', null)).changed).toBe(false)
  })

  test('one call changes 20,000 paths at most; what is more is refused, and nothing of it happens', async () => {
    // On a busy machine the largest script may take longer than the short bound of these tests.
    const [store] = (await openServers(1, { timeoutMs: 60_000 })) as [RedisStore]
    const writes = Array.from({ length: 20_001 }, (_, i) => put(`many/${i}`, '1'))
    await expect(store.write(writes)).rejects.toThrow(/^SKERRY_WRITE_FAILED|20000 paths/)
    expect((await store.list('many/*')).entries).toEqual([])
    await store.write(writes.slice(1))
    expect((await store.list('many/*')).entries).toHaveLength(20_000)
    expect(store.available).not.toBe(false)
  })

  test('a Redis that may lose what it acknowledged is refused, unless told otherwise', async () => {
    const config = (name: string, value: string) => client.config('SET', name, value)
    for (const [name, bad, good] of [
      ['appendfsync', 'everysec', 'always'],
      ['maxmemory-policy', 'allkeys-lru', 'noeviction'],
    ] as const) {
      await config(name, bad)
      await expect(openServers(1)).rejects.toMatchObject({ code: 'SKERRY_REDIS_NOT_DURABLE' })
      const [relaxed] = (await openServers(1, { durability: 'relaxed' })) as [RedisStore]
      expect(relaxed.durable).toBe(false)
      await config(name, good)
    }
  })

  test('scripts that Redis has forgotten are loaded again', async () => {
    const [store] = (await openServers(1)) as [RedisStore]
    await set(store, 'a', '1')
    await client.script('FLUSH')
    await set(store, 'a', '2')
    expect((await store.read('a'))?.data).toBe('2')
  })

  test('a Redis that refuses writes refuses them honestly, and serves on when it takes them again', async () => {
    const [store] = (await openServers(1)) as [RedisStore]
    await set(store, 'a', '1')
    await client.config('SET', 'maxmemory', '1')
    await expect(set(store, 'a', '2')).rejects.toMatchObject({ code: /^SKERRY_/ })
    expect((await store.read('a'))?.data).toBe('1')
    await client.config('SET', 'maxmemory', '0')
    await expect
      .poll(() =>
        set(store, 'a', '3').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    expect((await store.read('a'))?.data).toBe('3')
  })

  test('whatever they merge and write at once, the greatest version wins', async () => {
    const [leader, ...others] = await openServers(3)
    const stamp = fc.integer({ min: 0, max: 3 })
    const data = fc.constantFrom('1', '2', null)
    const arbitrary = fc.record({ path: fc.constantFrom('p', 'q'), ms: stamp, data })
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(arbitrary, { maxLength: 30 }), async (picks) => {
        const under = `run${run++}`
        const entries = picks.map(({ path, ms, data }, i) =>
          version(`${under}/${path}`, ms, data, `n${i % 2}`),
        )
        const merges = entries.map((entry) => leader!.merge([entry], { peer: 'p' }))
        const writes = others.map((store) => store.write([increment(`${under}/n`)]))
        await Promise.all([...merges, ...writes])
        expect((await leader!.read(`${under}/n`))?.data).toBe('2')
        for (const path of ['p', 'q']) {
          const versions = entries.filter((entry) => entry.path === `${under}/${path}`)
          const [best] = versions.sort((x, y) => compareVersions(y, x, machineEnv.hash))
          expect(await leader!.newest(`${under}/${path}`)).toEqual(best)
        }
      }),
      { numRuns: 30 },
    )
  })
})

test('stamps in scripts are compared and counted exactly', async () => {
  const lua = `${STAMPS} return { later(ARGV[1], ARGV[2]) and 1 or 0, plus(ARGV[1], ARGV[3]) }`
  const stamp = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 63n - 2_000_000n }),
    fc.bigInt({ min: 999_999_990n, max: 1_000_000_010n }),
    fc.bigInt({ min: 1_767_225_599_999_999_990n, max: 1_767_225_600_000_000_010n }),
  )
  const digits = (value: bigint) => value.toString().padStart(19, '0')
  await fc.assert(
    fc.asyncProperty(stamp, stamp, fc.integer({ min: 0, max: 1_000_000 }), async (a, b, count) => {
      const answer = await client.eval(lua, 0, digits(a), digits(b), count)
      expect(answer).toEqual([a > b ? 1 : 0, digits(a + BigInt(count))])
    }),
    { numRuns: 500 },
  )
})
