import { pack } from '../core/codec.ts'
import { type Hash, stampOf } from '../core/entry.ts'
import { pathHash } from './digest.ts'
import type { EngineOp } from './engine.ts'
import { asideKey, hashKey, type Held, heldKey, packHeld, tombstoneKey } from './layout.ts'

const NOTHING = new Uint8Array(0)

/** The steps that put a record in the place of the old one, with all that points to it but the changelog. */
export function recordOps(held: Held, old: Held | undefined, hash: Hash): EngineOp[] {
  const { path } = held.entry
  const ops: EngineOp[] = [{ key: heldKey(path), value: packHeld(held) }]
  if (old === undefined) ops.push({ key: hashKey(pathHash(path, hash), path), value: NOTHING })
  if (old !== undefined && old.seq !== held.seq && old.entry.data === null) {
    ops.push({ key: tombstoneKey(old.seq, path) })
  }
  if (held.entry.data === null) {
    ops.push({ key: tombstoneKey(held.seq, path), value: pack(stampOf(held.entry)) })
  }
  if (old?.shown !== undefined) ops.push({ key: asideKey(stampOf(old.entry), path) })
  if (held.shown !== undefined) {
    ops.push({ key: asideKey(stampOf(held.entry), path), value: NOTHING })
  }
  return ops
}

/** The steps that remove a tombstone, with all that points to it but the changelog. */
export function collectionOps({ entry: { path }, seq }: Held, hash: Hash): EngineOp[] {
  const keys = [heldKey(path), hashKey(pathHash(path, hash), path), tombstoneKey(seq, path)]
  return keys.map((key) => ({ key }))
}
