import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs } from '../../src/sync/backoff.ts'

test('waits double up to a bound, and never come below half of the span', () => {
  expect([1, 2, 3, 8, 100].map((failures) => backoffMs(failures, 0))).toEqual([
    125, 250, 500, 15_000, 15_000,
  ])
  const attempt = fc.record({
    failures: fc.integer({ min: 1, max: 1e6 }),
    chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  })
  fc.assert(
    fc.property(attempt, ({ failures, chance }) => {
      const ms = backoffMs(failures, chance)
      expect(ms).toBeGreaterThanOrEqual(125)
      expect(ms).toBeLessThanOrEqual(30_000)
    }),
  )
})
