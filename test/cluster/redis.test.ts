import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { RedisRegistry } from '../../src/cluster/redis.ts'
import type { RedisOptions } from '../../src/redis/connection.ts'
import type { Registry } from '../../src/cluster/registry.ts'
import { newMember } from '../../src/cluster/member.ts'
import { RedisServer, whyNoRedis } from '../redis-server.ts'
import { registrySuite } from './registry-suite.ts'

let server: RedisServer
let client: Redis
const opened: Registry[] = []

beforeAll(async () => {
  if (whyNoRedis() === undefined) server = await RedisServer.start('--requirepass', 'open sesame')
})
beforeEach(async (context) => {
  const why = whyNoRedis()
  if (why) context.skip(why)
  client = new Redis({ port: server.port, password: 'open sesame' })
  await client.flushall()
})
afterEach(async () => {
  client?.disconnect()
  await Promise.all(opened.splice(0).map((registry) => registry.close()))
})
afterAll(() => server?.stop())

function newRegistry(options: RedisOptions = {}): Registry {
  const given = { url: server.url, password: 'open sesame', timeoutMs: 2_000, ...options }
  const registry = new RedisRegistry(given, 'skerry', 'test')
  opened.push(registry)
  return registry
}

registrySuite('Redis, with a password', async () => ({
  registry: newRegistry(),
  other: newRegistry(),
}))

const elsewhere = { database: 5 }
registrySuite('Redis, another database', async () => ({
  registry: newRegistry(elsewhere),
  other: newRegistry(elsewhere),
}))

describe('Redis only', () => {
  test('a restart begins a recovery: rights are reasserted, nothing is granted', async () => {
    const registry = newRegistry()
    await registry.open(4)
    const { leadership, run } = await registry.head()
    const term = (await registry.campaign('m1', leadership))!
    await registry.endRecovery(term, run)
    await registry.openSession('s1', 'a')
    await registry.openSession('s2', 'b')
    const claimed = await registry.claim('s1', 0, [0, 1])
    if (typeof claimed === 'string') throw new Error(claimed)

    await server.kill()
    await server.start()
    const again = newRegistry()
    await again.open(4)
    const head = await again.head()
    expect(head.run).not.toBe(run)
    expect(head).toMatchObject({ recovering: true, leadership: { monitor: 'm1', term } })
    expect(await again.beatSession('s1')).toBe('recovering')
    const mine = { session: 's1', worker: 'a' }
    expect(await again.reassert(mine, claimed.granted)).toEqual([0, 1])
    expect(await again.beatSession('s1')).toBe('held')
    // Whoever held a slot later, as its higher epoch shows, is believed.
    const later = [{ slot: 1, epoch: claimed.granted[1]!.epoch + 5 }]
    expect(await again.reassert({ session: 's2', worker: 'b' }, later)).toEqual([1])
    expect(await again.reassert(mine, claimed.granted)).toEqual([0])
    expect(await again.claim('s2', 0, [2])).toBe('recovering')
    await again.endRecovery(term, head.run)
    const granted = await again.claim('s2', 0, [0, 2])
    if (typeof granted === 'string') throw new Error(granted)
    expect(granted.granted.map(({ slot }) => slot)).toEqual([2])
    expect(granted.granted[0]!.epoch).toBeGreaterThan(later[0]!.epoch)
    expect(await again.reassert(mine, claimed.granted)).toBe('closed')
  })

  test('a registry that lost everything is restored, once, by who knows most', async () => {
    const registry = newRegistry()
    await registry.open(2)
    const { run } = await registry.head()
    const a = newMember({ id: 'a', address: 'x', port: 1 }, 1)
    const snapshot = { run, version: 7, members: [a], owners: ['a', 'a'], faults: [] }
    await registry.restore({ ...snapshot, run: 'another run' })
    expect((await registry.head()).version).toBe(0)
    await registry.restore(snapshot)
    await registry.restore({ ...snapshot, version: 6, members: [] })
    expect(await registry.read()).toMatchObject({ version: 7, members: [a], owners: ['a', 'a'] })
    const change = { members: [], left: ['a'], moves: [], owners: ['', ''] }
    expect(await registry.commit({ base: 7, ...change })).toBe('recovering')
  })

  test('the database number counts, the braces of Redis Cluster keep keys together', async () => {
    const registry = newRegistry({ database: 5 })
    await registry.open(2)
    await registry.head()
    expect(await client.keys('*')).toEqual([])
    await client.select(5)
    expect(await client.keys('*')).toEqual(['skerry:test:head'])
  })

  test('a wrong password is said within the deadline', async () => {
    const registry = newRegistry({ password: 'wrong', timeoutMs: 500 })
    await expect(registry.open(2)).rejects.toMatchObject({
      code: 'SKERRY_REGISTRY_UNAVAILABLE',
      message: expect.stringContaining('WRONGPASS') as string,
    })
  })

  test('impossible options are refused, and no password is repeated', () => {
    expect(() => newRegistry({ url: 'http://:secret@host' })).toThrow(/give redis:/)
    expect(() => newRegistry({ url: 'http://:secret@host' })).not.toThrow(/secret/)
    expect(() => newRegistry({ database: -1 })).toThrow(/database/)
    expect(() => newRegistry({ cluster: ['nonsense'] })).toThrow(/host:port/)
    expect(() => newRegistry({ databse: 1 } as RedisOptions)).toThrow(/'databse' is not/)
    expect(() => newRegistry({ cluster: ['a:1'], database: 3 })).toThrow(/only number 0/)
  })
})
