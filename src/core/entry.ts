import { jsonMembers, parseInt64 } from './json.ts'
import { skerryError } from './errors.ts'
import { lastSegment, pathFault } from './path.ts'

/** What a node may be called: 1 to 64 of `A-Za-z0-9_.-`. */
export const NODE_ID = /^[A-Za-z0-9_.-]{1,64}$/

/** One version of what is stored at a path: a value, or the tombstone of a deleted one. */
export interface Entry {
  /** Where it is stored, such as `users/42`. */
  readonly path: string
  /** When the path was first written: int64 nanoseconds since the Unix epoch; 0 in a tombstone. */
  readonly created: bigint
  /** When it was last overwritten or deleted; 0 on a first write. */
  readonly updated: bigint
  /** The id of the node that accepted the write; empty if it came from a peer of the pivot protocol. */
  readonly origin: string
  /** The value as the JSON text it came as; null in a tombstone. */
  readonly data: string | null
  /**
   * Set on a write that landed on a version kept aside because its stamp is too far in the future:
   * it had to be stamped above that version, and readers see it at once all the same.
   */
  readonly overrules?: true
}

/** Hashes a text; see `Env.hash`. */
export type Hash = (text: string) => string

/** The newest of an entry's times: what decides between two versions of a path. */
export function stampOf(entry: Entry): bigint {
  return entry.created > entry.updated ? entry.created : entry.updated
}

/** Characters of path and data: what caches and pages count. */
export function sizeOf({ path, data }: Entry): number {
  return path.length + (data?.length ?? 0)
}

export function isTombstone(entry: Entry): boolean {
  return entry.data === null
}

/** The tombstone that deletes `path` as of `stamp`. */
export function tombstone(path: string, stamp: bigint, origin: string): Entry {
  return { path, created: 0n, updated: stamp, origin, data: null }
}

/**
 * Orders two versions of one path: negative if `a` is older, positive if it is newer, 0 if they are
 * the same. Stamp, tombstone, origin and hash of the data decide, in this order; the two times come
 * last, so that the order is total over everything an entry holds. Hence every node
 * picks the same winner, in whatever order the versions arrive.
 */
export function compareVersions(a: Entry, b: Entry, hash: Hash): number {
  return (
    compare(stampOf(a), stampOf(b)) ||
    compare(isTombstone(a), isTombstone(b)) ||
    compare(a.origin, b.origin) ||
    (a.data === b.data ? 0 : compare(hash(a.data ?? ''), hash(b.data ?? ''))) ||
    compare(a.created, b.created) ||
    compare(a.updated, b.updated)
  )
}

function compare<T extends bigint | string | boolean>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** A fingerprint of the whole version, path included: 64 hex digits. Digests add these up. */
export function fingerprint(entry: Entry, hash: Hash): string {
  const { path, created, updated, origin, data } = entry
  return hash(`${path}\n${created}\n${updated}\n${origin}\n${data ?? ''}`)
}

/** The entry as clients and pivot peers read it; times are written in full. */
export function entryJson(entry: Entry): string {
  const { path, created, updated, data } = entry
  const index = lastSegment(path)
  return `{"created":${created},"updated":${updated},"index":"${index}","path":"${path}","data":${data}}`
}

/** What a subscription shows where nothing is stored. */
export const MISSING_ENTRY_JSON = '{"created":0,"updated":0,"index":"","data":{}}'

/**
 * Reads an entry that {@link entryJson} or a pivot peer wrote, exactly.
 * @param text JSON of the entry
 * @param path where it is stored, if the text may leave its path out
 * @param origin the node that accepted the write; empty for a pivot peer
 * @throws SKERRY_JSON_INVALID, SKERRY_PATH_INVALID
 */
export function parseEntry(text: string, path: string | undefined, origin: string): Entry {
  const members = jsonMembers(text)
  const named = members.get('path')
  const at = path ?? (named === undefined ? undefined : (JSON.parse(named) as unknown))
  if (typeof at !== 'string') throw skerryError('JSON_INVALID', 'an entry needs a path')
  const fault = pathFault(at)
  if (fault !== undefined) throw skerryError('PATH_INVALID', at, fault)
  const data = members.get('data')
  if (data === undefined) throw skerryError('JSON_INVALID', 'an entry needs data')
  const created = parseInt64(members.get('created') ?? '0')
  const updated = parseInt64(members.get('updated') ?? '0')
  return { path: at, created, updated, origin, data }
}
