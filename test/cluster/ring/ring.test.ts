import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRing } from '../../../src/cluster/ring.ts'
import type { RingAlgorithm, RingOptions } from '../../../src/cluster/ring.ts'
import type { Ring, RingNode } from '../../../src/cluster/ring/ring.ts'

const algorithms = ['ketama', 'crc32', 'maglev', 'rendezvous', 'slots'] as const
const keys = Array.from({ length: 400 }, (_, index) => `key-${index}`)

function ringOf(options: RingOptions, nodes: readonly RingNode[]): Ring {
  const ring = createRing(options)
  for (const node of nodes) ring.add(node)
  return ring
}

const owners = (ring: Ring) => keys.map((key) => ring.getNode(key))

const nodes = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 8 }),
    weight: fc.constantFrom(0.5, 1, 1, 2),
    zone: fc.constantFrom('', 'a', 'b', 'c'),
  }),
  { selector: ({ id }) => id, minLength: 1, maxLength: 8 },
)

describe.each(algorithms)('every ring: %s', (algorithm) => {
  const options = { algorithm, virtualNodes: 40, slots: 512 }

  test('an empty ring owns nothing', () => {
    const ring = createRing(options)
    expect(ring.getNode('a')).toBeUndefined()
    expect(ring.getNodes('a', 3)).toEqual([])
    ring.remove('nobody')
    ring.setAvailable('nobody', false)
    expect(ring.getNode('a')).toBeUndefined()
  })

  test('the order of adding changes no owner', () => {
    const property = fc.property(nodes, fc.infiniteStream(fc.nat()), (some, order) => {
      const shuffled = some
        .map((node) => ({ node, at: order.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ node }) => node)
      expect(owners(ringOf(options, shuffled))).toEqual(owners(ringOf(options, some)))
    })
    fc.assert(property, { numRuns: 25 })
  })

  test('getNodes starts with the owner, names nobody twice, and everybody if asked to', () => {
    const property = fc.property(nodes, fc.integer({ min: 1, max: 10 }), (some, n) => {
      const ring = ringOf(options, some)
      for (const key of keys.slice(0, 20)) {
        const found = ring.getNodes(key, n)
        expect(found[0]).toBe(ring.getNode(key))
        expect(new Set(found).size).toBe(found.length)
        expect(found.length).toBe(Math.min(n, some.length))
      }
    })
    fc.assert(property, { numRuns: 25 })
  })

  test('no zone gets a second node of a key while another could get its first', () => {
    const some = ['a', 'b', 'c'].flatMap((zone) =>
      Array.from({ length: 3 }, (_, index) => ({ id: `${zone}${index}`, zone })),
    )
    const ring = ringOf(options, some)
    for (const key of keys) {
      const zones = ring.getNodes(key, 6).map(([zone]) => zone)
      expect(new Set(zones.slice(0, 3)).size).toBe(3)
      expect(new Set(zones.slice(3)).size).toBe(3)
    }
  })

  test('an unavailable node owns nothing, and everything again when it is back', () => {
    const ring = ringOf(options, [{ id: 'a' }, { id: 'b' }, { id: 'c' }])
    const before = owners(ring)
    ring.setAvailable('b', false)
    expect(owners(ring)).not.toContain('b')
    expect(ring.getNodes('key', 3)).not.toContain('b')
    ring.setAvailable('b', true)
    if (algorithm === 'slots') expect(owners(ring)).toContain('b')
    else expect(owners(ring)).toEqual(before)
  })

  test('a weight of 2 takes about twice as much', () => {
    const ring = ringOf({ ...options, virtualNodes: 1_000 }, [
      { id: 'light' },
      { id: 'heavy', weight: 2 },
      { id: 'other' },
    ])
    const many = Array.from({ length: 20_000 }, (_, index) => `item-${index}`)
    const share = many.filter((key) => ring.getNode(key) === 'heavy').length / many.length
    expect(share).toBeGreaterThan(0.45)
    expect(share).toBeLessThan(0.55)
  })

  test('nonsense is refused, naming what is wrong', () => {
    const ring = createRing(options)
    expect(() => ring.add({ id: '' })).toThrow(/id of a member can't be ""/)
    for (const weight of [0, -1, NaN, Infinity, '2' as unknown as number]) {
      expect(() => ring.add({ id: 'a', weight })).toThrow(/weight of a member can't be/)
    }
  })
})

describe.each(algorithms.filter((name) => name !== 'maglev'))('%s moves least', (algorithm) => {
  const options = { algorithm, virtualNodes: 40, slots: 512 }

  test('on add only to the newcomer, on remove only from the gone one', () => {
    const property = fc.property(nodes, (some) => {
      const newcomer = { id: 'the newcomer', weight: 1 }
      const ring = ringOf(options, some)
      const before = owners(ring)
      ring.add(newcomer)
      const joined = owners(ring)
      joined.forEach((id, at) => {
        if (id !== before[at]) expect(id).toBe(newcomer.id)
      })
      ring.remove(newcomer.id)
      owners(ring).forEach((id, at) => {
        if (id !== joined[at]) expect(joined[at]).toBe(newcomer.id)
      })
    })
    fc.assert(property, { numRuns: 40 })
  })
})

test('unknown or impossible options are refused', () => {
  expect(() => createRing({ virtualnodes: 3 } as RingOptions)).toThrow(/'virtualnodes' is not/)
  expect(() => createRing({ algorithm: 'md5' as RingAlgorithm })).toThrow(/no such ring/)
  expect(() => createRing({ virtualNodes: 0 })).toThrow(/virtualNodes/)
  expect(() => createRing({ slots: 1.5 })).toThrow(/slots/)
  expect(() => createRing({ balanceFactor: 0.9 })).toThrow(/balanceFactor/)
})
