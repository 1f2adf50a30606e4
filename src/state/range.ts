import type { Entry } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import { newestFirst } from './timeline.ts'

/** Which entries of a list, and in what order. */
export interface Range {
  /** The most entries; the first ones in the order asked for. Default all. */
  readonly limit?: number
  /** Only entries created at or after this, in nanoseconds since the epoch. */
  readonly from?: bigint
  /** Only entries created at or before this, in nanoseconds since the epoch. */
  readonly to?: bigint
  /** `desc`, newest created first, or `asc`, oldest first; ties by path. Default `desc`. */
  readonly order?: 'asc' | 'desc'
}

/**
 * Checks a range.
 * @throws SKERRY_RANGE_INVALID
 */
export function assertRange({ limit, order, from, to }: Range): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 1)) {
    throw skerryError('RANGE_INVALID', 'limit', limit, 'use a whole number from 1 on')
  }
  if (order !== undefined && order !== 'asc' && order !== 'desc') {
    throw skerryError('RANGE_INVALID', 'order', order, 'use asc or desc')
  }
  for (const [name, time] of [['from', from] as const, ['to', to] as const]) {
    if (time !== undefined && typeof time !== 'bigint') {
      throw skerryError('RANGE_INVALID', name, time, 'use whole nanoseconds since the epoch')
    }
  }
}

/** Above so many times its limit a selection is cut back. */
const SLACK = 2

/** The least number of entries at which that pays. */
const MIN_CUT = 256

/** Gathers the entries of a range, holding little more than its limit at any time. */
export class Selection {
  readonly #range: Range
  #entries: Entry[] = []

  constructor(range: Range) {
    this.#range = range
  }

  add(entry: Entry): void {
    const { limit, from, to } = this.#range
    if (from !== undefined && entry.created < from) return
    if (to !== undefined && entry.created > to) return
    this.#entries.push(entry)
    if (limit !== undefined && this.#entries.length >= Math.max(limit * SLACK, MIN_CUT)) this.#cut()
  }

  /** In order. */
  take(): Entry[] {
    this.#cut()
    return this.#entries
  }

  #cut(): void {
    const { order, limit } = this.#range
    this.#entries.sort(order === 'asc' ? oldestFirst : newestFirst)
    if (limit !== undefined) this.#entries.splice(limit)
  }
}

function oldestFirst(a: Entry, b: Entry): number {
  if (a.created !== b.created) return a.created < b.created ? -1 : 1
  return a.path < b.path ? -1 : 1
}
