import { type Entry, stampOf } from '../../core/entry.ts'
import { type Held, visible } from '../layout.ts'
import type { KeptVersion } from '../store.ts'

/** What one change means for the history of its path. */
export type Lot =
  | {
      readonly does: 'keep'
      readonly path: string
      readonly entry: Entry
      readonly kind: KeptVersion['kind']
      /** What it gave way to. */
      readonly by: Entry
      /** It was offered by somebody and lost at once: kept only if nobody had it here before. */
      readonly offered?: true
    }
  /** The tombstone of the path goes: its history is all that is left. */
  | { readonly does: 'outlive'; readonly path: string; readonly tombstone: Entry }
  /** Nothing of it is to be kept. */
  | { readonly does: 'clear'; readonly path: string }
  /** The path holds something again. */
  | { readonly does: 'return'; readonly path: string }

/** A record that takes the place of another one. */
export interface Replacement {
  readonly old: Held
  readonly record: Held
  /** True if who wrote the new version can't have known the old one. */
  readonly unseen: boolean
}

/** What a record leaves behind that takes the place of another one, oldest first. */
export function lotsOf({ old, record, unseen }: Replacement): Lot[] {
  const { entry: by } = record
  const { path } = by
  const leave = (entry: Entry | null, kind: KeptVersion['kind']): Lot[] =>
    entry === null ? [] : [{ does: 'keep', path, entry, kind, by }]
  const wasAside = old.shown !== undefined
  if (record.shown !== undefined) {
    // Readers go on seeing what they saw; only what they never saw, or a delete, is not held any more.
    if (wasAside) return leave(old.entry, 'overruled')
    return old.entry.data === null ? leave(old.entry, 'superseded') : []
  }
  if (!wasAside) return leave(old.entry, unseen ? 'overruled' : 'superseded')
  const released = old.entry === by
  const shown = leave(old.shown, 'superseded')
  return released ? shown : [...shown, ...leave(old.entry, 'overruled')]
}

/** True if the record deletes what readers saw by a rule: its tombstone has the stamp and origin of that. */
export function isInferred(record: Held, old: Held): boolean {
  const { entry } = record
  const seen = visible(old)
  if (entry.data !== null || seen === undefined) return false
  return stampOf(entry) === stampOf(seen) && entry.origin === seen.origin
}
