import { readStamp, readText, readTuple } from '../../core/codec.ts'
import { type Entry, stampOf } from '../../core/entry.ts'

/** A write that was held here: who made it, and when. */
export type Seen = readonly [origin: string, stamp: bigint]

/** The most writers of a path that are remembered, and the most writes of those without a name. */
const MAX_NAMED = 16
const MAX_NAMELESS = 16

/**
 * Tells whether a version that lost was known here before. A node stamps its writes in order, so whoever has one of
 * its writes needs none of its older ones. Peers of the pivot protocol name nobody: of theirs each is remembered.
 */
export class Witness {
  readonly #seen: Seen[]

  constructor(seen: readonly Seen[]) {
    this.#seen = [...seen]
  }

  /** @throws SKERRY_CODEC_INVALID */
  static read(value: unknown): Seen[] {
    return readTuple(value, 'writes').map((each) => {
      const [origin, stamp] = readTuple(each, 'write')
      return [readText(origin, 'origin'), readStamp(stamp, 'stamp')] as const
    })
  }

  get seen(): readonly Seen[] {
    return this.#seen
  }

  knows(entry: Entry): boolean {
    const stamp = stampOf(entry)
    return this.#seen.some(([origin, last]) => {
      if (origin !== entry.origin) return false
      return origin === '' ? last === stamp : last >= stamp
    })
  }

  /** Remembers a write; who wrote longest ago is forgotten first. */
  note(entry: Entry): void {
    if (this.knows(entry)) return
    const { origin } = entry
    if (origin !== '') {
      const at = this.#seen.findIndex(([other]) => other === origin)
      if (at !== -1) this.#seen.splice(at, 1)
    }
    this.#seen.push([origin, stampOf(entry)])
    this.#forget((each) => each === '', MAX_NAMELESS)
    this.#forget((each) => each !== '', MAX_NAMED)
  }

  #forget(kind: (origin: string) => boolean, most: number): void {
    const own = this.#seen.filter(([origin]) => kind(origin))
    if (own.length > most) this.#seen.splice(this.#seen.indexOf(own[0]!), 1)
  }
}
