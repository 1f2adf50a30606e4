import { fingerprint, type Hash, stampOf } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import type { HashedEntry, Store } from '../store/store.ts'

// An item tells a peer which version a node has of a path, without the path: 8 bytes of the path's
// hash, 8 of the stamp, 4 of the fingerprint. The last bit of these says that the version is a tombstone which
// the peer has acknowledged: who has nothing at the path has collected it, and needs it no more.

const ITEM_BYTES = 20

/** A version that a peer has. */
export interface Item {
  readonly stamp: bigint
  readonly print: number
  readonly settled: boolean
}

/** Tells of a tombstone whether the peer has acknowledged it. */
export type IsSettled = (hashed: HashedEntry) => boolean

export function packItems(
  entries: readonly HashedEntry[],
  hash: Hash,
  isSettled: IsSettled,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(entries.length * ITEM_BYTES))
  entries.forEach((hashed, i) => {
    const { stamp, print, settled } = itemOf(hashed, hash, isSettled)
    view.setBigUint64(i * ITEM_BYTES, BigInt(`0x${hashed.hash}`))
    view.setBigInt64(i * ITEM_BYTES + 8, stamp)
    view.setUint32(i * ITEM_BYTES + 16, print + (settled ? 1 : 0))
  })
  return new Uint8Array(view.buffer)
}

/** Path hash → item. */
export function unpackItems(bytes: Uint8Array): Map<string, Item> {
  if (bytes.length % ITEM_BYTES !== 0) {
    throw skerryError('CODEC_INVALID', `items should be ${ITEM_BYTES} bytes each`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const items = new Map<string, Item>()
  for (let at = 0; at < bytes.length; at += ITEM_BYTES) {
    const hash = view.getBigUint64(at).toString(16).padStart(16, '0')
    const last = view.getUint32(at + 16)
    const settled = last % 2 === 1
    items.set(hash, {
      stamp: view.getBigInt64(at + 8),
      print: settled ? last - 1 : last,
      settled,
    })
  }
  return items
}

export function itemOf(hashed: HashedEntry, hash: Hash, isSettled: IsSettled): Item {
  const { entry } = hashed
  const print = parseInt(fingerprint(entry, hash).slice(0, 8), 16)
  return {
    stamp: stampOf(entry),
    print: print - (print % 2),
    settled: entry.data === null && isSettled(hashed),
  }
}

/** Who has the newer version. With equal stamps but other contents both may: let the merge decide. */
export function newer(mine: Item, theirs: Item | undefined): { mine: boolean; theirs: boolean } {
  if (theirs === undefined) return { mine: !mine.settled, theirs: false }
  if (mine.stamp !== theirs.stamp) {
    return { mine: mine.stamp > theirs.stamp, theirs: mine.stamp < theirs.stamp }
  }
  const differ = mine.print !== theirs.print
  return { mine: differ, theirs: differ }
}

/** The places of this node's own writes that nobody has acknowledged. */
export function freshOf(store: Store, found: readonly HashedEntry[]): number[] {
  return found.flatMap(({ entry: { path, origin }, seq }, place) =>
    origin === store.nodeId && !store.wasAcknowledged(path, seq) ? [place] : [],
  )
}
