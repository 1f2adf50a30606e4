import { skerryError } from '../core/errors.ts'
import { keyAt, keyTimeMs } from './key.ts'

/** ISO 8601 duration of a consolidation interval. */
export type IntervalLength = 'P1D' | 'PT3H' | 'PT1H' | 'PT15M' | 'PT5M'

const LENGTHS_MS: Readonly<Record<IntervalLength, number>> = {
  P1D: 86_400_000,
  PT3H: 10_800_000,
  PT1H: 3_600_000,
  PT15M: 900_000,
  PT5M: 300_000,
}

/** Whether a value names a length that a log can have. */
export function isIntervalLength(value: unknown): value is IntervalLength {
  return typeof value === 'string' && Object.hasOwn(LENGTHS_MS, value)
}

/** One consolidation interval: the keys from `from` to before `below`. */
export interface Interval {
  readonly from: string
  readonly below: string
}

/**
 * The calendar of a log: it is cut into intervals of one length, in UTC. The current and the
 * previous one take events, and so does the next one, for the sake of clocks that differ.
 *
 * ```
 *   closed | previous | current | next | too far ahead
 *                        ^ now
 * ```
 */
export class IntervalCalendar {
  readonly #lengthMs: number

  constructor(length: IntervalLength) {
    this.#lengthMs = LENGTHS_MS[length]
  }

  /** The keys that may be put now. */
  openAt(nowMs: number): Interval {
    const current = this.#startOf(nowMs)
    return {
      from: keyAt(current - this.#lengthMs),
      below: keyAt(current + 2 * this.#lengthMs),
    }
  }

  /** The interval that a key belongs to. @throws SKERRY_EVENTS_KEY_INVALID */
  of(key: string): Interval {
    const timeMs = keyTimeMs(key)
    if (timeMs === undefined) throw skerryError('EVENTS_KEY_INVALID', key)
    const start = this.#startOf(timeMs)
    return { from: keyAt(start), below: keyAt(start + this.#lengthMs) }
  }

  /** How long until the current interval ends, in milliseconds. */
  untilNextMs(nowMs: number): number {
    return this.#startOf(nowMs) + this.#lengthMs - nowMs
  }

  #startOf(timeMs: number): number {
    return Math.floor(timeMs / this.#lengthMs) * this.#lengthMs
  }
}
