import { skerryError } from '../../core/errors.ts'
import { matches } from '../../core/path.ts'
import { heldKey, type Held, patternRange, visible } from '../layout.ts'
import type { Listing } from '../store.ts'
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
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const listed = await attemptListing(keyspace, pattern)
    if (listed !== undefined) return listed
  }
  throw skerryError('STORE_BUSY')
}

/** What readers see of one path, with the number at which they see it. */
export async function listingOfPath(keyspace: Keyspace, path: string): Promise<Listing> {
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
  for (let next = from; ; ) {
    const page = await keyspace.page({ from: next, to })
    for (const [, value] of page.items) take(parseHeld(value))
    if (first === undefined && page.last) return seenOf(found, page.seq)
    first ??= page
    if (page.last) break
    next = afterKey(page.items.at(-1)![0])
  }
  for (let seq = first.seq; ; ) {
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
