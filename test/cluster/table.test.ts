import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  formatSlots,
  movesBetween,
  NOBODY,
  parseSlots,
  parseTable,
  readKeptTable,
  rebalance,
} from '../../src/cluster/table.ts'
import type { Share } from '../../src/cluster/table.ts'

const SLOTS = 512

const change = fc.record({
  kind: fc.constantFrom('add', 'remove', 'weigh'),
  index: fc.nat({ max: 15 }),
  weight: fc.constantFrom(0.5, 1, 1, 1, 2, 3),
})

test('through any history: bounded, nobody gone owns, and no move without need', () => {
  const history = fc.array(change, { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(history, (changes) => {
      let owners: string[] = new Array<string>(SLOTS).fill(NOBODY)
      const nodes = new Map<string, Share>()
      for (const { kind, index, weight } of changes) {
        const id = `node-${index}`
        if (kind === 'remove') nodes.delete(id)
        else if (kind === 'add' || nodes.has(id)) nodes.set(id, { id, weight })
        const shares = [...nodes.values()]
        const next = rebalance(owners, shares, 1.05)
        checkShares(next, shares)
        // Dealing out again what was just dealt out moves nothing.
        expect(rebalance(next, shares, 1.05)).toEqual(next)
        owners = next
      }
    }),
    { numRuns: 200 },
  )
})

function checkShares(owners: readonly string[], shares: readonly Share[]): void {
  if (shares.length === 0) return expect(new Set(owners)).toEqual(new Set([NOBODY]))
  const weights = shares.reduce((sum, { weight }) => sum + weight, 0)
  const counts = new Map(shares.map(({ id }) => [id, 0]))
  for (const id of owners) counts.set(id, counts.get(id)! + 1)
  for (const { id, weight } of shares) {
    const quota = (SLOTS * weight) / weights
    const bound = Math.max(Math.ceil(quota), Math.floor(quota * 1.05))
    expect(counts.get(id)).toBeLessThanOrEqual(bound + 1e-9)
  }
}

test('equal weights, any joins and leaves: nobody has two slots more than another', () => {
  const steps = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(steps, (indexes) => {
      let owners: string[] = new Array<string>(100).fill(NOBODY)
      const nodes = new Map<string, Share>()
      for (const index of indexes) {
        const id = `node-${index}`
        if (!nodes.delete(id)) nodes.set(id, { id, weight: 1 })
        owners = rebalance(owners, [...nodes.values()], 1.05)
        const counts = [...nodes.keys()].map((name) => owners.filter((id) => id === name).length)
        if (counts.length > 0) {
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        }
      }
    }),
    { numRuns: 200 },
  )
})

test('moves name every slot that changed, once', () => {
  const moves = movesBetween(['a', 'a', 'b', NOBODY], ['a', 'b', 'b', 'c'])
  expect(moves).toEqual([
    { from: 'a', to: 'b', slots: [1] },
    { from: NOBODY, to: 'c', slots: [3] },
  ])
})

test('slots survive their text', () => {
  expect(formatSlots([0, 1, 2, 5, 7, 8])).toBe('0-2,5,7-8')
  const sets = fc.uniqueArray(fc.nat({ max: 300 })).map((slots) => slots.sort((a, b) => a - b))
  fc.assert(
    fc.property(sets, (slots) => {
      expect(parseSlots(formatSlots(slots), 301)).toEqual(slots)
    }),
  )
})

test.each([
  ['nothing but a number', '5'],
  ['no pairs', '[5]'],
  ['an id that is no text', '[[5,"0"]]'],
  ['slots beyond the table', '[["a","0-16"]]'],
  ['a range of billions', '[["a","0-9999999999"]]'],
  ['a range backwards', '[["a","5-3"]]'],
  ['ranges that do not ascend', '[["a","0-3,2-5"]]'],
  ['a slot of two owners', '[["a","0-3"],["b","3"]]'],
  ['words', '[["a","0-x"]]'],
  ['half of it', '[["a","0-'],
])('a table that is none is refused, in no more time than its slots take: %s', (_what, text) => {
  expect(() => parseTable(text, 16)).toThrow()
  const { owners, faults } = readKeptTable(text, 16)
  expect(owners).toEqual(new Array(16).fill(NOBODY))
  expect(faults).toMatchObject([{ code: 'SKERRY_REGISTRY_TABLE_INVALID' }])
})
