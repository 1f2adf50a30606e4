import type { Entry } from '../core/entry.ts'

/** The order of lists: newest created first, ties by path. */
export function newestFirst(a: Entry, b: Entry): number {
  if (a.created !== b.created) return a.created > b.created ? -1 : 1
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

/** Up to so many entries are moved one by one; more in one pass over the list. */
const FEW = 8

/** An entry and its place in the list, 0 for the newest. */
export interface Placed {
  readonly entry: Entry
  readonly position: number
}

/** A list in the order of {@link newestFirst} that knows each entry's position. */
export class Timeline {
  /** Oldest first, so that the usual insertion, of the newest, moves nothing. */
  #entries: Entry[]
  readonly #byPath: Map<string, Entry>

  constructor(entries: readonly Entry[]) {
    this.#entries = [...entries].sort(oldestFirst)
    this.#byPath = new Map(entries.map((entry) => [entry.path, entry]))
  }

  get size(): number {
    return this.#entries.length
  }

  get(path: string): Entry | undefined {
    return this.#byPath.get(path)
  }

  /** Newest first. */
  map<T>(make: (entry: Entry) => T): T[] {
    const made: T[] = []
    for (let at = this.#entries.length - 1; at >= 0; at--) made.push(make(this.#entries[at]!))
    return made
  }

  /** The position of an entry that is in the list. */
  position(entry: Entry): number {
    return this.#entries.length - 1 - this.#search(entry)
  }

  /** Takes another version of an entry, created at the same time, in its place. */
  replace(entry: Entry): void {
    this.#entries[this.#search(entry)] = entry
    this.#byPath.set(entry.path, entry)
  }

  /** Removes entries. Their positions come highest first: so each holds when it is its turn to go. */
  remove(entries: readonly Entry[]): number[] {
    const positions = entries.map((entry) => this.position(entry)).sort((a, b) => b - a)
    for (const { path } of entries) this.#byPath.delete(path)
    if (entries.length <= FEW) {
      for (const entry of entries) this.#entries.splice(this.#search(entry), 1)
    } else {
      this.#entries = this.#entries.filter(({ path }) => this.#byPath.has(path))
    }
    return positions
  }

  /** Adds entries. Their positions come lowest first: so each holds when it is its turn to come. */
  add(entries: readonly Entry[]): Placed[] {
    for (const entry of entries) this.#byPath.set(entry.path, entry)
    if (entries.length <= FEW) {
      for (const entry of entries) this.#entries.splice(this.#search(entry), 0, entry)
    } else {
      // The sort finds two ordered runs, and merges them.
      this.#entries = this.#entries.concat([...entries].sort(oldestFirst)).sort(oldestFirst)
    }
    return entries
      .map((entry) => ({ entry, position: this.position(entry) }))
      .sort((a, b) => a.position - b.position)
  }

  /** Where the entry is, or would be. */
  #search(entry: Entry): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (oldestFirst(this.#entries[middle]!, entry) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function oldestFirst(a: Entry, b: Entry): number {
  return newestFirst(b, a)
}
