import { entryFault } from '../core/codec.ts'
import type { Entry } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import { matches } from '../core/path.ts'

/** An entry that a peer sent and this node must not take. */
export interface RefusedEntry {
  readonly path: string
  readonly why: string
}

/** The refused entries that a status names; it counts them all. */
const REFUSED_NAMED = 10

/** Sorts out what this node must not take of a peer's entries. */
export class Refused {
  readonly named: RefusedEntry[] = []
  count = 0

  /**
   * What this node takes; the rest is named in the status.
   * @throws SKERRY_LINK_PROTOCOL if an entry is not under the keys
   */
  acceptable(entries: readonly Entry[], keys: readonly string[]): readonly Entry[] {
    return entries.filter((entry) => {
      const { path } = entry
      if (!keys.some((key) => matches(key, path))) {
        throw skerryError('LINK_PROTOCOL', `'${path}' is not shared`)
      }
      const why = entryFault(entry)
      if (why === undefined) return true
      this.count++
      if (this.named.length < REFUSED_NAMED) this.named.push({ path, why })
      return false
    })
  }
}
