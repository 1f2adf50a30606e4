import { createHash } from 'node:crypto'

/** An entry as the demo compares it. */
export interface ListedEntry {
  readonly path: string
  /** The newest of its times, in nanoseconds. */
  readonly stamp: bigint
  readonly data: unknown
}

/** What one node answered when it was asked for everything. */
export interface Listing {
  readonly entries: ReadonlyMap<string, ListedEntry>
  /** SHA-256 of the answer, byte by byte. */
  readonly digest: string
}

/**
 * Reads a list. Every node puts it in the same order, newest first and ties by path, and every
 * entry is the text it was written as: where nodes agree, their answers are equal to the byte.
 */
export function readListing(body: string): Listing {
  const wire = JSON.parse(quoteTimes(body)) as WireEntry[]
  const entries = wire.map(listed).map((entry) => [entry.path, entry] as const)
  return { entries: new Map(entries), digest: createHash('sha256').update(body).digest('hex') }
}

/** Reads a single entry. */
export function readEntry(body: string): ListedEntry {
  return listed(JSON.parse(quoteTimes(body)) as WireEntry)
}

interface WireEntry {
  readonly created: string
  readonly updated: string
  readonly path: string
  readonly data: unknown
}

function listed({ path, created, updated, data }: WireEntry): ListedEntry {
  const [first, last] = [BigInt(created), BigInt(updated)]
  return { path, stamp: first > last ? first : last, data }
}

/** Times are int64: as numbers, `JSON.parse` would round them. No country has members of these names. */
function quoteTimes(body: string): string {
  return body.replace(/"(created|updated)":(\d+)/g, '"$1":"$2"')
}
