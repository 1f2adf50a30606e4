import { stampOf } from '../../core/entry.ts'
import type { Engine, EngineOp } from '../engine.ts'
import type { KeptVersion } from '../store.ts'
import type { Lot } from './lot.ts'
import { type HistoryPolicy, MAX_HISTORY_BYTES } from './policy.ts'
import {
  EMPTY_SHELF,
  goneKey,
  keptKey,
  packKept,
  packShelf,
  type Shelf,
  shelfKey,
  unpackKept,
  unpackShelf,
} from './record.ts'
import { Witness } from './witness.ts'

const NOTHING = new Uint8Array(0)

/** What an archive needs of its store. */
export interface ArchiveParts {
  readonly engine: Pick<Engine, 'get' | 'scan'>
  readonly policy: HistoryPolicy
  /** Wall time in nanoseconds. */
  time(): bigint
}

/** The stamp below which versions of the path are too old to be shown or kept. */
export function oldestOf(parts: ArchiveParts, path: string): bigint {
  const maxAge = parts.policy.maxAgeNs(path)
  return maxAge === undefined ? 0n : parts.time() - maxAge
}

/** The changes of one atomic write to the archive; each sees what those before it did. */
export class Step {
  readonly #parts: ArchiveParts
  readonly #shelves = new Map<string, Shelf>()
  readonly #ops = new Map<string, Uint8Array | undefined>()

  constructor(parts: ArchiveParts) {
    this.#parts = parts
  }

  ops(): EngineOp[] {
    return Array.from(this.#ops, ([key, value]) => (value === undefined ? { key } : { key, value }))
  }

  take(lot: Lot): void {
    switch (lot.does) {
      case 'keep':
        return this.#keep(lot)
      case 'outlive':
        return this.#outlive(lot)
      case 'clear':
        return this.#clear(lot.path)
      case 'return':
        return this.#return(lot.path)
    }
  }

  #keep({ path, entry, kind, by, offered }: Lot & { does: 'keep' }): void {
    const shelf = this.#shelf(path)
    const witness = new Witness(shelf.seen)
    if (offered === true) {
      witness.note(by)
      if (witness.knows(entry)) return
    }
    witness.note(entry)
    witness.note(by)
    const added = this.#added(path, { ...shelf, seen: witness.seen }, { entry, kind })
    this.#set(path, this.#trimmed(path, added))
  }

  #outlive({ path, tombstone }: Lot & { does: 'outlive' }): void {
    let shelf = this.#shelf(path)
    if (shelf === EMPTY_SHELF) return
    if (shelf.gone !== 0n) this.#ops.set(goneKey(shelf.gone, path), undefined)
    const gone = stampOf(tombstone)
    this.#ops.set(goneKey(gone, path), NOTHING)
    if (this.#parts.policy.versions(path) > 0) {
      const version = { entry: tombstone, kind: 'superseded' } as const
      shelf = this.#trimmed(path, this.#added(path, shelf, version))
    }
    this.#set(path, { ...shelf, gone })
  }

  #clear(path: string): void {
    const { first, next, gone } = this.#shelf(path)
    for (let place = first; place < next; place++) this.#ops.set(keptKey(path, place), undefined)
    if (gone !== 0n) this.#ops.set(goneKey(gone, path), undefined)
    this.#ops.set(shelfKey(path), undefined)
    this.#shelves.set(path, EMPTY_SHELF)
  }

  #return(path: string): void {
    const shelf = this.#shelf(path)
    if (shelf.gone === 0n) return
    this.#ops.set(goneKey(shelf.gone, path), undefined)
    this.#set(path, { ...shelf, gone: 0n })
  }

  #added(path: string, shelf: Shelf, version: Pick<KeptVersion, 'entry' | 'kind'>): Shelf {
    const value = packKept({ ...version, keptAt: this.#parts.time() })
    this.#ops.set(keptKey(path, shelf.next), value)
    return { ...shelf, next: shelf.next + 1, bytes: shelf.bytes + value.length }
  }

  /** Lets go of the oldest: of those beyond the number and the bytes that are allowed, and of what is too old. */
  #trimmed(path: string, shelf: Shelf): Shelf {
    const most = this.#parts.policy.versions(path)
    let { first, bytes } = shelf
    const { next } = shelf
    const oldest = oldestOf(this.#parts, path)
    while (first < next) {
      const key = keptKey(path, first)
      const value = this.#ops.get(key) ?? this.#parts.engine.get(key)
      const kept = next - first
      const tooMuch = kept > most || (bytes > MAX_HISTORY_BYTES && kept > 1)
      if (!tooMuch && (oldest === 0n || !isOlder(value, oldest))) break
      this.#ops.set(key, undefined)
      bytes -= value?.length ?? 0
      first++
    }
    return { ...shelf, first, bytes }
  }

  #shelf(path: string): Shelf {
    const staged = this.#shelves.get(path)
    if (staged !== undefined) return staged
    const packed = this.#parts.engine.get(shelfKey(path))
    return packed === undefined ? EMPTY_SHELF : unpackShelf(packed)
  }

  #set(path: string, shelf: Shelf): void {
    this.#shelves.set(path, shelf)
    this.#ops.set(shelfKey(path), packShelf(shelf))
  }
}

function isOlder(value: Uint8Array | undefined, oldest: bigint): boolean {
  return value !== undefined && stampOf(unpackKept(0, value).entry) < oldest
}
