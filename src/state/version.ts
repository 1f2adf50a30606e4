import { type Entry, type Hash, stampOf } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'

/** Before the name that a client gives itself, in the origin of what it wrote; no other origin has it. */
export const CLIENT_ORIGIN = 'client.'

/** The most origins whose digests are remembered. */
const MAX_ORIGINS = 1024

/**
 * What must be so for a write to be done: on what readers see at that very moment, no write comes in between.
 * Versions are those that entries are read with; `*` stands for any.
 */
export interface Condition {
  /** The entry must be there, in this version or one of these. */
  readonly ifMatch?: string | readonly string[]
  /** The entry must not be there in this version or one of these; with `*`, not at all. */
  readonly ifNoneMatch?: string | readonly string[]
}

/**
 * Names the versions of entries, so that equal names mean equal entries on every node: the stamp, and digits that
 * tell apart what several nodes stamped at the same moment.
 */
export class Versions {
  readonly #hash: Hash
  #digests = new Map<string, string>()

  constructor(hash: Hash) {
    this.#hash = hash
  }

  /** 24 hex digits. */
  of(entry: Entry): string {
    return stampOf(entry).toString(16).padStart(16, '0') + this.#digest(entry)
  }

  /** Who accepted the write, for readers: what a client calls itself, nobody else may know. */
  writerOf(entry: Entry): string {
    const { origin } = entry
    return origin.startsWith(CLIENT_ORIGIN) ? CLIENT_ORIGIN + this.#digest(entry) : origin
  }

  /**
   * @param held what readers see
   * @throws SKERRY_PRECONDITION_FAILED
   */
  assert(path: string, held: Entry | undefined, { ifMatch, ifNoneMatch }: Condition): void {
    const fits = ifMatch === undefined || this.names(ifMatch, held)
    if (fits && (ifNoneMatch === undefined || !this.names(ifNoneMatch, held))) return
    throw skerryError('PRECONDITION_FAILED', path, held && this.of(held))
  }

  /** True if the entry is there in one of the versions. */
  names(versions: string | readonly string[], held: Entry | undefined): boolean {
    if (held === undefined) return false
    if (versions === '*') return true
    const version = this.of(held)
    return typeof versions === 'string' ? versions === version : versions.includes(version)
  }

  #digest({ origin, data }: Entry): string {
    // The clocks of other protocols don't promise that a stamp is used once.
    if (origin === '') return this.#hash(data ?? '').slice(0, 8)
    let digest = this.#digests.get(origin)
    if (digest === undefined) {
      if (this.#digests.size === MAX_ORIGINS) this.#digests = new Map()
      this.#digests.set(origin, (digest = this.#hash(origin).slice(0, 8)))
    }
    return digest
  }
}

/** True if nothing is asked. */
export function isUnconditional({ ifMatch, ifNoneMatch }: Condition): boolean {
  return ifMatch === undefined && ifNoneMatch === undefined
}
