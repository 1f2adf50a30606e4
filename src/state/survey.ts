import { type Entry, stampOf } from '../core/entry.ts'
import type { Due, DueEntries, Removal } from './due.ts'
import { endOf, MAX_REMOVED_PER_STEP, type Retention } from './limit.ts'

/** Goes through all entries. */
export type Visit = (visitor: (entry: Entry) => void) => Promise<void>

/**
 * The entries that are to go by their age, found by a look at all of them. Nothing is kept in mind between two looks,
 * which are as far apart as `cleanupIntervalMs` says, however many entries there are.
 */
export class Survey implements DueEntries {
  readonly size = 0
  readonly #visit: Visit
  readonly #retention: Retention
  #soonest: bigint | undefined

  constructor(visit: Visit, retention: Retention) {
    this.#visit = visit
    this.#retention = retention
  }

  get soonest(): bigint | undefined {
    return this.#soonest
  }

  changed(): void {
    // The next look sees it.
  }

  removed(): void {
    // Likewise.
  }

  async at(now: bigint): Promise<Due> {
    const removals: Removal[] = []
    let soonest: bigint | undefined
    let more = false
    await this.#visit((entry) => {
      const end = endOf(entry, this.#retention)
      if (end === undefined) return
      if (end > now) {
        if (soonest === undefined || end < soonest) soonest = end
      } else if (removals.length < MAX_REMOVED_PER_STEP) {
        removals.push(removalOf(entry))
      } else {
        more = true
      }
    })
    this.#soonest = soonest
    return { removals, more }
  }
}

/** What was written since is another version, and stays. */
function removalOf(entry: Entry): Removal {
  const stamp = stampOf(entry)
  return { path: entry.path, isMeant: (held) => stampOf(held) === stamp }
}
