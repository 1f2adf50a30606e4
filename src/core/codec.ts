import { Packr } from 'msgpackr'
import { type Entry, NODE_ID } from './entry.ts'
import { skerryError } from './errors.ts'
import { isReserved, pathFault } from './path.ts'

// MessagePack tuples: half the size of JSON, exact 64-bit integers, and fast. What comes from a disk
// or a peer is checked field by field, because a decoder accepts far more than we mean.

const packr = new Packr({ useRecords: false, int64AsType: 'bigint', moreTypes: false })

/** What travels: numbers are safe integers or floats, bigints are 64 bits. */
export type Packable = null | boolean | number | bigint | string | Uint8Array | readonly Packable[]

export function pack(value: Packable): Uint8Array {
  return packr.pack(value)
}

/** @throws SKERRY_CODEC_INVALID if the bytes are not one value */
export function unpack(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes)
  } catch (error) {
    throw skerryError('CODEC_INVALID', String(error))
  }
}

/** The entry as a tuple, for the disk and the link. */
export function entryTuple(entry: Entry): Packable[] {
  const { path, created, updated, origin, data } = entry
  const tuple: Packable[] = [path, created, updated, origin, data]
  if (entry.overrules) tuple.push(true)
  return tuple
}

/**
 * Reads what {@link entryTuple} wrote, checked.
 * @throws SKERRY_CODEC_INVALID if a field has the wrong type or range
 */
export function readEntry(value: unknown): Entry {
  const [path, created, updated, origin, data, overrules] = readTuple(value, 'entry')
  const entry = {
    path: readText(path, 'path'),
    created: readStamp(created, 'created'),
    updated: readStamp(updated, 'updated'),
    origin: readText(origin, 'origin'),
    data: data === null ? null : readText(data, 'data'),
  }
  return overrules === true ? { ...entry, overrules } : entry
}

/** Why a node must not take this entry from a peer, or undefined if it may. */
export function entryFault(entry: Entry): string | undefined {
  const fault = pathFault(entry.path)
  if (fault !== undefined) return fault
  if (isReserved(entry.path)) return 'its first segment is reserved'
  if (entry.origin !== '' && !NODE_ID.test(entry.origin)) return 'its origin is not a node id'
  if (entry.created < 0n || entry.updated < 0n) return 'its times are negative'
  if (entry.data === null) return undefined
  try {
    JSON.parse(entry.data)
    return undefined
  } catch {
    return 'its data is not JSON'
  }
}

export function readTuple(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value as unknown[]
  throw skerryError('CODEC_INVALID', `${what} should be a tuple`)
}

export function readText(value: unknown, what: string): string {
  if (typeof value === 'string') return value
  throw skerryError('CODEC_INVALID', `${what} should be text`)
}

export function readBytes(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw skerryError('CODEC_INVALID', `${what} should be bytes`)
}

/** A count or sequence number: a safe integer, not negative. */
export function readCount(value: unknown, what: string): number {
  const count = typeof value === 'bigint' ? Number(value) : value
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count
  throw skerryError('CODEC_INVALID', `${what} should be a whole number`)
}

/** An int64 in nanoseconds; small ones travel as ordinary integers. */
export function readStamp(value: unknown, what: string): bigint {
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  throw skerryError('CODEC_INVALID', `${what} should be a stamp`)
}
