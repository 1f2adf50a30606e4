import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NS_PER_MS } from '../../src/core/env.ts'
import { HybridClock } from '../../src/core/hlc.ts'

const MINUTE = 60_000n * NS_PER_MS
const NOON = 1_767_268_800_000_000_000n

/** A hybrid clock on a wall clock that a test sets. */
function clockAt(start: bigint, mark = 0n) {
  const wall = { now: start }
  return { wall, clock: new HybridClock(() => wall.now, mark) }
}

describe('a hybrid clock', () => {
  test('mints wall time, and counts up where that stands still', () => {
    const { wall, clock } = clockAt(NOON)
    expect(clock.next()).toBe(NOON)
    expect(clock.next()).toBe(NOON + 1n)
    wall.now += 5n
    expect(clock.next()).toBe(NOON + 5n)
  })

  test('never goes back when the wall clock steps back', () => {
    const { wall, clock } = clockAt(NOON)
    const before = clock.next()
    wall.now -= 60n * MINUTE
    expect(clock.next()).toBe(before + 1n)
  })

  test('goes along when the wall clock steps forward', () => {
    const { wall, clock } = clockAt(NOON)
    clock.next()
    wall.now += 60n * MINUTE
    expect(clock.next()).toBe(wall.now)
  })

  test('goes on above its mark after a restart', () => {
    const { clock } = clockAt(NOON, NOON + 30n)
    expect(clock.mark).toBe(NOON + 30n)
    expect(clock.next()).toBe(NOON + 31n)
    expect(clock.mark).toBe(NOON + 31n)
  })

  test('mints above what it observed, up to the drift that is allowed', () => {
    const { clock } = clockAt(NOON)
    clock.observe(NOON + MINUTE)
    expect(clock.next()).toBe(NOON + MINUTE + 1n)
  })

  test('does not follow what is too far ahead', () => {
    const { clock } = clockAt(NOON)
    expect(clock.isAhead(NOON + MINUTE)).toBe(false)
    expect(clock.isAhead(NOON + MINUTE + 1n)).toBe(true)
    clock.observe(NOON + MINUTE + 1n)
    expect(clock.next()).toBe(NOON)
  })

  test('takes the limit of drift in milliseconds', () => {
    const clock = new HybridClock(() => NOON, 0n, 5)
    expect(clock.horizon()).toBe(NOON + 5n * NS_PER_MS)
  })

  test('judges drift by the corrected clock', () => {
    const { clock } = clockAt(NOON)
    clock.correct(60n * MINUTE)
    expect(clock.isAhead(NOON + 61n * MINUTE)).toBe(false)
    clock.correct(-60n * MINUTE)
    expect(clock.isAhead(NOON - 58n * MINUTE)).toBe(true)
  })

  test('mints by the corrected clock only if its own is off beyond the limit', () => {
    const { clock } = clockAt(NOON)
    clock.correct(MINUTE)
    expect(clock.time()).toBe(NOON)
    clock.correct(MINUTE + 1n)
    expect(clock.time()).toBe(NOON + MINUTE + 1n)
    expect(clock.next()).toBe(NOON + MINUTE + 1n)
    clock.correct(-MINUTE - 1n)
    expect(clock.time()).toBe(NOON - MINUTE - 1n)
  })

  test('can be lowered, not raised, by hand', () => {
    const { clock } = clockAt(NOON, NOON + 60n * MINUTE)
    clock.lower(NOON + 90n * MINUTE)
    expect(clock.mark).toBe(NOON + 60n * MINUTE)
    clock.lower(NOON - 1n)
    expect(clock.next()).toBe(NOON)
  })

  test('can be raised again after it was lowered in vain', () => {
    const { clock } = clockAt(NOON, NOON + 60n * MINUTE)
    clock.lower(NOON)
    clock.raise(NOON + 60n * MINUTE)
    expect(clock.next()).toBe(NOON + 60n * MINUTE + 1n)
    clock.raise(NOON)
    expect(clock.mark).toBe(NOON + 60n * MINUTE + 1n)
  })

  test('mints strictly growing stamps, above all it observed, whatever the wall clock does', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({
          kind: fc.constant('step' as const),
          ns: fc.bigInt(-90n * MINUTE, 90n * MINUTE),
        }),
        fc.record({ kind: fc.constant('observe' as const), ns: fc.bigInt(-MINUTE, 3n * MINUTE) }),
        fc.record({
          kind: fc.constant('correct' as const),
          ns: fc.bigInt(-3n * MINUTE, 3n * MINUTE),
        }),
        fc.record({ kind: fc.constant('mint' as const), ns: fc.constant(0n) }),
      ),
      { maxLength: 60 },
    )
    fc.assert(
      fc.property(steps, (list) => {
        const { wall, clock } = clockAt(NOON)
        let floor = 0n
        for (const { kind, ns } of list) {
          if (kind === 'step') wall.now += ns
          else if (kind === 'correct') clock.correct(ns)
          else if (kind === 'mint') {
            const stamp = clock.next()
            expect(stamp).toBeGreaterThan(floor)
            expect(clock.mark).toBe(stamp)
            floor = stamp
          } else {
            const stamp = wall.now + ns
            if (!clock.isAhead(stamp) && stamp > floor) floor = stamp
            clock.observe(stamp)
          }
        }
        expect(clock.next()).toBeGreaterThan(floor)
      }),
    )
  })
})
