import { type Entry, stampOf } from '../core/entry.ts'
import type { Held } from './layout.ts'
import type { Contest } from './store.ts'

/** True if one of the two was written here, and neither is made of the other. */
export function isContest(entry: Entry, { entry: held, from }: Held): boolean {
  return from === '' && (stampOf(entry) !== stampOf(held) || entry.origin !== held.origin)
}

/** Two versions that met, the held one written here. */
export function contest(entry: Entry, held: Held, wins: boolean): Contest {
  const [winner, loser] = wins ? [entry, held.entry] : [held.entry, entry]
  return { winner, loser, seq: held.seq }
}
