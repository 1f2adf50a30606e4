/** What is known of a leader's list at the last pull that was in order. */
export interface PullRecord {
  /** The leader's `lastEntry` then. */
  readonly lastEntry: bigint
  /** This store's sequence number then. */
  readonly seq: number
  /** Up to where the leader had acknowledged this store's feed before that pull. */
  readonly cursor: number
  /** The leader lost something since, and not all of it has been pushed again. */
  readonly rewound: boolean
}

/** What a pull has found. */
export interface Sighting {
  readonly lastEntry: bigint
  /** How many entries the leader lists. */
  readonly listed: number
  /** True if one of them was in the list of the last pull in order, and is unchanged. */
  readonly hasWitness: boolean
  /** The highest stamp of what is missing in the list although the leader acknowledged it; none: nothing is. */
  readonly missing: bigint | undefined
}

/**
 * - `fine`: nothing is missing
 * - `deleted`: what is missing was deleted at the leader
 * - `rewound`: the leader lost it; it is to be pushed again
 */
export type Verdict = 'fine' | 'deleted' | 'rewound'

/**
 * Tells a leader that deleted from one that forgot. Go leaders keep their state in memory by default, so a
 * restart empties them; an entry that is missing then means nothing. It was deleted only if the leader's
 * `lastEntry` never went back and the list still holds a witness of the last pull, or is empty under a `lastEntry`
 * above everything seen.
 */
export function judgeAbsence(record: PullRecord | undefined, sighting: Sighting): Verdict {
  const { lastEntry, listed, hasWitness, missing } = sighting
  if (missing === undefined) return 'fine'
  if (record === undefined || record.rewound || lastEntry < record.lastEntry) return 'rewound'
  if (hasWitness) return 'deleted'
  const isEmptyAbove = listed === 0 && lastEntry > missing && lastEntry > record.lastEntry
  return isEmptyAbove ? 'deleted' : 'rewound'
}
