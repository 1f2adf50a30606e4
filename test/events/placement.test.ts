import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VirtualEnv } from '../../sim/events/env.ts'
import { Coordinator } from '../../src/events/coordinator.ts'
import type { CoordinatorOptions } from '../../src/events/options.ts'
import { PeerBook, type PeerLocation, type PlacedPeer } from '../../src/events/peers.ts'
import { place, rank, spread, substituteFor } from '../../src/events/placement.ts'
import type { Answer } from '../../src/events/storage.ts'

function peers(locations: Record<string, PeerLocation>): readonly PlacedPeer[] {
  const book = new PeerBook()
  for (const [id, location] of Object.entries(locations)) book.add({ id }, location)
  return book.list
}

/** Local, other zones, other regions, same zone: as the ancestor's documentation counts. */
function counts(
  count: number,
  otherZoneReplicas: number,
  otherRegionReplicas: number,
  locations: Record<string, PeerLocation> = EVERYWHERE,
): number[] {
  const strategy = { otherZoneReplicas, otherRegionReplicas }
  const { replicas } = place('key', peers(locations), count - 1, strategy)
  const zones = replicas.filter(({ zone }) => zone !== undefined).length
  const regions = replicas.filter(({ region }) => region !== undefined).length
  return [1, zones, regions, replicas.length - zones - regions]
}

const EVERYWHERE = {
  l1: {},
  l2: {},
  l3: {},
  z1: { zone: 'a' },
  z2: { zone: 'b' },
  z3: { zone: 'b' },
  r1: { region: 'x' },
  r2: { region: 'y' },
}

describe('the placement examples of alldata', () => {
  test('3 replicas, 2 in other zones, 1 in another region → 1+2+0+0', () => {
    expect(counts(3, 2, 1)).toEqual([1, 2, 0, 0])
  })

  test('3 replicas, 1 in another zone, 1 in another region → 1+1+1+0', () => {
    expect(counts(3, 1, 1)).toEqual([1, 1, 1, 0])
  })

  test('3 replicas, none elsewhere → 1+0+0+2', () => {
    expect(counts(3, 0, 0)).toEqual([1, 0, 0, 2])
  })

  test('no peers in other zones or regions → the own zone takes their replicas', () => {
    expect(counts(3, 1, 1, { l1: {}, l2: {}, l3: {} })).toEqual([1, 0, 0, 2])
  })

  test('too few peers in the own zone → other zones and regions take its replicas', () => {
    expect(counts(3, 0, 0, { z1: { zone: 'a' }, r1: { region: 'x' } })).toEqual([1, 1, 1, 0])
  })
})

/** A coordinator with all these peers, that notes whom it asks and what it stores. */
function coordinatorOf(
  options: Partial<CoordinatorOptions>,
  locations: Record<string, PeerLocation>,
) {
  const asked: string[] = []
  const store = { put: (_key: string, _event: unknown, callback: Answer) => stored(callback) }
  const stored = (callback: Answer) => [asked.push('local'), callback()]
  const coordinator = new Coordinator(store, { env: new VirtualEnv(), ...options })
  for (const [id, location] of Object.entries(locations)) coordinator.addPeer({ id }, location)
  coordinator.on('_put', ({ id }, _key, _event, callback) => {
    asked.push(id)
    callback()
  })
  return { coordinator, asked }
}

test.each([
  [2, 1, { local: 1, z: 2 }],
  [1, 1, { local: 1, z: 1, r: 1 }],
  [0, 0, { local: 1, l: 2 }],
])(
  'a put goes where the examples say: %d in other zones, %d in other regions',
  async (otherZoneReplicas, otherRegionReplicas, wanted) => {
    const replicationStrategy = { otherZoneReplicas, otherRegionReplicas }
    const options = { replicationFactor: 3, replicationStrategy }
    const { coordinator, asked } = coordinatorOf(options, EVERYWHERE)
    await coordinator.put('key', {}, 'ALL')
    const kinds: Record<string, number> = {}
    for (const id of asked) {
      const kind = id === 'local' ? id : id.charAt(0)
      kinds[kind] = (kinds[kind] ?? 0) + 1
    }
    expect(kinds).toEqual(wanted)
  },
)

test('too few peers for the factor: the put fails and nothing is written, except with ONE', async () => {
  const { coordinator, asked } = coordinatorOf({ replicationFactor: 3 }, { z1: { zone: 'a' } })
  for (const level of ['QUORUM', 'ALL', 'LOCAL_QUORUM', 'EACH_QUORUM'] as const) {
    await expect(coordinator.put('key', {}, level)).rejects.toMatchObject({
      code: 'SKERRY_EVENTS_UNAVAILABLE',
    })
  }
  expect(asked).toEqual([])
  expect(await coordinator.put('key', {}, 'ONE')).toMatchObject({ acknowledged: true })
  await coordinator.settled()
  expect(asked).toEqual(['local', 'z1'])
  expect(coordinator.status().underReplicated).toBe(1)
})

describe('spread', () => {
  test('every zone is used once before any is used twice', () => {
    const zones = { big: 9, small: 1 }
    const list = peers(
      Object.fromEntries(
        Object.entries(zones).flatMap(([zone, size]) =>
          Array.from({ length: size }, (_, index) => [`${zone}${index}`, { zone }]),
        ),
      ),
    )
    for (let put = 0; put < 200; put++) {
      const chosen = spread(rank(`key${put}`, list), 3)
      expect(chosen.filter(({ zone }) => zone === 'small')).toHaveLength(1)
    }
  })

  test('weight shifts a share of the keys, and only those of the peer whose weight changed', () => {
    const even = peers({ a: {}, b: {}, c: {} })
    const heavy = peers({ a: {}, b: {}, c: { weight: 2 } })
    let heavyShare = 0
    for (let key = 0; key < 4_000; key++) {
      const before = rank(`key${key}`, even)[0]?.id
      const after = rank(`key${key}`, heavy)[0]?.id
      if (after !== before) expect(after).toBe('c')
      if (after === 'c') heavyShare++
    }
    expect(heavyShare / 4_000).toBeCloseTo(0.5, 1)
  })
})

const location = fc.oneof(
  fc.constant({}),
  fc.record({ zone: fc.constantFrom('a', 'b', 'constructor') }),
  fc.record({ region: fc.constantFrom('x', 'y', '__proto__') }),
)
const topology = fc.dictionary(fc.string({ minLength: 1 }), location, { maxKeys: 12 })

describe('always', () => {
  test('replicas are distinct, as many as there can be, and those by name come first', () => {
    fc.assert(
      fc.property(topology, fc.nat(8), fc.nat(4), fc.nat(4), (locations, count, zones, regions) => {
        const list = peers(locations)
        const strategy = { otherZoneReplicas: zones, otherRegionReplicas: regions }
        const { replicas, spares } = place('some key', list, count, strategy)
        expect(new Set([...replicas, ...spares]).size).toBe(list.length)
        expect(replicas).toHaveLength(Math.min(count, list.length))
        const inZones = list.filter(({ zone }) => zone !== undefined)
        const byName = Math.min(count, zones, inZones.length)
        expect(replicas.filter(({ zone }) => zone !== undefined).length).toBeGreaterThanOrEqual(
          byName,
        )
        const zonesOf = (list: readonly PlacedPeer[]) =>
          new Set(list.flatMap(({ zone }) => (zone === undefined ? [] : [zone])))
        expect(zonesOf(replicas).size).toBeGreaterThanOrEqual(
          Math.min(byName, zonesOf(inZones).size),
        )
      }),
    )
  })

  test('the order in which peers were added changes nothing', () => {
    fc.assert(
      fc.property(topology, fc.nat(5), (locations, count) => {
        const list = peers(locations)
        const strategy = { otherZoneReplicas: 1, otherRegionReplicas: 1 }
        const ids = (order: readonly PlacedPeer[]) =>
          place('some key', order, count, strategy)
            .replicas.map(({ id }) => id)
            .sort()
        expect(ids([...list].reverse())).toEqual(ids(list))
      }),
    )
  })
})

test('a substitute comes from the same zone, else the same region, else anywhere', () => {
  const [a1, a2, b1, x1] = peers({
    ...{ a1: { zone: 'a' }, a2: { zone: 'a' } },
    ...{ b1: { zone: 'b' }, x1: { region: 'x' } },
  }) as [PlacedPeer, PlacedPeer, PlacedPeer, PlacedPeer]
  expect(substituteFor(a1, [x1, b1, a2])).toBe(a2)
  expect(substituteFor(a1, [x1, b1])).toBe(b1)
  expect(substituteFor(a1, [x1])).toBe(x1)
  expect(substituteFor(a1, [])).toBeUndefined()
})
