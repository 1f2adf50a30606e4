import { type Entry, stampOf } from '../core/entry.ts'
import { NS_PER_MS } from '../core/env.ts'

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
  if (limit?.maxAgeMs !== undefined) ends.push(endOfAge(entry.created, limit.maxAgeMs))
  if (ttlMs !== undefined) ends.push(stampOf(entry) + toNs(ttlMs))
  if (ends.length === 0) return undefined
  return ends.reduce((a, b) => (a < b ? a : b))
}

/** When an entry is to go by age alone, in nanoseconds since the epoch: so long after its creation. */
export function endOfAge(created: bigint, maxAgeMs: number): bigint {
  return created + toNs(maxAgeMs)
}

function toNs(ms: number): bigint {
  return BigInt(ms) * NS_PER_MS
}
