import { expect, test } from 'vitest'
import { ClockFilter, type ClockSample } from '../../src/sync/clock-filter.ts'
import { NS_PER_MS } from '../../src/core/env.ts'

function sample(atMs: number, offsetMs: number, roundTripMs: number): ClockSample {
  return { offsetNs: BigInt(offsetMs) * NS_PER_MS, roundTripMs, atMs }
}

test.each<[string, number | undefined, ClockSample[]]>([
  ['nothing before the first answer', undefined, []],
  ['the first answer, however long it took', 40, [sample(0, 40, 9000)]],
  [
    'the one that took least',
    3,
    [sample(0, 40, 100), sample(10_000, 3, 2), sample(20_000, -9, 60)],
  ],
  ['of two as good the later one', 4, [sample(0, 3, 2), sample(0, 4, 2)]],
  ['a clock that jumped, with the next answer', 900, [sample(0, 3, 2), sample(10_000, 900, 300)]],
  ['a clock put back', 3, [sample(0, 3, 2), sample(10_000, 900, 300), sample(20_000, 3, 40)]],
  [
    'no jump that a slow answer only seems to show',
    3,
    [sample(0, 3, 2), sample(10_000, 900, 1800)],
  ],
  ['clocks that part slowly', 21, [sample(0, 3, 2), sample(20_000, 21, 2)]],
])('the offset of a clock is %s', (_, expected, samples) => {
  const filter = new ClockFilter()
  for (const each of samples) filter.note(each)
  expect(filter.offsetNs).toBe(expected === undefined ? undefined : BigInt(expected) * NS_PER_MS)
})

test('the best answer counts among the latest eight only', () => {
  const filter = new ClockFilter()
  filter.note(sample(0, 3, 2))
  for (let i = 1; i < 8; i++) filter.note(sample(i, 50, 200))
  expect(filter.offsetNs).toBe(3n * NS_PER_MS)
  filter.note(sample(8, 60, 200))
  expect(filter.offsetNs).toBe(60n * NS_PER_MS)
})
