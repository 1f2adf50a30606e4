import type { Entry } from '../../core/entry.ts'
import type { EngineOp } from '../engine.ts'
import type { Held } from '../layout.ts'
import type { Archive } from './archive.ts'
import type { Lot } from './lot.ts'

/** What one group leaves to history, in the order in which it does so. */
export class Legacy {
  readonly #archive: Archive | undefined
  readonly #lots: Lot[] = []

  /** @param archive undefined: there is no history to keep */
  constructor(archive: Archive | undefined) {
    this.#archive = archive
  }

  /** How many lots there are; those that came later are dropped again by setting it. */
  get size(): number {
    return this.#lots.length
  }

  set size(size: number) {
    this.#lots.length = size
  }

  keeps(path: string): boolean {
    return this.#archive?.keeps(path) === true
  }

  /** The record takes the place of the old one. */
  replace(old: Held | undefined, record: Held): void {
    if (this.#archive === undefined || old === undefined) return
    this.#lots.push(...this.#archive.lots(old, record))
  }

  /** The version lost against the one held, as soon as it was offered. */
  offer(entry: Entry, { entry: by }: Held): void {
    const { path } = entry
    if (!this.keeps(path)) return
    this.#lots.push({ does: 'keep', path, entry, kind: 'overruled', by, offered: true })
  }

  /** The tombstone goes. */
  outlive(tombstone: Entry): void {
    if (this.#archive === undefined) return
    this.#lots.push({ does: 'outlive', path: tombstone.path, tombstone })
  }

  /** Nothing is to be kept of the path. */
  clear(path: string): void {
    this.#lots.push({ does: 'clear', path })
  }

  /** The path holds something again. */
  return(path: string): void {
    this.#lots.push({ does: 'return', path })
  }

  ops(): EngineOp[] {
    return this.#archive?.ops(this.#lots) ?? []
  }
}
