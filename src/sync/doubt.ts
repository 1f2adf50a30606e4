import type { Entry } from '../core/entry.ts'
import { intersect, matches } from '../core/path.ts'
import type { Horizon, Position, Store } from '../store/store.ts'
import type { Changes, Hello } from './messages.ts'
import { heardOf, isItsEpoch } from './seen.ts'

/** The highest stamp collected under paths that the key covers too. */
export function horizonOf(horizons: readonly Horizon[], key: string): bigint {
  let highest = 0n
  for (const { key: other, stamp } of horizons) {
    if (stamp > highest && intersect(other, key) !== undefined) highest = stamp
  }
  return highest
}

/** The highest sequence number collected under paths that the key covers too. */
export function collectedTo(horizons: readonly Horizon[], key: string): number {
  const sharing = horizons.filter((each) => intersect(each.key, key) !== undefined)
  return Math.max(0, ...sharing.map(({ seq }) => seq))
}

/** Why a peer may lack deletes that this store has forgotten. */
export type Doubt = 'unknown' | 'fenced' | 'rewound'

/**
 * Whether what the peer offers under the key may undo deletes, and why: nothing is known of its epoch; or it
 * has less of this store's feed than was collected; or less than it once acknowledged.
 * @param named how far the peer says that it has merged this store's feed, in an epoch of this history
 */
export function doubtOf(
  store: Store,
  peer: Hello,
  key: string,
  named: Position | undefined,
): Doubt | undefined {
  const heard = heardOf(store, peer, key)
  const at = store.checkpoint(peer.nodeId, key)
  if (heard === undefined && (at === undefined || !isItsEpoch(peer, at.epoch))) return 'unknown'
  const said = heard?.seq ?? 0
  // As it begins an epoch a peer lets its checkpoints go: only of the present one it names what it acknowledged.
  const has = named?.seq ?? (heard?.epoch === peer.epoch ? 0 : said)
  if (has < said) return 'rewound'
  return has < collectedTo(store.horizons(), key) ? 'fenced' : undefined
}

/**
 * Keys under which one side of a link doubts the other, each until that itself holds what it takes in against the
 * horizons. Both sides count along.
 */
export class Doubts {
  readonly #doubts = new Map<string, { doubt: Doubt; stamp: bigint; until: number }>()

  /**
   * @param doubt why; the side that is doubted is not told
   * @param stamp the horizon that is to be taken over
   */
  begin(key: string, doubt: Doubt = 'unknown', stamp = 0n): void {
    this.#doubts.set(key, { doubt, stamp, until: Infinity })
  }

  of(key: string): Doubt | undefined {
    return this.#doubts.get(key)?.doubt
  }

  /**
   * What the peer merged after its change of number `seq` needs no more doubt, unless the horizon has risen since.
   * @param stamp the horizon that was taken over; left out by nodes that take over only the first
   */
  end(key: string, seq: number, stamp?: bigint): void {
    const doubt = this.#doubts.get(key)
    if (doubt !== undefined && (stamp === undefined || stamp >= doubt.stamp)) doubt.until = seq
  }

  /**
   * Paths of streamed entries that may undo a delete. What the peer wrote itself is new if nobody has heard of it; one
   * that was taken back does not know who has.
   * @param accepted those of the frame's entries that are taken in
   */
  paths(
    { since, entries, heard = [] }: Changes,
    accepted: readonly Entry[],
    peer: string,
  ): string[] {
    const keys = this.at(since)
    if (keys.length === 0) return []
    const old = new Set(heard.map((place) => entries[place]))
    const doubted = accepted.filter((entry) => {
      const isNew = entry.origin === peer && !old.has(entry)
      return keys.some((key) => matches(key, entry.path) && !(isNew && this.of(key) !== 'rewound'))
    })
    return doubted.map(({ path }) => path)
  }

  /** The keys under which a stretch of the peer's feed that begins at `since` is doubted. */
  at(since: number): string[] {
    for (const [key, { until }] of this.#doubts) if (since >= until) this.#doubts.delete(key)
    return [...this.#doubts.keys()]
  }
}
