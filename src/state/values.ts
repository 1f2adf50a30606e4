import type { Entry } from '../core/entry.ts'
import { messageOf, type SkerryError, skerryErrorFrom } from '../core/errors.ts'
import { jsonOf, type StateEntry } from '../core/value.ts'
import { Watch } from '../core/watch.ts'
import { ofItem } from './batch.ts'
import type { CommitOptions, WriteOptions } from './commitment.ts'
import { valueOf } from './filters.ts'
import { type ListenerFailed, Mirror } from './mirror.ts'
import type { HistoryOptions, PathVersion } from './past.ts'
import type { Range } from './range.ts'
import type { State } from './state.ts'
import type { Subscription } from './subscription.ts'
import type { Condition } from './version.ts'
import type { PatchForm, WriteRequest } from './writing.ts'

/** An entry as reads and writes give it. */
export interface VersionedEntry<T = unknown> extends StateEntry<T> {
  /** Names what is stored, for `ifMatch` and `ifNoneMatch`: the same digits on every node that holds the same. */
  readonly version: string
}

/** How to patch. */
export type ValuePatchOptions = WriteOptions & ValuePatchForm

/** How a patch is to be read. */
export interface ValuePatchForm {
  /** How the patch is to be read. Default `merge-patch`, as `skerry/client` has it. */
  readonly form?: PatchForm
}

/** One write of a batch. */
export type ValueWrite =
  | ({ readonly op: 'set'; readonly path: string; readonly data: unknown } & Condition)
  | { readonly op: 'push'; readonly path: string; readonly data: unknown }
  | ({ readonly op: 'patch'; readonly path: string; readonly data: unknown } & Condition &
      ValuePatchForm)
  | ({ readonly op: 'delete'; readonly path: string } & Condition)

/** What came of a write of a batch: the entry that is there now, or how many were deleted. */
export type ValueResult = { readonly entry: VersionedEntry } | { readonly deleted: number }

/** A version of a path: what it holds, or held once. */
export interface ValueVersion<T = unknown> extends Pick<
  PathVersion,
  'version' | 'kind' | 'keptAt'
> {
  readonly path: string
  /** As of the entry then; nanoseconds since the Unix epoch. */
  readonly created: bigint
  readonly updated: bigint
  /** The node that accepted the write, or `client.` and digits of one that was offline; empty for a pivot peer. */
  readonly origin: string
  /** True if this version deleted the path; then the data is null. */
  readonly deleted: boolean
  readonly data: T | null
}

/** A page of the versions of a path, newest first. */
export interface ValueVersions<T = unknown> {
  readonly versions: readonly ValueVersion<T>[]
  /** What to pass as `before` for the next page; left out if there is none. */
  readonly next?: number
}

type Listener = (value: unknown) => void

interface Opened {
  readonly mirror: Mirror
  readonly subscription: Subscription
}

/**
 * JSON state by path, in plain values: what `skerry/client` has, within the process of the node. Every write that
 * resolves is durable on this node.
 *
 * Values go through `JSON.stringify` and `JSON.parse`, so integers beyond 2^53 are rounded when they are read;
 * {@link ValueState.text} has the very digits. Type parameters say what you expect: nothing is checked against them,
 * unless the path has a `schema`.
 *
 * @example
 * interface User { name: string; born?: number }
 * const { path } = await state.push<User>('users/*', { name: 'Ada' })
 * await state.patch(path, { born: 1815 })
 * const ada = await state.get<User>(path) // { path, index, created, updated, version, data } or null
 * for await (const users of state.watch<User>('users/*')) console.log(users.length)
 */
export class ValueState {
  /** The same state with data as JSON text: exact to the digit, as it was written. */
  readonly text: State
  readonly #listenerFailed: ListenerFailed
  readonly #opened = new Map<string, Opened>()

  constructor(text: State, listenerFailed: ListenerFailed) {
    this.text = text
    this.#listenerFailed = listenerFailed
  }

  /**
   * The entry at a path, or null if nothing is stored there.
   * @throws SKERRY_PATH_INVALID, SKERRY_FILTER_REFUSED, SKERRY_ROUTE_CLOSED
   * @example
   * const theme = (await state.get<Settings>('settings'))?.data.theme
   */
  async get<T = unknown>(path: string): Promise<VersionedEntry<T> | null> {
    const entry = await this.text.get(path)
    return entry === undefined ? null : this.#versioned<T>(entry)
  }

  /**
   * The entries that a glob matches, newest created first, ties by path; or some of them.
   * @throws SKERRY_PATH_INVALID, SKERRY_RANGE_INVALID, SKERRY_FILTER_REFUSED, SKERRY_ROUTE_CLOSED
   * @example
   * const latest = await state.list<Line>('log/*', { limit: 100 })
   */
  async list<T = unknown>(glob: string, range: Range = {}): Promise<VersionedEntry<T>[]> {
    const entries = await this.text.list(glob, range)
    return entries.map((entry) => this.#versioned<T>(entry))
  }

  /**
   * The paths of the entries that readers see, in order.
   * @param glob or `**` for everything, the default
   * @throws SKERRY_PATH_INVALID, SKERRY_ROUTE_CLOSED, SKERRY_FILTER_REFUSED
   */
  keys(glob?: string): Promise<string[]> {
    return this.text.keys(glob)
  }

  /**
   * Creates or overwrites the entry at a path.
   * @returns the entry as written
   * @throws SKERRY_VALUE_INVALID for what JSON has no form for: undefined, NaN, BigInt, what holds itself
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_DATA_TOO_LARGE, SKERRY_PRECONDITION_FAILED
   * @throws SKERRY_FILTER_REFUSED, SKERRY_SCHEMA_VIOLATED, SKERRY_ROUTE_CLOSED, SKERRY_WRITE_FAILED
   * @throws SKERRY_COMMIT_INVALID, SKERRY_COMMITS_TOO_MANY; CommitError if it was written and did not come far enough
   * @example
   * await state.set('stock/7', { left: 3 }, { commit: 'QUORUM', commitTimeoutMs: 2000 })
   * const before = await state.get<Stock>('stock/7')
   * if (before) await state.set('stock/7', { left: before.data.left - 1 }, { ifMatch: before.version })
   */
  async set<T = unknown>(
    path: string,
    data: T,
    options: WriteOptions = {},
  ): Promise<VersionedEntry<T>> {
    return this.#versioned<T>(await this.text.set(path, jsonText(data), options))
  }

  /**
   * Creates an entry under a fresh index in the place of the glob's `*`. Indexes are letters and digits, sort by time
   * of creation, and are unique across nodes.
   * @returns the entry as written
   * @throws what {@link ValueState.set} throws
   * @example
   * const { path, index } = await state.push('orders/*', { item: 7 })
   */
  async push<T = unknown>(
    glob: string,
    data: T,
    options: CommitOptions = {},
  ): Promise<VersionedEntry<T>> {
    return this.#versioned<T>(await this.text.push(glob, jsonText(data), options))
  }

  /**
   * Changes the data at a path in one atomic step: patches of different members made at once all land. By RFC 7396,
   * null removes a member; the option `form` has the other forms.
   * @returns the entry as written
   * @throws SKERRY_NOT_FOUND, SKERRY_PATCH_INVALID, SKERRY_PATCH_TEST_FAILED, and what {@link ValueState.set} throws
   * @example
   * await state.patch('users/42', { name: 'Ada', phone: null })
   * await state.patch('users/42', [{ op: 'remove', path: '/phone' }], { form: 'json-patch' })
   */
  async patch<T = unknown>(
    path: string,
    changes: unknown,
    options: ValuePatchOptions = {},
  ): Promise<VersionedEntry<T>> {
    const { form = 'merge-patch', ...rest } = options
    const entry = await this.text.patch(path, jsonText(changes), { ...rest, form })
    return this.#versioned<T>(entry)
  }

  /**
   * Deletes the entry at a path, or all that a glob matches in one atomic step. What is not there is no error.
   * @param options conditions are for a path, not for a glob
   * @returns how many were deleted
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_CONDITION_INVALID, SKERRY_PRECONDITION_FAILED
   * @throws SKERRY_FILTER_REFUSED, SKERRY_ROUTE_CLOSED, SKERRY_WRITE_FAILED
   */
  delete(pattern: string, options: WriteOptions = {}): Promise<number> {
    return this.text.delete(pattern, options)
  }

  /**
   * Does several writes in one atomic step on this node: all of them, or none if one is refused.
   * @param writes at most 1,000
   * @returns what came of each, in order
   * @throws BatchError, with the code of what a write was refused for, and which one in `item`
   * @throws SKERRY_BATCH_TOO_LARGE, SKERRY_WRITE_FAILED
   * @example
   * await state.batch([
   *   { op: 'patch', path: 'stock/7', data: { left: 3 }, ifMatch: before.version },
   *   { op: 'push', path: 'orders/*', data: { item: 7 } },
   * ])
   */
  async batch(writes: readonly ValueWrite[], options: CommitOptions = {}): Promise<ValueResult[]> {
    const results = await this.text.batch(writes.map(requestOf), options)
    return results.map((result) =>
      'entry' in result ? { entry: this.#versioned(result.entry) } : result,
    )
  }

  /**
   * What a path holds and what it held before, newest first, as far as that is kept here: with the option `history`.
   * Read filters are asked for each version; a path that they hide has no history.
   * @throws SKERRY_PATH_INVALID, SKERRY_RANGE_INVALID, SKERRY_ROUTE_CLOSED, SKERRY_FILTER_REFUSED
   * @throws SKERRY_HISTORY_UNAVAILABLE if the store keeps none
   * @example
   * const { versions } = await state.history<Doc>('docs/plan')
   * const lost = versions.find(({ kind }) => kind === 'overruled')
   * if (lost) await state.restore('docs/plan', lost.version)
   */
  async history<T = unknown>(path: string, options?: HistoryOptions): Promise<ValueVersions<T>> {
    const { versions, next } = await this.text.history(path, options)
    const page = { versions: versions.map((each) => versionValue<T>(each)) }
    return next === undefined ? page : { ...page, next }
  }

  /**
   * Writes the data of an earlier version again, as a new write: filters, schema, conditions and commit levels hold.
   * @returns the entry as written
   * @throws SKERRY_VERSION_UNKNOWN if it is not kept, or not shown; SKERRY_VERSION_DELETED if it deleted the path
   * @throws what {@link ValueState.history} and {@link ValueState.set} throw
   */
  async restore<T = unknown>(
    path: string,
    version: string,
    options: WriteOptions = {},
  ): Promise<VersionedEntry<T>> {
    return this.#versioned<T>(await this.text.restore(path, version, options))
  }

  /**
   * Lets go of what is kept of the past of a path, or of all that a glob matches; what they hold now stays.
   * @returns how many paths had a history
   * @throws SKERRY_PATH_INVALID, SKERRY_HISTORY_UNAVAILABLE, SKERRY_WRITE_FAILED
   */
  clearHistory(pattern: string): Promise<number> {
    return this.text.clearHistory(pattern)
  }

  /**
   * Watches a glob or a path: its value now, and whenever it changes; by a listener, as an async iterator, or both.
   * Values are never changed in place, and what did not change between two of them is the same object. A slow
   * iterator gets the newest value and costs no memory; a listener runs within the turn that tells of the change, so
   * it should be short. Leaving the loop or `close()` ends the watch; so does the end of the node.
   * @param listener called with each value; what it throws is logged, and harms nothing else
   * @param failed called with SKERRY_WATCH_FAILED if it can't be shown any more, as when a `read` filter throws
   * @throws SKERRY_PATH_INVALID, SKERRY_ROUTE_CLOSED
   * @example
   * const watch = state.watch<User>('users/*', (users) => console.log(users.length))
   * watch.close()
   * for await (const user of state.watch<User>('users/ada')) if (user?.data.born) break
   */
  watch<T = unknown>(
    glob: `${string}*${string}`,
    listener?: (list: readonly StateEntry<T>[]) => void,
    failed?: (error: SkerryError) => void,
  ): Watch<readonly StateEntry<T>[], SkerryError>
  watch<T = unknown>(
    path: string,
    listener?: (entry: StateEntry<T> | null) => void,
    failed?: (error: SkerryError) => void,
  ): Watch<StateEntry<T> | null, SkerryError>
  watch(
    pattern: string,
    listener?: (value: never) => void,
    failed?: (error: SkerryError) => void,
  ): Watch<unknown, SkerryError> {
    const { mirror } = this.#opened.get(pattern) ?? this.#open(pattern)
    mirror.watches++
    const watch = new Watch<unknown, SkerryError>(mirror, () => this.#leave(mirror))
    if (listener !== undefined) this.#subscribe(watch, mirror, listener as Listener, failed)
    return watch
  }

  /** What is known already is told at once, and what the listener throws then is no reason not to watch. */
  #subscribe(
    watch: Watch<unknown, SkerryError>,
    { pattern }: Mirror,
    listener: Listener,
    failed: ((error: SkerryError) => void) | undefined,
  ): void {
    try {
      watch.subscribe(listener, failed)
    } catch (error) {
      this.#listenerFailed(pattern, error)
    }
  }

  #open(pattern: string): Opened {
    const mirror = new Mirror(pattern, this.#listenerFailed)
    const subscription = this.text.watch(pattern, {
      // It takes every frame at once.
      bufferedBytes: 0,
      frame: (frame) => mirror.take(frame),
      ended: (reason) => {
        this.#opened.delete(pattern)
        mirror.end(reason)
      },
    })
    const opened = { mirror, subscription }
    this.#opened.set(pattern, opened)
    return opened
  }

  #leave(mirror: Mirror): void {
    const opened = this.#opened.get(mirror.pattern)
    if (--mirror.watches > 0 || opened?.mirror !== mirror) return
    this.#opened.delete(mirror.pattern)
    opened.subscription.close()
  }

  #versioned<T>(entry: Entry): VersionedEntry<T> {
    return { ...(valueOf(entry) as StateEntry<T>), version: this.text.versionOf(entry) }
  }
}

function versionValue<T>(found: PathVersion): ValueVersion<T> {
  const { version, kind, keptAt, entry, writer: origin } = found
  const { path, created, updated, data } = entry
  const value = data === null ? null : (JSON.parse(data) as T)
  const about = { path, version, kind, keptAt, created, updated, origin }
  return { ...about, deleted: data === null, data: value }
}

/** @throws SKERRY_VALUE_INVALID */
function jsonText(value: unknown): string {
  try {
    return jsonOf(value)
  } catch (error) {
    throw skerryErrorFrom(error, 'VALUE_INVALID', messageOf(error))
  }
}

/** @throws BatchError */
function requestOf(write: ValueWrite, item: number): WriteRequest {
  if (write.op === 'delete') return write
  try {
    const data = jsonText(write.data)
    if (write.op !== 'patch') return { ...write, data }
    return { ...write, data, form: write.form ?? 'merge-patch' }
  } catch (error) {
    throw ofItem(item, error)
  }
}
