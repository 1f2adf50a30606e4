import { once } from 'node:events'
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest'
import { createCluster } from '../../src/cluster.ts'
import type { Cluster, ClusterOptions, MemberInput } from '../../src/cluster.ts'
import { Endpoint } from './endpoint.ts'
import { until } from '../redis-server.ts'

const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = createCluster({ slots: 128, leaseMs: 300, ...options })
  cleanUp.push(() => cluster.destroy())
  await cluster.start()
  return cluster
}

const member = (id: string, more: Partial<MemberInput> = {}): MemberInput => {
  return { id, address: 'localhost', port: 8_080, ...more }
}

describe('bad input is refused at once, naming what is wrong', () => {
  test.each([
    ['id', { id: '' }],
    ['id', { id: undefined }],
    ['id', { id: 'half \ud800' }],
    ['id', { id: 'x'.repeat(2_000) }],
    ['address', { address: '' }],
    ['address', { address: 'ftp://host' }],
    ['address', { address: 'host:80' }],
    ['address', { address: 'host/path' }],
    ['address', { address: 'two words' }],
    ['port', { port: 0 }],
    ['port', { port: 65_536 }],
    ['port', { port: 80.5 }],
    ['port', { port: '80' as unknown as number }],
    ['weight', { weight: 0 }],
    ['weight', { weight: -1 }],
    ['weight', { weight: NaN }],
    ['weight', { weight: 1e9 }],
    ['zone', { zone: 7 as unknown as string }],
    ['path', { path: 'x'.repeat(2_000) }],
    ['meta', { meta: 10n }],
    ['meta', { meta: 'x'.repeat(20_000) }],
    ['port', { port: 80n as unknown as number }],
    ['id', { id: 7n as unknown as string }],
    ['weight', { weight: '2' as unknown as number }],
    ['wieght', { wieght: 2 } as Partial<MemberInput>],
  ])('%s of a member: %o', async (field, wrong) => {
    const cluster = await startCluster()
    await expect(cluster.join(member('a', wrong))).rejects.toMatchObject({
      code: 'SKERRY_MEMBER_INVALID',
      message: expect.stringContaining(`${field} of a member can't be`) as string,
    })
    expect(cluster.members()).toEqual([])
  })

  test.each([
    ['hearbeatIntervalMs', 5, 'OPTION_UNKNOWN'],
    ['heartbeatIntervalMs', 0, 'OPTION_INVALID'],
    ['heartbeatTimeoutMs', 'soon', 'OPTION_INVALID'],
    ['heartbeatMaxFailures', 1.5, 'OPTION_INVALID'],
    ['heartbeatConcurrency', -1, 'OPTION_INVALID'],
    ['slots', 0, 'OPTION_INVALID'],
    ['balanceFactor', 0.5, 'OPTION_INVALID'],
    ['ring', 'md5', 'OPTION_INVALID'],
    ['name', 'a:b', 'OPTION_INVALID'],
    ['prefix', '{x}', 'OPTION_INVALID'],
    ['monitor', 'yes', 'OPTION_INVALID'],
    ['registry', 'ftp://host', 'OPTION_INVALID'],
  ])('option %s: %o', (name, value, code) => {
    expect(() => createCluster({ [name]: value })).toThrow(
      expect.objectContaining({
        code: `SKERRY_${code}`,
        message: expect.stringContaining(`'${name}'`) as string,
      }),
    )
  })

  test('keys that are no well-formed strings', async () => {
    const cluster = await startCluster()
    for (const key of [7, null, 7n, '\udfff']) {
      const distributing = cluster.distribute(['fine', key as string])
      await expect(distributing).rejects.toMatchObject({ code: 'SKERRY_WORK_KEY_INVALID' })
    }
    await cluster.join(member('a'))
    expect(await cluster.getNodeKeys('a')).toEqual([])
  })

  test('members that are not there', async () => {
    const cluster = await startCluster()
    const unknown = { code: 'SKERRY_MEMBER_UNKNOWN' }
    await expect(cluster.leave('x')).rejects.toMatchObject(unknown)
    await expect(cluster.drain('x')).rejects.toMatchObject(unknown)
    await expect(cluster.getNodeKeys('x')).rejects.toMatchObject(unknown)
    await expect(cluster.resetNodeFailures('x')).rejects.toMatchObject(unknown)
    expect(() => cluster.getNodeHealth('x')).toThrow(/no member has the id 'x'/)
    expect(() => cluster.worker('')).toThrow(/id of a member/)
  })

  test('a cluster that is not started, or destroyed', async () => {
    const cluster = createCluster()
    await expect(cluster.join(member('a'))).rejects.toMatchObject({ code: 'SKERRY_CLUSTER_CLOSED' })
    await expect(cluster.distribute(['a'])).rejects.toThrow(/call start\(\) first/)
    await cluster.destroy()
    await cluster.destroy()
    await expect(cluster.start()).rejects.toMatchObject({ code: 'SKERRY_CLUSTER_CLOSED' })
  })
})

test('a member is taken as it is shown, to join again', async () => {
  const cluster = await startCluster()
  await cluster.join(member('a', { zone: 'z', weight: 2 }))
  await cluster.drain('a').catch(() => undefined)
  const [shown] = cluster.status().members
  await cluster.join(shown!)
  expect(cluster.members()).toMatchObject([{ id: 'a', zone: 'z', weight: 2, draining: false }])
  const nothing = undefined as unknown as MemberInput
  await expect(cluster.join(nothing)).rejects.toMatchObject({ code: 'SKERRY_MEMBER_INVALID' })
})

test('every option has the documented default', () => {
  const cluster = createCluster()
  cleanUp.push(() => cluster.destroy())
  expect(cluster.options).toMatchObject({
    name: 'my-cluster',
    prefix: 'skerry',
    heartbeatIntervalMs: 30_000,
    heartbeatTimeoutMs: 5_000,
    heartbeatConcurrency: 16,
    heartbeatMaxFailures: 3,
  })
  expect(Object.isFrozen(cluster.options)).toBe(true)
})

test('any string is an id and a key', async () => {
  const cluster = await startCluster()
  const ids = ['a:b', '{x}', '*', ' ', '__proto__', 'constructor', 'é🏝️\n']
  for (const id of ids) await cluster.join(member(id))
  const keys = ['', '__proto__', 'toString', '{x}', 'a\u0000b', '🏝️', ...ids]
  await cluster.distribute(keys)
  const found = await Promise.all(ids.map((id) => cluster.getNodeKeys(id)))
  expect(found.flat().sort()).toEqual([...new Set(keys)].sort())
})

test('without members there are no owners, without others the last one is not drained', async () => {
  const cluster = await startCluster()
  expect(cluster.getKeyNode('a')).toBeUndefined()
  expect(cluster.getKeyNodes('a', 2)).toEqual([])
  await cluster.distribute(['a'])
  await cluster.join(member('only'))
  expect(await cluster.getNodeKeys('only')).toEqual(['a'])
  await expect(cluster.drain('only')).rejects.toMatchObject({ code: 'SKERRY_DRAIN_IMPOSSIBLE' })
  expect(cluster.getKeyNode('a')).toBe('only')
  await cluster.leave('only')
  expect(cluster.getKeyNode('a')).toBeUndefined()
})

test('owners of a key are distinct, the assigned one first, spread over zones', async () => {
  const cluster = await startCluster()
  for (const zone of ['x', 'y', 'z']) {
    for (const index of [1, 2]) await cluster.join(member(`${zone}${index}`, { zone }))
  }
  for (let index = 0; index < 100; index++) {
    const owners = cluster.getKeyNodes(`key-${index}`, 4)
    expect(owners[0]).toBe(cluster.getKeyNode(`key-${index}`))
    expect(new Set(owners).size).toBe(4)
    expect(new Set(owners.slice(0, 3).map(([zone]) => zone)).size).toBe(3)
  }
})

test('zones are told apart within their region', async () => {
  const cluster = await startCluster()
  for (const region of ['eu', 'us']) {
    for (const zone of ['1', '2']) {
      await cluster.join(member(`${region}-${zone}`, { region, zone }))
      await cluster.join(member(`${region}-${zone}-second`, { region, zone }))
    }
  }
  for (let index = 0; index < 50; index++) {
    const places = cluster.getKeyNodes(`key-${index}`, 4).map((id) => id.slice(0, 4))
    expect(places.sort()).toEqual(['eu-1', 'eu-2', 'us-1', 'us-2'])
  }
})

test('weights share the slots, and a changed weight moves only what it must', async () => {
  const cluster = await startCluster({ slots: 1_000 })
  for (const id of ['a', 'b', 'c']) await cluster.join(member(id))
  const share = (id: string) => cluster.status().members.find((one) => one.id === id)!.slots
  await cluster.join(member('a', { weight: 2 }))
  expect(share('a')).toBeGreaterThanOrEqual(476)
  expect(share('a')).toBeLessThanOrEqual(525)
  const before = new Map(['b', 'c'].map((id) => [id, share(id)]))
  await cluster.join(member('a', { weight: 2 }))
  expect(new Map(['b', 'c'].map((id) => [id, share(id)]))).toEqual(before)
})

test.each(['rendezvous', 'crc32', 'maglev', 'ketama'] as const)(
  'the table can follow another ring: %s',
  async (ring) => {
    const cluster = await startCluster({ ring })
    for (const id of ['a', 'b', 'c']) await cluster.join(member(id))
    const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`)
    await cluster.distribute(keys)
    const counts = await Promise.all(['a', 'b', 'c'].map((id) => cluster.getNodeKeys(id)))
    expect(counts.flat().sort()).toEqual([...keys].sort())
    expect(counts.every((mine) => mine.length > 30)).toBe(true)
  },
)

test('a member that is not ready takes no work, lives, and takes work again', async () => {
  const endpoints = [await Endpoint.start(), await Endpoint.start()]
  cleanUp.push(() => Promise.all(endpoints.map((endpoint) => endpoint.stop())))
  const cluster = await startCluster({ heartbeatIntervalMs: 40 })
  const deaths: string[] = []
  cluster.on('died', ({ nodeId }) => deaths.push(nodeId))
  for (const [index, { port }] of endpoints.entries()) {
    await cluster.join({ id: `node-${index}`, address: '127.0.0.1', port })
  }
  endpoints[0]!.mood = 'unready'
  await until(() => !cluster.getNodeHealth('node-0').ready, 'it to be found unready')
  expect(cluster.getNodeHealth('node-0').status).toBe('alive')
  expect(cluster.status().members.map(({ slots }) => slots)).toEqual([0, 128])
  endpoints[0]!.mood = 'well'
  await until(() => cluster.getNodeHealth('node-0').ready, 'it to be ready again')
  expect(cluster.status().members.map(({ slots }) => slots)).toEqual([64, 64])
  expect(deaths).toEqual([])
})

test("events have types, come by for await and by Node's once", async () => {
  const cluster = createCluster({ slots: 8 })
  cleanUp.push(() => cluster.destroy())
  cluster.on('moved', (event) => expectTypeOf(event.slots).toEqualTypeOf<readonly number[]>())
  cluster.on('died', (event) => expectTypeOf(event.nodeId).toBeString())
  const heard: string[] = []
  const reading = (async () => {
    for await (const event of cluster) heard.push(`${event.type} ${event.nodeId}`)
  })()
  // It has the methods that Node's own helpers look for, without its types.
  const started = once(cluster as unknown as NodeJS.EventEmitter, 'started')
  await cluster.start()
  await started
  await cluster.join(member('a'))
  await cluster.leave('a')
  await cluster.destroy()
  await reading
  expect(heard.slice(1)).toEqual([
    'joined a',
    'moved a',
    'rebalanced a',
    'left a',
    'moved ',
    'rebalanced a',
  ])
})

test('a reader that is far too slow is told so, and nobody else is held up', async () => {
  const cluster = await startCluster({ slots: 1 })
  const events = cluster.events()
  for (let round = 0; round < 1_700; round++) {
    await cluster.join(member('a'))
    await cluster.leave('a')
  }
  await expect(
    (async () => {
      for await (const event of events) expect(event.type).toBeDefined()
    })(),
  ).rejects.toMatchObject({ code: 'SKERRY_EVENTS_OVERRUN' })
})
