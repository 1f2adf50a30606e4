import { type Entry, stampOf } from '../core/entry.ts'
import type { HybridClock } from '../core/hlc.ts'

/** Sorts what a store holds by the clock: which paths are stamped too far ahead, and how far the rest goes. */
export class DriftSurvey {
  /** Paths that hold, or held, a version stamped too far ahead. */
  readonly ahead = new Set<string>()
  /** The highest stamp that is not too far ahead. */
  highest = 0n
  readonly #clock: HybridClock

  constructor(clock: HybridClock) {
    this.#clock = clock
  }

  note(entry: Entry): void {
    const stamp = stampOf(entry)
    if (this.#clock.isAhead(stamp)) this.ahead.add(entry.path)
    else if (stamp > this.highest) this.highest = stamp
  }
}
