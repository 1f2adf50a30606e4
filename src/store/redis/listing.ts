import { sizeOf } from '../../core/entry.ts'
import { skerryError } from '../../core/errors.ts'
import { isGlob, matches } from '../../core/path.ts'
import {
  afterHash,
  hashAndPath,
  type Held,
  heldKey,
  hashRange,
  patternRange,
  visible,
} from '../layout.ts'
import { type HashedEntry, type HashedPage, type Listing, MAX_PAGE_CHARACTERS } from '../store.ts'
import { afterKey, type KeyPage, type Keyspace, parseHeld } from './keyspace.ts'

/** How often a list is begun anew because versions kept aside were released meanwhile. */
const MAX_ATTEMPTS = 16

/**
 * What readers see of a path or glob, all at one moment: pages are read while others write, then what
 * changed since the first one is read again; the last page of that tells the moment.
 *
 * @throws SKERRY_REDIS_UNAVAILABLE, SKERRY_STORE_BUSY
 */
export async function listing(keyspace: Keyspace, pattern: string): Promise<Listing> {
  if (!isGlob(pattern)) return listingOfPath(keyspace, pattern)
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const listed = await attemptListing(keyspace, pattern)
    if (listed !== undefined) return listed
  }
  throw skerryError('STORE_BUSY')
}

/** What readers see of one path, with the number at which they see it. */
async function listingOfPath(keyspace: Keyspace, path: string): Promise<Listing> {
  const key = heldKey(path)
  const { items, seq } = await keyspace.page({ from: key, to: afterKey(key) })
  const entry = items.length === 0 ? undefined : visible(parseHeld(items[0]![1]))
  return { seq, entries: entry === undefined ? [] : [entry] }
}

async function attemptListing(keyspace: Keyspace, pattern: string): Promise<Listing | undefined> {
  const found = new Map<string, Held>()
  const take = (held: Held) => {
    if (matches(pattern, held.entry.path)) found.set(held.entry.path, held)
  }
  const { from, to } = patternRange(pattern)
  let first: KeyPage | undefined
  for (let next = from; ;) {
    const page = await keyspace.page({ from: next, to })
    for (const [, value] of page.items) take(parseHeld(value))
    if (first === undefined && page.last) return seenOf(found, page.seq)
    first ??= page
    if (page.last) break
    next = afterKey(page.items.at(-1)![0])
  }
  for (let seq = first.seq; ;) {
    const page = await keyspace.changes(seq, Infinity)
    page.changes.forEach(take)
    // A release has no new number: which entries it showed can't be told from the feed.
    if (page.released !== first.released) return undefined
    if (page.last) return seenOf(found, page.seq)
    seq = page.changes.at(-1)!.seq
  }
}

function seenOf(found: ReadonlyMap<string, Held>, seq: number): Listing {
  const entries = []
  for (const held of found.values()) {
    const entry = visible(held)
    if (entry !== undefined) entries.push(entry)
  }
  return { seq, entries }
}

/** The entries that a key covers with `from` ≤ path hash < `to`, in order of path hash; a page of them. */
export async function hashedPage(
  keyspace: Keyspace,
  key: string,
  { from, to, limit }: { readonly from: string; readonly to: string; readonly limit: number },
): Promise<HashedPage> {
  const entries: HashedEntry[] = []
  let full = false
  let characters = 0
  for await (const chunk of keyspace.scan(hashRange(from, to))) {
    for (const [indexKey, value] of chunk) {
      const { hash, path } = hashAndPath(indexKey)
      if (!matches(key, path)) continue
      // Paths of one hash share a page: the next one begins above it.
      const last = entries.at(-1)?.hash
      if (full && hash !== last) return { entries, upTo: afterHash(last!) }
      const { entry, seq } = parseHeld(value as Buffer)
      entries.push({ hash, entry, seq })
      characters += sizeOf(entry)
      full = entries.length >= limit || characters >= MAX_PAGE_CHARACTERS
    }
  }
  return { entries, upTo: to }
}
