import type { Committer } from '../core/commitment.ts'
import type { Entry } from '../core/entry.ts'
import type { Env } from '../core/env.ts'
import { assertPattern, EVERYTHING } from '../core/path.ts'
import type { Store } from '../store/store.ts'
import {
  type CommitOptions,
  LoneCommitter,
  type Performed,
  type WriteOptions,
} from './commitment.ts'
import type { Filters } from './filters.ts'
import type { HookFailure } from './hooks.ts'
import { Live, type PatternSubscribers } from './live.ts'
import { type ClientWrite, deliver, type DeliveryResult } from './delivery.ts'
import type { Range } from './range.ts'
import { storedEntry } from './reader.ts'
import { Reads } from './reads.ts'
import { type HistoryOptions, Past, type PathVersions } from './past.ts'
import { Keeper } from './retention.ts'
import { type FilterDescription, Rules, type StateVerb } from './rules.ts'
import type { Subscriber, Subscription } from './subscription.ts'
import { Versions } from './version.ts'
import { reached, Writer } from './writer.ts'
import { type PatchForm, Planner, type WriteRequest, type WriteResult } from './writing.ts'

/** The most characters of one entry's data, by default. */
const DEFAULT_MAX_DATA_CHARACTERS = 10 * 1024 * 1024

/** What a {@link State} stands on. */
export interface StateOptions {
  readonly store: Store
  readonly env: Env
  /** The most characters that the data of one entry may have. Default 10,485,760. */
  readonly maxDataCharacters?: number
  /** Filters and hooks by path or glob. Default none. */
  readonly filters?: Filters
  /** True serves only what a filter opens. Default false. */
  readonly static?: boolean
  /** Is told of each hook that threw. */
  readonly hookFailed?: (failure: HookFailure) => void
  /** Knows which nodes have a write. Default: no other node counts. */
  readonly committer?: Committer
}

/** How to patch. */
export type PatchOptions = WriteOptions & {
  /** How the patch is to be read. Default `merge`. */
  readonly form?: PatchForm
}

/**
 * JSON state by path: what REST and the sockets serve, for use in the same process.
 *
 * Data goes in and comes out as JSON text, the very characters that were written. Every write that
 * resolves is durable on this node.
 *
 * @example
 * const { path } = await state.push('users/*', '{"name":"Ada"}')
 * await state.set(path, '{"name":"Ada Lovelace"}')
 * const entry = await state.get(path) // entry.data is the text above
 * for (const { path, data } of await state.list('users/*')) …
 */
export class State {
  readonly #store: Store
  readonly #live: Live
  readonly #versions: Versions
  readonly #planner: Planner
  readonly #writer: Writer
  readonly #rules: Rules
  readonly #reads: Reads
  readonly #past: Past
  readonly #keepers: readonly Keeper[]
  #unfollow: () => void = () => undefined

  /** @throws SKERRY_OPTION_INVALID, SKERRY_OPTION_UNKNOWN, SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED for bad filters */
  constructor(options: StateOptions) {
    const { store, env, maxDataCharacters = DEFAULT_MAX_DATA_CHARACTERS } = options
    const report = options.hookFailed ?? (() => undefined)
    this.#store = store
    this.#rules = new Rules(options.filters ?? {}, options.static ?? false, report)
    this.#versions = new Versions(env.hash)
    this.#reads = new Reads(store, this.#rules)
    this.#past = new Past({ store, rules: this.#rules, versions: this.#versions })
    this.#planner = new Planner({
      store,
      env,
      versions: this.#versions,
      rules: this.#rules,
      maxDataCharacters,
    })
    this.#writer = new Writer({
      store,
      planner: this.#planner,
      rules: this.#rules,
      committer: options.committer ?? new LoneCommitter(store),
    })
    this.#live = new Live(store, env, this.#rules)
    this.#keepers = this.#rules.terms().map((term) => new Keeper(term, { store, env, report }))
    if (this.#rules.followsChanges || this.#keepers.length > 0) this.#follow(store)
  }

  /** How many paths and globs are watched. */
  get watched(): number {
    return this.#live.size
  }

  /** How often a subscriber that was too slow got one snapshot in the place of patches. */
  get collapses(): number {
    return this.#live.collapses
  }

  /** What is watched now, and by how many; of more than `limit` paths and globs, the first ones. */
  subscriptions(limit: number): PatternSubscribers[] {
    const found: PatternSubscribers[] = []
    for (const subscription of this.#live.subscriptions()) {
      if (found.length === limit) break
      found.push(subscription)
    }
    return found
  }

  /** How many subscriptions there are now. */
  get subscribers(): number {
    let count = 0
    for (const { subscribers } of this.#live.subscriptions()) count += subscribers
    return count
  }

  /** The filters, most specific first, and what they are made of. */
  filters(): FilterDescription[] {
    return this.#rules.describe()
  }

  /**
   * True if somebody from outside may try this: always, unless the node is static, and then if a filter opens it.
   * For a glob, one filter must cover all of it. Every method here asks by itself.
   */
  isOpen(pattern: string, verb: StateVerb): boolean {
    return this.#rules.isOpen(pattern, verb)
  }

  /**
   * Refuses what {@link State.isOpen} denies.
   * @throws SKERRY_ROUTE_CLOSED
   */
  assertOpen(pattern: string, verb: StateVerb): void {
    this.#rules.assertOpen(pattern, verb)
  }

  /**
   * The paths of the entries that readers see, in order. A static node tells them only if a filter opens the glob.
   * @param glob or `**` for everything, the default
   * @throws SKERRY_PATH_INVALID, SKERRY_ROUTE_CLOSED, SKERRY_FILTER_REFUSED
   */
  keys(glob: string = EVERYTHING): Promise<string[]> {
    return this.#reads.keys(glob)
  }

  /** The version of an entry: the same digits on every node that holds the same. */
  versionOf(entry: Entry): string {
    return this.#versions.of(storedEntry(entry))
  }

  /** True if the entry is there, in one of the versions; `*` stands for any. */
  isVersion(entry: Entry, versions: string | readonly string[]): boolean {
    return this.#versions.names(versions, storedEntry(entry))
  }

  /**
   * The entry at `path`, or undefined if nothing is stored there.
   * @throws SKERRY_PATH_INVALID if it is not a path, or a glob
   * @throws SKERRY_FILTER_REFUSED, SKERRY_ROUTE_CLOSED
   */
  async get(path: string): Promise<Entry | undefined> {
    return this.read(path)
  }

  /**
   * The same as {@link State.get}, but at once, and thrown at once, where nothing has to be waited for: a store
   * in this process, and no `beforeRead`.
   */
  read(path: string): Entry | undefined | Promise<Entry | undefined> {
    return this.#reads.one(path)
  }

  /**
   * The entries that `glob` matches, newest created first, ties by path; or some of them. With a limit, no more
   * than about twice as many are held in memory at any time.
   * @throws SKERRY_PATH_INVALID, SKERRY_RANGE_INVALID, SKERRY_FILTER_REFUSED, SKERRY_ROUTE_CLOSED
   * @example
   * await state.list('log/*', { limit: 100, from: 1767602580000000000n })
   */
  list(glob: string, range: Range = {}): Promise<Entry[]> {
    return this.#reads.list(glob, range)
  }

  /**
   * Creates or overwrites the entry at `path` with the JSON text `data`.
   * @returns the entry as written
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_JSON_INVALID, SKERRY_DATA_TOO_LARGE
   * @throws SKERRY_PRECONDITION_FAILED, SKERRY_WRITE_FAILED
   * @throws SKERRY_COMMIT_INVALID, SKERRY_COMMITS_TOO_MANY; CommitError if it was written and did not come far enough
   * @example
   * await state.set('users/42', '{}', { ifNoneMatch: '*' }) // only if nothing is there yet
   * await state.set('users/42', '{}', { commit: 'QUORUM' }) // once more than half of the nodes have it
   */
  async set(path: string, data: string, options: WriteOptions = {}): Promise<Entry> {
    const [condition, commit] = split(options)
    return this.#entry({ ...condition, op: 'set', path, data }, commit)
  }

  /**
   * Creates an entry with the JSON text `data` under a fresh index in place of the glob's `*`. Indexes
   * are letters and digits, sort by time of creation, and are unique across nodes.
   * @param glob ends in `*`, such as `users/*`
   * @returns the entry as written
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_JSON_INVALID, SKERRY_DATA_TOO_LARGE, SKERRY_WRITE_FAILED
   */
  async push(glob: string, data: string, options: CommitOptions = {}): Promise<Entry> {
    return this.#entry({ op: 'push', path: glob, data }, options)
  }

  /**
   * Changes the data at `path` by a patch, in one atomic step: patches of different members made at once all
   * land. What a patch does not touch keeps the digits it was written with.
   * @param patch JSON text
   * @returns the entry as written
   * @throws SKERRY_NOT_FOUND, SKERRY_PATCH_INVALID, SKERRY_PATCH_TEST_FAILED, SKERRY_DATA_TOO_LARGE
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_JSON_INVALID, SKERRY_PRECONDITION_FAILED, SKERRY_WRITE_FAILED
   * @example
   * await state.patch('users/42', '{"name":"Ada"}')
   * await state.patch('users/42', '[{"op":"remove","path":"/phone"}]', { form: 'json-patch' })
   */
  async patch(path: string, patch: string, options: PatchOptions = {}): Promise<Entry> {
    const [condition, commit] = split(options)
    return this.#entry({ ...condition, op: 'patch', path, data: patch }, commit)
  }

  /**
   * Deletes the entry at a path, or all that a glob matches in one atomic step. An entry created while
   * the delete is under way may stay. With a commit level, all deletes must have come so far.
   * @param options conditions are for a path, not for a glob
   * @returns how many were deleted
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_CONDITION_INVALID, SKERRY_PRECONDITION_FAILED, SKERRY_WRITE_FAILED
   */
  async delete(pattern: string, options: WriteOptions = {}): Promise<number> {
    const [condition, commit] = split(options)
    const result = await this.#write({ ...condition, op: 'delete', path: pattern }, commit)
    return 'deleted' in result ? result.deleted : 0
  }

  /**
   * Does several writes in one atomic step on this node: all of them, or none if one is refused. Each sees what
   * those before it did; a delete by glob takes what was there when the batch began.
   * @param requests at most 1,000
   * @returns what came of each, in order
   * @throws BatchError, with the code of what a write was refused for, and which one in `item`
   * @throws SKERRY_BATCH_TOO_LARGE, SKERRY_WRITE_FAILED
   * @example
   * await state.batch([
   *   { op: 'patch', path: 'stock/7', data: '{"left":3}', ifMatch: version },
   *   { op: 'push', path: 'orders/*', data: '{"item":7}' },
   * ])
   */
  async batch(
    requests: readonly WriteRequest[],
    options: CommitOptions = {},
  ): Promise<WriteResult[]> {
    return reached(await this.performAll(requests, options))
  }

  /**
   * Does one write, and resolves once it is durable on this node, before others have it: what {@link State.set} and
   * the like are made of.
   */
  perform(request: WriteRequest, options: CommitOptions = {}): Promise<Performed<WriteResult>> {
    return this.#writer.perform(request, options)
  }

  /** Does several writes as {@link State.batch} does, and resolves once they are durable on this node. */
  performAll(
    requests: readonly WriteRequest[],
    options: CommitOptions = {},
  ): Promise<Performed<WriteResult[]>> {
    return this.#writer.performAll(requests, options)
  }

  /**
   * Takes in what a client wrote by a clock of its own, maybe while it was cut off: each write wins if it is the
   * newest version of its path, and what is delivered again changes nothing.
   * @param client 32 hex digits, the client's own
   * @param writes in the order of their stamps, which grow from one delivery of a client to the next
   * @returns what came of each write, in order; a refused one has its error, and keeps no other one back
   * @throws SKERRY_REQUEST_INVALID for a client or stamps that can't be; SKERRY_WRITE_FAILED
   */
  async deliver(client: string, writes: readonly ClientWrite[]): Promise<DeliveryResult[]> {
    const results = await deliver(this.#store, this.#planner, client, writes)
    for (const [at, { kind, path }] of writes.entries()) {
      if (kind !== 'delete' && results[at] === 'written') this.#rules.afterWrite(path)
    }
    return results
  }

  /**
   * Watches a path or glob: a snapshot first, then a frame for every change, as subscribers over WebSocket get
   * them. Each frame carries a version; hex digits, growing.
   * @param version the last version seen, if the subscriber was here before: no snapshot comes if it is still the newest
   * @returns what ends it
   * @throws SKERRY_PATH_INVALID
   * @example
   * const subscription = state.watch('users/*', {
   *   frame: ({ text }) => console.log(text),
   *   bufferedBytes: 0,
   *   ended: (reason) => console.log(reason),
   * })
   */
  watch(pattern: string, subscriber: Subscriber, version?: string): Subscription {
    assertPattern(pattern)
    this.#rules.assertOpen(pattern, 'read')
    return this.#live.watch(pattern, subscriber, version)
  }

  /**
   * What a path holds and what it held before, as far as that is kept: with the option `history`. Newest first, a page
   * of it. Read filters are asked for each version; a path that they hide has no history.
   * @throws SKERRY_PATH_INVALID, SKERRY_RANGE_INVALID, SKERRY_ROUTE_CLOSED, SKERRY_FILTER_REFUSED
   * @throws SKERRY_HISTORY_UNAVAILABLE if the store keeps none
   */
  history(path: string, options: HistoryOptions = {}): Promise<PathVersions> {
    return this.#past.read(path, options)
  }

  /**
   * Writes the data of an earlier version again, as {@link State.set} does: filters, schema and conditions hold.
   * @throws SKERRY_VERSION_UNKNOWN if it is not kept, or not shown; SKERRY_VERSION_DELETED if it deleted the path
   * @throws what {@link State.history} and {@link State.set} throw
   */
  async restore(path: string, version: string, options: WriteOptions = {}): Promise<Entry> {
    return this.set(path, await this.versionData(path, version), options)
  }

  /**
   * The JSON text that a version of the path holds, as it was written: what {@link State.restore} writes again.
   * @throws SKERRY_VERSION_UNKNOWN, SKERRY_VERSION_DELETED, and what {@link State.history} throws
   */
  versionData(path: string, version: string): Promise<string> {
    return this.#past.dataOf(path, version)
  }

  /**
   * Lets go of what is kept of the past of a path, or of all that a glob matches; what they hold now stays.
   * @returns how many paths had a history
   * @throws SKERRY_PATH_INVALID, SKERRY_HISTORY_UNAVAILABLE, SKERRY_WRITE_FAILED
   */
  clearHistory(pattern: string): Promise<number> {
    return this.#past.clear(pattern)
  }

  /** Ends every subscription and the work of limits. Reads and writes end with the store. */
  close(): void {
    this.#unfollow()
    for (const keeper of this.#keepers) keeper.close()
    this.#live.close()
  }

  async #entry(request: WriteRequest, options: CommitOptions): Promise<Entry> {
    const result = await this.#write(request, options)
    return (result as { entry: Entry }).entry
  }

  async #write(request: WriteRequest, options: CommitOptions): Promise<WriteResult> {
    return reached(await this.perform(request, options))
  }

  #follow(store: Store): void {
    this.#unfollow = store.watch(({ changes }) => {
      for (const change of changes) {
        if (change.before === change.after) continue
        this.#rules.onChange(change)
        for (const keeper of this.#keepers) keeper.changed(change)
      }
    })
  }
}

/** Conditions, and what is to be waited for. */
function split<T extends WriteOptions>({
  commit,
  commitTimeoutMs,
  ...condition
}: T): [Omit<T, keyof CommitOptions>, CommitOptions] {
  return [condition, { commit, commitTimeoutMs }]
}
