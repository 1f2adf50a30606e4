import type { Entry } from '../core/entry.ts'
import type { Changes, Contents } from './contents.ts'
import { looksLike } from './filters.ts'
import type { Reader } from './reader.ts'
import { newestFirst } from './timeline.ts'

/** What a view shows once its entries have gone through the read filters. */
export class FilteredContents implements Contents {
  readonly #reader: Reader
  readonly #inner: Contents
  /** What is stored, and what is shown of it; only where entries are compared with each other. */
  readonly #stored = new Map<string, Entry>()
  #shown = new Map<string, Entry>()

  /** @param make makes the contents of what is shown */
  constructor(
    reader: Reader,
    entries: readonly Entry[],
    make: (shown: readonly Entry[]) => Contents,
  ) {
    this.#reader = reader
    const shown = reader.all([...entries].sort(newestFirst))
    this.#inner = make(shown)
    if (!reader.comparesEntries) return
    for (const entry of entries) this.#stored.set(entry.path, entry)
    this.#shown = byPath(shown)
  }

  get characters(): number {
    return this.#inner.characters
  }

  apply(changes: Changes): string[] | undefined {
    const shown = this.#reader.comparesEntries ? this.#compared(changes) : this.#each(changes)
    return shown.size === 0 ? [] : this.#inner.apply(shown)
  }

  json(): string {
    return this.#inner.json()
  }

  #each(changes: Changes): Changes {
    const shown = new Map<string, Entry | undefined>()
    for (const [path, after] of changes) shown.set(path, after && this.#reader.one(after))
    return shown
  }

  /** One change may show or hide other entries, too. */
  #compared(changes: Changes): Changes {
    for (const [path, after] of changes) {
      if (after === undefined) this.#stored.delete(path)
      else this.#stored.set(path, after)
    }
    const now = byPath(this.#reader.all([...this.#stored.values()].sort(newestFirst)))
    const differences = new Map<string, Entry | undefined>()
    for (const path of this.#shown.keys()) if (!now.has(path)) differences.set(path, undefined)
    for (const [path, entry] of now) {
      if (!looksLike(this.#shown.get(path), entry)) differences.set(path, entry)
    }
    this.#shown = now
    return differences
  }
}

function byPath(entries: readonly Entry[]): Map<string, Entry> {
  return new Map(entries.map((entry) => [entry.path, entry]))
}
