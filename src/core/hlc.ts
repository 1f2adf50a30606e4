import { NS_PER_MS } from './env.ts'

/** How far a stamp may be ahead of the corrected clock before its entry is kept aside. */
export const DEFAULT_MAX_CLOCK_DRIFT_MS = 60_000

/**
 * A hybrid logical clock: stamps are nanoseconds of wall time, but never at or below a stamp this
 * node has minted, read or merged. A write made after reading another so always wins over it,
 * whatever the wall clocks say.
 *
 * Stamps too far in the future are not followed, or one bad clock would drag the whole cluster
 * along. "Too far" is judged by the wall clock corrected by what the node learnt of its leader's (or
 * peers') clocks; a node whose own clock is off by more than the limit mints by the corrected time.
 *
 * After: Kulkarni et al., "Logical Physical Clocks" (2014).
 */
export class HybridClock {
  readonly #now: () => bigint
  readonly #maxDrift: bigint
  #last: bigint
  #correction = 0n

  /**
   * @param now wall clock in nanoseconds
   * @param mark the highest stamp known before a restart; 0 for a new node
   */
  constructor(now: () => bigint, mark: bigint, maxClockDriftMs = DEFAULT_MAX_CLOCK_DRIFT_MS) {
    this.#now = now
    this.#last = mark
    this.#maxDrift = BigInt(maxClockDriftMs) * NS_PER_MS
  }

  /** The highest stamp minted or followed so far; kept durably, so that it survives restarts. */
  get mark(): bigint {
    return this.#last
  }

  /** Wall time in nanoseconds, corrected if this node's clock is known to be off beyond the limit. */
  time(): bigint {
    const off = this.#correction < 0n ? -this.#correction : this.#correction
    return off > this.#maxDrift ? this.#now() + this.#correction : this.#now()
  }

  /** Mints the next stamp. */
  next(): bigint {
    const time = this.time()
    this.#last = time > this.#last ? time : this.#last + 1n
    return this.#last
  }

  /** Follows a stamp that was read or merged, unless it is too far ahead. */
  observe(stamp: bigint): void {
    if (stamp > this.#last && !this.isAhead(stamp)) this.#last = stamp
  }

  /** True if the stamp is further in the future than clocks may drift. */
  isAhead(stamp: bigint): boolean {
    return stamp > this.horizon()
  }

  /** The highest stamp that is not too far ahead at this moment. */
  horizon(): bigint {
    return this.#now() + this.#correction + this.#maxDrift
  }

  /** Corrects the clock by the offset of the leader's, or of the peers' median: theirs minus ours. */
  correct(offset: bigint): void {
    this.#correction = offset
  }

  /** Takes the mark back to `mark`, once the entries above it have been stamped anew. */
  lower(mark: bigint): void {
    if (mark < this.#last) this.#last = mark
  }

  /** Takes the mark back up to `mark`, if what had lowered it came to nothing. */
  raise(mark: bigint): void {
    if (mark > this.#last) this.#last = mark
  }
}
