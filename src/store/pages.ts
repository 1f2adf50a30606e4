import { type Entry, sizeOf } from '../core/entry.ts'
import { isGlob, matches } from '../core/path.ts'
import type { Engine, EngineItem } from './engine.ts'
import * as layout from './layout.ts'
import { type FeedPage, type HashedEntry, type HashedPage, MAX_PAGE_CHARACTERS } from './store.ts'

/** Reads stretches of what lies in an engine, page by page. */
export class Pages {
  readonly #engine: Engine
  readonly #held: (path: string) => layout.Held | undefined

  /** @param held the durable record of a path */
  constructor(engine: Engine, held: (path: string) => layout.Held | undefined) {
    this.#engine = engine
    this.#held = held
  }

  /** What readers see of a path or glob, in no particular order. */
  async visit(pattern: string, visitor: (entry: Entry) => void): Promise<void> {
    if (!isGlob(pattern)) {
      const entry = layout.visible(this.#held(pattern))
      if (entry !== undefined) visitor(entry)
      return
    }
    for await (const chunk of this.#engine.scan(layout.patternRange(pattern))) {
      for (const [, value] of chunk) {
        const entry = layout.visible(layout.unpackHeld(value))
        if (entry !== undefined && matches(pattern, entry.path)) visitor(entry)
      }
    }
  }

  /** The changes after `seq` up to the newest. */
  async changes(seq: number, newest: number, limit: number): Promise<FeedPage> {
    const changes: layout.Held[] = []
    // Each record lists a change after `seq` at least.
    const range = { from: layout.seqKey(seq + 1), to: layout.seqKey(newest + 1), limit }
    let found = 0
    let characters = 0
    for await (const chunk of this.#engine.scan(range)) {
      for (const [upTo, path] of listedAfter(seq, chunk)) {
        const held = this.#held(path)
        found++
        // If the path has changed since, its newer change comes later in the feed.
        if (held?.seq === upTo) {
          changes.push(held)
          characters += sizeOf(held.entry)
        }
        if (found === limit || characters >= MAX_PAGE_CHARACTERS) return { changes, upTo }
      }
    }
    return { changes, upTo: newest }
  }

  /** The entries a key covers with `from` ≤ path hash < `to`. */
  async hashed(key: string, from: string, to: string, limit: number): Promise<HashedPage> {
    const entries: HashedEntry[] = []
    let characters = 0
    let full = false
    for await (const chunk of this.#engine.scan(layout.hashRange(from, to))) {
      for (const [indexKey] of chunk) {
        const { hash, path } = layout.hashAndPath(indexKey)
        if (!matches(key, path)) continue
        // Paths of one hash share a page: the next one begins above it.
        const last = entries.at(-1)?.hash
        if (full && hash !== last) return { entries, upTo: layout.afterHash(last!) }
        const held = this.#held(path)
        if (held === undefined) continue
        entries.push({ hash, entry: held.entry, seq: held.seq })
        characters += sizeOf(held.entry)
        full = entries.length >= limit || characters >= MAX_PAGE_CHARACTERS
      }
    }
    return { entries, upTo: to }
  }
}

/** What records of the changelog list after `seq`. */
function* listedAfter(seq: number, records: readonly EngineItem[]): Iterable<layout.Listed> {
  for (const [key, value] of records) {
    for (const change of layout.unpackListed(key, value)) if (change[0] > seq) yield change
  }
}
