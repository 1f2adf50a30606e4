import { type Entry, stampOf } from '../core/entry.ts'
import { NS_PER_MS } from '../core/env.ts'
import { Selection } from './range.ts'

/** The most entries that one step removes. */
export const MAX_REMOVED_PER_STEP = 500

/** How many entries, and how old ones, are kept of those that a filter is for. */
export interface Limit {
  /** The most entries; whole, from 1 on. Default: no limit. */
  readonly count?: number
  /** Gives `count` at each look, in its place. */
  readonly countOf?: () => number
  /** Entries created longer ago than this go, in milliseconds. Default: none go. */
  readonly maxAgeMs?: number
  /** Which ones stay: `desc`, those created last, or `asc`, those created first; ties by path. Default `desc`. */
  readonly order?: 'asc' | 'desc'
  /** How long a look at them waits, in milliseconds, while more come to be due. Default 10,000. */
  readonly cleanupIntervalMs?: number
}

/** What of a filter says how long entries stay. */
export interface Retention {
  readonly limit?: Limit
  readonly ttlMs?: number
}

/** When the entry is to go, in nanoseconds since the epoch; undefined if never. */
export function endOf(entry: Entry, { limit, ttlMs }: Retention): bigint | undefined {
  const ends: bigint[] = []
  if (limit?.maxAgeMs !== undefined) ends.push(entry.created + toNs(limit.maxAgeMs))
  if (ttlMs !== undefined) ends.push(stampOf(entry) + toNs(ttlMs))
  if (ends.length === 0) return undefined
  return ends.reduce((a, b) => (a < b ? a : b))
}

/** One look at all entries that a filter is for: which are to go now, and when the next one is. */
export class Survey {
  readonly #retention: Retention
  readonly #now: bigint
  readonly #outnumbered: Selection | undefined
  readonly #count: number
  readonly #expired: Entry[] = []
  #kept = 0
  #left = 0
  #soonest: bigint | undefined

  /**
   * @param now in nanoseconds since the epoch
   * @param count the most that may stay; Infinity if there is no limit
   */
  constructor(retention: Retention, now: bigint, count: number) {
    this.#retention = retention
    this.#now = now
    this.#count = count
    if (count === Infinity) return
    const order = retention.limit?.order === 'asc' ? 'desc' : 'asc'
    this.#outnumbered = new Selection({ limit: MAX_REMOVED_PER_STEP, order })
  }

  add(entry: Entry): void {
    const end = endOf(entry, this.#retention)
    if (end !== undefined && end <= this.#now) {
      if (this.#expired.length < MAX_REMOVED_PER_STEP) this.#expired.push(entry)
      else this.#left++
      return
    }
    this.#kept++
    this.#outnumbered?.add(entry)
    if (end !== undefined && (this.#soonest === undefined || end < this.#soonest)) {
      this.#soonest = end
    }
  }

  /** When the next entry is to go, in nanoseconds since the epoch. */
  get soonest(): bigint | undefined {
    return this.#soonest
  }

  /** How many entries there were. */
  get seen(): number {
    return this.#expired.length + this.#left + this.#kept
  }

  /** True if another step is needed at once. */
  get unfinished(): boolean {
    return this.#left > 0 || this.#kept - this.#count > MAX_REMOVED_PER_STEP
  }

  /** Those to remove in this step. */
  get removals(): Entry[] {
    const excess = Math.max(0, this.#kept - this.#count)
    const outnumbered = excess === 0 ? [] : this.#outnumbered!.take().slice(0, excess)
    return [...this.#expired, ...outnumbered]
  }
}

function toNs(ms: number): bigint {
  return BigInt(ms) * NS_PER_MS
}
