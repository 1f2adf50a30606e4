import type { Entry } from '../core/entry.ts'
import type { Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import { assertJson } from '../core/json.ts'
import { assertPattern, assertWritable, isGlob, MAX_PATH_LENGTH } from '../core/path.ts'
import type { Decide, Store, Write } from '../store/store.ts'
import { Live } from './live.ts'
import { applyMergePatch, mergeData } from './merge.ts'
import { applyOperations } from './operations.ts'
import type { Subscriber, Subscription } from './subscription.ts'
import { newestFirst } from './timeline.ts'

/** The most characters of one entry's data, by default. */
const DEFAULT_MAX_DATA_CHARACTERS = 10 * 1024 * 1024

/** What a {@link State} stands on. */
export interface StateOptions {
  readonly store: Store
  readonly env: Env
  /** The most characters that the data of one entry may have. Default 10,485,760. */
  readonly maxDataCharacters?: number
}

/**
 * How a patch is to be read: `merge`, members into members, nothing removed; `merge-patch`, RFC 7396;
 * `json-patch`, RFC 6902.
 */
export type PatchForm = 'merge' | 'merge-patch' | 'json-patch'

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
  readonly #env: Env
  readonly #live: Live
  readonly #maxDataCharacters: number
  #suffix = { epoch: '', digits: '' }

  constructor({ store, env, maxDataCharacters }: StateOptions) {
    this.#store = store
    this.#env = env
    this.#maxDataCharacters = maxDataCharacters ?? DEFAULT_MAX_DATA_CHARACTERS
    this.#live = new Live(store, env)
  }

  /** How many paths and globs are watched. */
  get watched(): number {
    return this.#live.size
  }

  /**
   * The entry at `path`, or undefined if nothing is stored there.
   * @throws SKERRY_PATH_INVALID if it is not a path, or a glob
   */
  async get(path: string): Promise<Entry | undefined> {
    assertPattern(path)
    if (isGlob(path)) throw skerryError('PATH_INVALID', path, 'a glob names many; list it instead')
    return this.#store.read(path)
  }

  /**
   * The entries that `glob` matches, newest created first, ties by path.
   * @throws SKERRY_PATH_INVALID
   */
  async list(glob: string): Promise<Entry[]> {
    assertPattern(glob)
    const { entries } = await this.#store.list(glob)
    return entries.sort(newestFirst)
  }

  /**
   * Creates or overwrites the entry at `path` with the JSON text `data`.
   * @returns the entry as written
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_JSON_INVALID, SKERRY_WRITE_FAILED
   */
  async set(path: string, data: string): Promise<Entry> {
    assertSingle(path, 'a glob names many; push to it')
    this.#assertData(data)
    return this.#write(path, () => data)
  }

  /**
   * Creates an entry with the JSON text `data` under a fresh index in place of the glob's `*`. Indexes
   * are letters and digits, sort by time of creation, and are unique across nodes.
   * @param glob ends in `*`, such as `users/*`
   * @returns the entry as written
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_JSON_INVALID, SKERRY_WRITE_FAILED
   */
  async push(glob: string, data: string): Promise<Entry> {
    assertWritable(glob)
    if (!isGlob(glob)) throw skerryError('PATH_INVALID', glob, 'a push goes to a glob like users/*')
    this.#assertData(data)
    const base = glob.slice(0, -1)
    if (base.length + INDEX_LENGTH > MAX_PATH_LENGTH) {
      throw skerryError('PATH_INVALID', glob, 'no index fits behind it; use a shorter glob')
    }
    const suffix = this.#indexSuffix()
    return this.#write(
      (stamp) => base + stamp.toString(16).padStart(16, '0') + suffix,
      () => data,
    )
  }

  /**
   * Changes the data at `path` by a patch, in one atomic step: patches of different members made at once all
   * land. What a patch does not touch keeps the digits it was written with.
   * @param patch JSON text
   * @returns the entry as written
   * @throws SKERRY_NOT_FOUND, SKERRY_PATCH_INVALID, SKERRY_PATCH_TEST_FAILED, SKERRY_DATA_TOO_LARGE
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_JSON_INVALID, SKERRY_WRITE_FAILED
   * @example
   * await state.patch('users/42', '{"name":"Ada"}')
   * await state.patch('users/42', '[{"op":"remove","path":"/phone"}]', 'json-patch')
   */
  async patch(path: string, patch: string, form: PatchForm = 'merge'): Promise<Entry> {
    assertSingle(path, 'a glob names many; patch one by one')
    assertData(patch)
    return this.#write(path, (held) => {
      if (held === undefined) throw skerryError('NOT_FOUND', path)
      return this.#patched(held.data!, patch, form)
    })
  }

  /**
   * Deletes the entry at a path, or all that a glob matches in one atomic step. An entry created while
   * the delete is under way may stay.
   * @returns how many were deleted
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_WRITE_FAILED
   */
  async delete(pattern: string): Promise<number> {
    assertWritable(pattern)
    const paths = isGlob(pattern) ? await this.#paths(pattern) : [pattern]
    const written = await this.#store.write(paths.map((path) => ({ path, decide: () => null })))
    return written.filter(({ changed }) => changed).length
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
    return this.#live.watch(pattern, subscriber, version)
  }

  /** Ends every subscription. Reads and writes end with the store. */
  close(): void {
    this.#live.close()
  }

  async #paths(glob: string): Promise<string[]> {
    const { entries } = await this.#store.list(glob)
    return entries.map(({ path }) => path)
  }

  async #write(path: Write['path'], decide: Decide): Promise<Entry> {
    const [written] = await this.#store.write([{ path, decide }])
    return written!.entry!
  }

  #patched(data: string, patch: string, form: PatchForm): string {
    const patched = patches[form](data, patch, this.#maxDataCharacters)
    this.#assertSize(patched)
    return patched
  }

  #assertData(data: string): void {
    assertData(data)
    this.#assertSize(data)
  }

  #assertSize(data: string): void {
    const max = this.#maxDataCharacters
    if (data.length > max) throw skerryError('DATA_TOO_LARGE', max)
  }

  /** Eight digits that tell this store's indexes from those of every other node and epoch. */
  #indexSuffix(): string {
    const { nodeId, epoch } = this.#store
    if (this.#suffix.epoch !== epoch) {
      this.#suffix = { epoch, digits: this.#env.hash(`${nodeId}\n${epoch}`).slice(0, 8) }
    }
    return this.#suffix.digits
  }
}

const patches: Record<PatchForm, (data: string, patch: string, max: number) => string> = {
  merge: mergeData,
  'merge-patch': (data, patch) => applyMergePatch(data, patch),
  'json-patch': applyOperations,
}

/** Checks a path that names one entry to write to. */
function assertSingle(path: string, whyNoGlob: string): void {
  assertWritable(path)
  if (isGlob(path)) throw skerryError('PATH_INVALID', path, whyNoGlob)
}

/** Characters of a fresh index: 16 of the stamp, 8 of the store. */
const INDEX_LENGTH = 24

const SURROGATE = /[\ud800-\udfff]/
const LONE_SURROGATE = /\p{Surrogate}/u

/** Data must be JSON that survives being encoded as UTF-8. */
function assertData(data: string): void {
  assertJson(data)
  if (SURROGATE.test(data) && LONE_SURROGATE.test(data)) {
    throw skerryError('JSON_INVALID', 'it holds half of a surrogate pair; escape it as \\ud8…')
  }
}
