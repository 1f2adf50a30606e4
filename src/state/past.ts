import type { Entry } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import { assertPattern, isGlob } from '../core/path.ts'
import type { HistoryPage, Store } from '../store/store.ts'
import { storedEntry } from './reader.ts'
import type { Rules } from './rules.ts'
import type { Versions } from './version.ts'

/** How to read a history. */
export interface HistoryOptions {
  /** The most versions to return, from 1 to 1,000. Default 100. */
  readonly limit?: number
  /** `next` of the page before. Default: from the newest on. */
  readonly before?: number
}

/** A version of a path: what it holds, or held once. */
export interface PathVersion {
  /** What {@link State.restore} takes, and what reads name as the entry's version. */
  readonly version: string
  /**
   * `current`: the path holds it. `superseded`: it did, until a later version came. `overruled`: it lost against one
   * whose writer did not know it, as far as this node can tell; maybe it was never held here.
   */
  readonly kind: 'current' | 'superseded' | 'overruled'
  /** The data is null in a version that deleted the path. */
  readonly entry: Entry
  /** The node that accepted the write, or `client.` and digits of one that was offline; empty for a pivot peer. */
  readonly writer: string
  /** When this node put it aside, in nanoseconds since the epoch; undefined while it is current. */
  readonly keptAt: bigint | undefined
}

/** A page of the versions of a path, newest first: in the order in which they were put aside here. */
export interface PathVersions {
  readonly versions: readonly PathVersion[]
  /** What to pass as `before` for the next page; left out if there is none. */
  readonly next?: number
}

/** How many versions one page has by default, and at most. */
const DEFAULT_PAGE = 100
export const MAX_HISTORY_PAGE = 1000

const VERSION = /^[0-9a-f]{24}$/

/** What a past is read from. */
export interface PastParts {
  readonly store: Store
  readonly rules: Rules
  readonly versions: Versions
}

/** What paths held before, as far as the store keeps it and the filters show it. */
export class Past {
  readonly #parts: PastParts

  constructor(parts: PastParts) {
    this.#parts = parts
  }

  /** See `State.history`. */
  async read(path: string, options: HistoryOptions = {}): Promise<PathVersions> {
    const { limit = DEFAULT_PAGE, before } = options
    assertOne(path)
    assertWhole('limit', limit, 1, MAX_HISTORY_PAGE)
    if (before !== undefined) assertWhole('before', before, 0, Number.MAX_SAFE_INTEGER)
    const { rules, store } = this.#parts
    rules.assertOpen(path, 'read')
    if (store.history === undefined) throw skerryError('HISTORY_UNAVAILABLE')
    if (rules.delaysReads) await rules.beforeRead(path)
    const range = before === undefined ? { limit } : { limit, before }
    const page = await store.history(path, range)
    const versions = this.#shown(path, page, before === undefined)
    if (versions === undefined) return { versions: [] }
    return page.next === undefined ? { versions } : { versions, next: page.next }
  }

  /**
   * The JSON text that was stored in a version.
   * @throws SKERRY_VERSION_UNKNOWN, SKERRY_VERSION_DELETED
   */
  async dataOf(path: string, version: string): Promise<string> {
    if (!VERSION.test(version)) throw skerryError('VERSION_UNKNOWN', path, version)
    let deleted = false
    let before: number | undefined
    do {
      const options = { limit: MAX_HISTORY_PAGE, ...(before !== undefined && { before }) }
      const page = await this.read(path, options)
      for (const { entry } of page.versions.filter((each) => each.version === version)) {
        // A rule's delete has the version of what it deletes.
        const { data } = storedEntry(entry)
        if (data !== null) return data
        deleted = true
      }
      before = page.next
    } while (before !== undefined)
    throw skerryError(deleted ? 'VERSION_DELETED' : 'VERSION_UNKNOWN', path, version)
  }

  /** Lets go of what is kept. See `State.clearHistory`. */
  async clear(pattern: string): Promise<number> {
    assertPattern(pattern)
    const { store } = this.#parts
    if (store.clearHistory === undefined) throw skerryError('HISTORY_UNAVAILABLE')
    return store.clearHistory(pattern)
  }

  /**
   * What the filters show. A path whose present they hide has no past either; and that something was deleted is told
   * only beside something that is shown.
   */
  #shown(
    path: string,
    { current, versions }: HistoryPage,
    first: boolean,
  ): PathVersion[] | undefined {
    const { rules } = this.#parts
    const reader = rules.reader(path)
    const show = (entry: Entry): Entry | undefined =>
      entry.data === null || reader === undefined ? entry : reader.all([entry])[0]
    const present = current && show(current)
    if (current !== undefined && present === undefined) return undefined
    const shown: PathVersion[] = versions.flatMap(({ entry, kind, keptAt }) => {
      const visible = show(entry)
      return visible === undefined ? [] : [this.#version(visible, kind, keptAt)]
    })
    if (first && present !== undefined) shown.unshift(this.#version(present, 'current', undefined))
    const told = reader === undefined || shown.some(({ entry }) => entry.data !== null)
    return told ? shown : []
  }

  #version(entry: Entry, kind: PathVersion['kind'], keptAt: bigint | undefined): PathVersion {
    const { versions } = this.#parts
    const stored = storedEntry(entry)
    return { version: versions.of(stored), kind, entry, writer: versions.writerOf(stored), keptAt }
  }
}

function assertOne(path: string): void {
  assertPattern(path)
  if (isGlob(path)) throw skerryError('PATH_INVALID', path, 'a glob names many; name one of them')
}

function assertWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw skerryError('RANGE_INVALID', name, value, `use a whole number from ${least} to ${most}`)
}
