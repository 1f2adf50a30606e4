import {
  entryTuple,
  pack,
  readCount,
  readEntry,
  readStamp,
  readText,
  readTuple,
  unpack,
} from '../../core/codec.ts'
import { stampKey } from '../layout.ts'
import type { KeptVersion } from '../store.ts'
import { type Seen, Witness } from './witness.ts'

// What is kept of a path lies under three kinds of key:
//
//   u<path>                  which places are taken, and what else must be known to decide
//   v<path> <place>          one kept version
//   y<stamp><path>           paths of which nothing but history is left, by the stamp of their delete

/** What is known of the history of a path without reading its versions. */
export interface Shelf {
  /** The place of the oldest kept version. */
  readonly first: number
  /** The place that the next one gets. */
  readonly next: number
  /** What the kept ones take. */
  readonly bytes: number
  /** The stamp of the delete that is forgotten, if nothing is held at the path; 0 if it may hold something. */
  readonly gone: bigint
  /** Whose writes were held here. */
  readonly seen: readonly Seen[]
}

export const EMPTY_SHELF: Shelf = { first: 0, next: 0, bytes: 0, gone: 0n, seen: [] }

export function shelfKey(path: string): string {
  return `u${path}`
}

export function keptKey(path: string, place: number): string {
  return `v${path} ${place.toString(16).padStart(14, '0')}`
}

export function goneKey(stamp: bigint, path: string): string {
  return `y${stampKey(stamp)}${path}`
}

/** The path in a key of one of which only history is left. */
export function pathOfGone(key: string): string {
  return key.slice(GONE_KEY_PATH)
}

export function stampOfGone(key: string): bigint {
  return BigInt(`0x${key.slice(1, GONE_KEY_PATH)}`)
}

const GONE_KEY_PATH = 17

export function packShelf({ first, next, bytes, gone, seen }: Shelf): Uint8Array {
  return pack([first, next, bytes, gone, seen])
}

/** @throws SKERRY_CODEC_INVALID */
export function unpackShelf(packed: Uint8Array): Shelf {
  const [first, next, bytes, gone, seen] = readTuple(unpack(packed), 'history')
  return {
    first: readCount(first, 'place'),
    next: readCount(next, 'place'),
    bytes: readCount(bytes, 'bytes'),
    gone: readStamp(gone, 'stamp'),
    seen: Witness.read(seen),
  }
}

export function packKept({ entry, kind, keptAt }: Omit<KeptVersion, 'place'>): Uint8Array {
  return pack([kind, keptAt, entryTuple(entry)])
}

/** @throws SKERRY_CODEC_INVALID */
export function unpackKept(place: number, bytes: Uint8Array): KeptVersion {
  const [kind, keptAt, entry] = readTuple(unpack(bytes), 'kept version')
  return {
    place,
    kind: readText(kind, 'kind') === 'overruled' ? 'overruled' : 'superseded',
    keptAt: readStamp(keptAt, 'time'),
    entry: readEntry(entry),
  }
}
