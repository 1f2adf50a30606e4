import { type Entry, stampOf } from '../core/entry.ts'
import { lastSegment } from '../core/path.ts'
import type { StateEntry } from '../core/value.ts'
import type { Limit } from './limit.ts'

/** What happened to a path: what readers saw before, and what they see now; undefined where nothing is. */
export interface StateChange<T = unknown> {
  readonly path: string
  readonly before: StateEntry<T> | undefined
  readonly after: StateEntry<T> | undefined
}

/**
 * What holds for a path, or for all that a glob matches. All functions but `beforeRead` and `afterWrite` answer at
 * once, without a promise. One that throws refuses the one request (SKERRY_FILTER_REFUSED), and is logged.
 *
 * @example
 * const filters = {
 *   'users/*': {
 *     schema: { type: 'object', required: ['name'] },
 *     read: (path, entry) => ({ ...entry, data: { ...entry.data, password: undefined } }),
 *   },
 *   'log/*': { write: (path, line) => ({ line, level: 'info' }) },
 * }
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what data is, the one who writes the filter knows
export interface Filter<T = any> {
  /** True opens reading, writing and deleting; with `static`, and where a less specific filter would hold. */
  readonly open?: boolean
  /** Checks or changes what is about to be written. Returns what to write; undefined leaves it as it is. */
  readonly write?: (path: string, data: T) => unknown
  /** Is told that something was written, once it is durable. */
  readonly afterWrite?: (path: string) => unknown
  /** Shows, changes or hides an entry: returns it with the data to show, or undefined to hide it. */
  readonly read?: (path: string, entry: StateEntry<T>) => { readonly data: unknown } | undefined
  /**
   * Is asked once for all entries that a read shows, one of them or a list: returns those to show, with the data to
   * show. Their order stays.
   * @param path the path or glob that is read
   */
  readonly readList?: (
    path: string,
    entries: StateEntry<T>[],
  ) => readonly { readonly path: string; readonly data: unknown }[]
  /** Is asked before an entry is deleted; throwing keeps it. */
  readonly delete?: (path: string) => unknown
  /** A JSON Schema, 2020-12 or draft-07, that data must fit when it is written. */
  readonly schema?: Readonly<Record<string, unknown>>
  /** How many entries stay, and how old they get; all that are too many or too old are deleted. */
  readonly limit?: Limit
  /** An entry is deleted so long after it was last written, in milliseconds. Default never. */
  readonly ttlMs?: number
  /** Runs before a read, which waits for it, and before a view of subscribers is first filled. */
  readonly beforeRead?: (path: string) => unknown
  /** Is told of each change that readers can see, from wherever it came. */
  readonly onChange?: (change: StateChange<T>) => unknown
}

/** Filters by path or glob, `**` for everything. */
export type Filters = Readonly<Record<string, Filter>>

/** The entry with its data as a plain value. */
export function valueOf(entry: Entry): StateEntry {
  const { path, created, updated, data } = entry
  return { path, index: lastSegment(path), created, updated, data: JSON.parse(data!) as unknown }
}

/** What reads differ by: equal marks, equal looks. */
export function looksLike(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.data === b.data && a.created === b.created && stampOf(a) === stampOf(b)
}
