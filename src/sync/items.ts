import { type Entry, fingerprint, type Hash, stampOf } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import type { HashedEntry } from '../store/store.ts'

// An item tells a peer which version a node has of a path, without the path: 8 bytes of the path's
// hash, 8 of the stamp, 4 of the fingerprint.

const ITEM_BYTES = 20

/** A version that a peer has. */
export interface Item {
  readonly stamp: bigint
  readonly print: number
}

export function packItems(entries: readonly HashedEntry[], hash: Hash): Uint8Array {
  const view = new DataView(new ArrayBuffer(entries.length * ITEM_BYTES))
  entries.forEach((hashed, i) => {
    const { stamp, print } = itemOf(hashed.entry, hash)
    view.setBigUint64(i * ITEM_BYTES, BigInt(`0x${hashed.hash}`))
    view.setBigInt64(i * ITEM_BYTES + 8, stamp)
    view.setUint32(i * ITEM_BYTES + 16, print)
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
    items.set(hash, { stamp: view.getBigInt64(at + 8), print: view.getUint32(at + 16) })
  }
  return items
}

export function itemOf(entry: Entry, hash: Hash): Item {
  return { stamp: stampOf(entry), print: parseInt(fingerprint(entry, hash).slice(0, 8), 16) }
}

/** Who has the newer version. With equal stamps but other contents both may: let the merge decide. */
export function newer(mine: Item, theirs: Item | undefined): { mine: boolean; theirs: boolean } {
  if (theirs === undefined) return { mine: true, theirs: false }
  if (mine.stamp !== theirs.stamp) {
    return { mine: mine.stamp > theirs.stamp, theirs: mine.stamp < theirs.stamp }
  }
  const differ = mine.print !== theirs.print
  return { mine: differ, theirs: differ }
}
