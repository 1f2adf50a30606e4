import type { HashedEntry, Store } from '../store/store.ts'

/** Bounds of the entries that one frame of a repair carries. */
const MAX_PAGE_ENTRIES = 1000
const MAX_PAGE_CHARACTERS = 256 * 1024

/** How many entries are read at once: their data may be large. */
const READ_ENTRIES = 100

/** What a store holds in a stretch of hashes, as far as it fits in one frame. */
export interface Page {
  readonly entries: readonly HashedEntry[]
  /** Where the page ends: the stretch's end, or the hash at which the next page begins. */
  readonly upTo: string
}

/** Reads the entries of a key with `from` ≤ path hash < `to`, at most a page of them. */
export async function readPage(store: Store, key: string, from: string, to: string): Promise<Page> {
  const entries: HashedEntry[] = []
  let characters = 0
  let next = from
  for (;;) {
    const some = await store.hashed(key, next, to, READ_ENTRIES)
    for (const hashed of some) {
      entries.push(hashed)
      characters += hashed.entry.path.length + (hashed.entry.data?.length ?? 0)
    }
    if (some.length < READ_ENTRIES) return { entries, upTo: to }
    next = after(some.at(-1)!.hash)
    if (entries.length >= MAX_PAGE_ENTRIES || characters >= MAX_PAGE_CHARACTERS) {
      return { entries, upTo: next }
    }
  }
}

/** The least text above every key of the index that begins with the hash. */
function after(hash: string): string {
  return `${hash}~`
}
