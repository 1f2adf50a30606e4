import type { Entry } from '../core/entry.ts'

/** An entry that is to go. */
export interface Removal {
  readonly path: string
  /** True if what is there by then is still what was looked at. */
  readonly isMeant: (held: Entry) => boolean
}

/** What is to go at a moment. */
export interface Due {
  /** They go in one step, so they are bounded. */
  readonly removals: readonly Removal[]
  /** True if more are to go at once. */
  readonly more: boolean
}

/** Tells what a filter's limit or ttl does not let stay. */
export interface DueEntries {
  /** How many entries there are; 0 where nobody counts them. */
  readonly size: number
  /** When the next entry is to go by its age, in nanoseconds since the epoch, as of the last {@link DueEntries.at}. */
  readonly soonest: bigint | undefined
  /** Takes what readers see at the path now. */
  changed(path: string, after: Entry | undefined): void
  /** Takes that an entry of {@link DueEntries.at} is gone. */
  removed(removal: Removal): void
  /**
   * What is to go.
   * @param now in nanoseconds since the epoch
   * @param count the most that may stay
   */
  at(now: bigint, count: number): Promise<Due>
}
