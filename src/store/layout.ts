import {
  entryTuple,
  pack,
  type Packable,
  readCount,
  readEntry,
  readStamp,
  readText,
  readTuple,
  unpack,
} from '../core/codec.ts'
import type { Entry } from '../core/entry.ts'
import { depthOf, EVERYTHING, literalPrefix, MAX_SEGMENTS } from '../core/path.ts'
import type { EngineOp, EngineRange } from './engine.ts'

// How a store lies in its engine. One letter tells the kind of key:
//
//   e <depth> <path>          the record of a path
//   s <seq>                   the changelog: changes up to that number, each with its path; see `changelog.ts`
//   h <path hash> <path>      the index by hash, for repair
//   a <stamp> <path>          paths whose newest version is kept aside until that time
//   o <stamp> <path>          versions kept aside that a later write overruled
//   c <peer> <key>            checkpoints: how far a peer's feed is merged here
//   k <peer> <key>            acknowledgements: how far a peer merged this feed
//   n<name>                   notes: small records of other protocols
//   t <seq> <path>            tombstones, in the order of the feed
//   z <key>                   horizons: what is left of collected tombstones
//   w <path>                  versions withheld until an operator decides
//   u, v, y                   history, which `archive/record.ts` lays out
//   m…                        format, identity, clock, how much the changelog lists
//
// The depth before the path makes `users/*` one stretch of keys, whatever lies deeper.

/** The version of this layout. A store of a higher one is refused. */
export const FORMAT = 2

export const FORMAT_KEY = 'mformat'
export const IDENTITY_KEY = 'midentity'
export const CLOCK_KEY = 'mclock'
export const CHANGELOG_KEY = 'mchangelog'

/**
 * What a version that was written here took the place of. It was made knowing all of that, so it stays above it when
 * it gets a lower stamp; see `Group.restamp`. Of a version of a peer: the delete above it that was forgotten here, over
 * which the next write has to be.
 */
export interface Replaced {
  /** The highest stamp of what others have, as far as this node knew; 0 if there was nothing. */
  readonly known: bigint
  /** Of versions of this node that nobody was known to have: the lowest number and the highest stamp. */
  readonly own?: { readonly seq: number; readonly stamp: bigint }
}

/** What a store holds for a path. */
export interface Held {
  /** The newest version, tombstones included: what feed, digest and peers know. */
  readonly entry: Entry
  readonly seq: number
  /** The peer it came from; empty if written here. */
  readonly from: string
  /** While the newest version is kept aside: what readers see instead (null: nothing). */
  readonly shown?: Entry | null
  /** What it took the place of, or what was deleted after it and forgotten here. */
  readonly replaced?: Replaced | undefined
}

/** What readers see of it. */
export function visible(held: Held | undefined): Entry | undefined {
  if (held === undefined) return undefined
  if (held.shown !== undefined) return held.shown ?? undefined
  return held.entry.data === null ? undefined : held.entry
}

export function heldKey(path: string): string {
  return `e${depthKey(depthOf(path))}${path}`
}

export function seqKey(seq: number): string {
  return `s${seq.toString(16).padStart(14, '0')}`
}

/** A change that the changelog lists. */
export type Listed = readonly [seq: number, path: string]

/** A record of the changelog. */
export function listedOp(changes: readonly Listed[]): EngineOp {
  return { key: seqKey(changes.at(-1)![0]), value: pack(changes.flat()) }
}

/** What a record of the changelog lists. */
export function unpackListed(key: string, value: Uint8Array): Listed[] {
  const found = unpack(value)
  // Format 1 had a record for each change, and its number only in the key.
  if (typeof found === 'string') return [[parseInt(key.slice(1), 16), found]]
  const fields = readTuple(found, 'changes')
  const changes: Listed[] = []
  for (let at = 0; at < fields.length; at += 2) {
    changes.push([readCount(fields[at], 'sequence'), readText(fields[at + 1], 'path')])
  }
  return changes
}

export function hashKey(hash: string, path: string): string {
  return `h${hash}${path}`
}

/** Splits a key of the index by hash. */
export function hashAndPath(key: string): { hash: string; path: string } {
  return { hash: key.slice(1, HASH_KEY_PATH), path: key.slice(HASH_KEY_PATH) }
}

/** The stretch of the index by hash with `from` ≤ path hash < `to`. */
export function hashRange(from: string, to: string): EngineRange {
  return { from: `h${from}`, to: `h${to}` }
}

/** The least text above every key of the index that begins with the hash. */
export function afterHash(hash: string): string {
  return `${hash}~`
}

/** Where the hash ends and the path begins in a key of the index by hash. */
const HASH_KEY_PATH = 17

export function asideKey(stamp: bigint, path: string): string {
  return `a${stampKey(stamp)}${path}`
}

/** Where the stamp ends and the path begins in a key of a version kept aside. */
export const ASIDE_KEY_PATH = 17

export function overruledKey(stamp: bigint, path: string): string {
  return `o${stampKey(stamp)}${path}`
}

export function tombstoneKey(seq: number, path: string): string {
  return `t${seq.toString(16).padStart(14, '0')}${path}`
}

/** Splits a key of the index of tombstones. */
export function seqAndPath(key: string): { seq: number; path: string } {
  return {
    seq: parseInt(key.slice(1, TOMBSTONE_KEY_PATH), 16),
    path: key.slice(TOMBSTONE_KEY_PATH),
  }
}

const TOMBSTONE_KEY_PATH = 15

export function horizonKey(key: string): string {
  return `z${key}`
}

export function withheldKey(path: string): string {
  return `w${path}`
}

export function checkpointKey(peer: string, key: string): string {
  return `c${peer} ${key}`
}

export function acknowledgementKey(peer: string, key: string): string {
  return `k${peer} ${key}`
}

export function noteKey(name: string): string {
  return `n${name}`
}

/** Splits what follows the letter in a checkpoint's or acknowledgement's key. */
export function peerAndKey(key: string): [peer: string, key: string] {
  const space = key.indexOf(' ')
  return [key.slice(1, space), key.slice(space + 1)]
}

/** Every key that begins with `prefix`. */
export function prefixRange(prefix: string): EngineRange {
  return { from: prefix, to: `${prefix}\x7f` }
}

/** The stretches of records in which all matches of the pattern lie. */
export function patternRange(pattern: string): EngineRange {
  if (pattern === EVERYTHING) return { from: 'e', to: 'f' }
  const prefix = `e${depthKey(depthOf(pattern))}${literalPrefix(pattern)}`
  return prefixRange(prefix)
}

/** Stands for the version that readers see where that is the newest one. */
const NOT_ASIDE = false

export function packHeld({ entry, seq, from, shown, replaced }: Held): Uint8Array {
  const tuple: Packable[] = [entryTuple(entry), seq, from]
  if (shown !== undefined) tuple.push(shown === null ? null : entryTuple(shown))
  if (replaced !== undefined) {
    if (shown === undefined) tuple.push(NOT_ASIDE)
    tuple.push(replacedTuple(replaced))
  }
  return pack(tuple)
}

export function unpackHeld(bytes: Uint8Array): Held {
  const [entry, seq, from, shown, replaced] = readTuple(unpack(bytes), 'record')
  const held = {
    entry: readEntry(entry),
    seq: readCount(seq, 'sequence'),
    from: readText(from, 'peer'),
    ...(replaced !== undefined && { replaced: readReplaced(replaced) }),
  }
  if (shown === undefined || shown === NOT_ASIDE) return held
  return { ...held, shown: shown === null ? null : readEntry(shown) }
}

export function replacedTuple({ known, own }: Replaced): Packable {
  return own === undefined ? [known] : [known, own.seq, own.stamp]
}

/** @throws SKERRY_CODEC_INVALID */
export function readReplaced(value: unknown): Replaced {
  const [known, seq, stamp] = readTuple(value, 'replaced')
  const replaced = { known: readStamp(known, 'stamp') }
  if (seq === undefined) return replaced
  return {
    ...replaced,
    own: { seq: readCount(seq, 'sequence'), stamp: readStamp(stamp, 'stamp') },
  }
}

function depthKey(depth: number): string {
  return depth.toString().padStart(MAX_SEGMENTS.toString().length, '0')
}

/** Stamps as keys have them: in their order. */
export function stampKey(stamp: bigint): string {
  return stamp.toString(16).padStart(16, '0')
}
