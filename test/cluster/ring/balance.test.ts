import { expect, test } from 'vitest'
import { createRing } from '../../../src/cluster/ring.ts'
import { SlotRing } from '../../../src/cluster/ring/slots.ts'

const million = Array.from({ length: 1_000_000 }, (_, index) => `users/${index}/profile`)
const ids = (count: number) => Array.from({ length: count }, (_, index) => `node-${index + 1}`)

function maxOverMean(owners: Iterable<string>, nodes: number): number {
  const counts = new Map<string, number>()
  let sum = 0
  for (const id of owners) {
    counts.set(id, (counts.get(id) ?? 0) + 1)
    sum++
  }
  return Math.max(...counts.values()) / (sum / nodes)
}

test.each([10, 100])('1M keys on %i nodes: max/mean is at most 1.05 in keys', (nodes) => {
  const ring = createRing()
  for (const id of ids(nodes)) ring.add({ id })
  const owners = million.map((key) => ring.getNode(key)!)
  expect(maxOverMean(owners, nodes)).toBeLessThanOrEqual(1.05)
})

test.each([16_384, 32_768])('1,000 nodes, %i slots: 1.05 in slots and 1.15 in keys', (slots) => {
  const ring = new SlotRing(slots, 1.05)
  for (const id of ids(1_000)) ring.add({ id })
  expect(maxOverMean(ring.table, 1_000)).toBeLessThanOrEqual(1.05)
  expect(
    maxOverMean(
      million.map((key) => ring.getNode(key)!),
      1_000,
    ),
  ).toBeLessThanOrEqual(1.15)
})

test.each([10, 100, 700, 1_000])(
  'of %i nodes, one joins or leaves: the ideal share of slots moves',
  (nodes) => {
    const slots = 16_384
    const ring = new SlotRing(slots, 1.05)
    for (const id of ids(nodes)) ring.add({ id })
    const before = ring.table
    ring.add({ id: 'newcomer' })
    const joined = ring.table
    const moved = joined.filter((id, slot) => id !== before[slot])
    expect(new Set(moved)).toEqual(new Set(['newcomer']))
    const ideal = slots / (nodes + 1)
    expect(moved.length).toBeGreaterThanOrEqual(Math.floor(ideal * 0.95))
    expect(moved.length).toBeLessThanOrEqual(Math.ceil(ideal * 1.05))
    const goneHad = joined.filter((id) => id === 'node-1').length
    ring.remove('node-1')
    const after = ring.table
    const left = joined.filter((id, slot) => id !== after[slot])
    expect(left.length).toBe(goneHad)
    expect(new Set(left)).toEqual(new Set(['node-1']))
    expect(maxOverMean(after, nodes)).toBeLessThanOrEqual(1.05)
  },
)

test.each([10, 100])(
  'rendezvous, %i nodes: the ideal share of keys moves, of weights too',
  (nodes) => {
    const keys = million.slice(0, 200_000)
    for (const weight of [1, 3]) {
      const ring = createRing({ algorithm: 'rendezvous' })
      for (const id of ids(nodes)) ring.add({ id })
      const before = keys.map((key) => ring.getNode(key))
      ring.add({ id: 'newcomer', weight })
      const joined = keys.map((key) => ring.getNode(key))
      const moved = joined.filter((id, at) => id !== before[at])
      expect(new Set(moved)).toEqual(new Set(['newcomer']))
      const ideal = (keys.length * weight) / (nodes + weight)
      expect(Math.abs(moved.length / ideal - 1)).toBeLessThanOrEqual(0.05)
      ring.remove('newcomer')
      expect(keys.map((key) => ring.getNode(key))).toEqual(before)
    }
  },
)
