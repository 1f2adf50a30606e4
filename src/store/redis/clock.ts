import { HybridClock } from '../../core/hlc.ts'

/** A row of stamps that the commit script has set aside for one group. */
export interface Grant {
  readonly first: bigint
  readonly count: number
}

/** A request needs more stamps than were granted; it is run again with the next group. */
export class StampsSpent extends Error {}

/**
 * The clock as one group sees it. At first a group is stamped with what this server believes is above
 * every stamp of the node; if another server was quicker, the commit script grants it a row of stamps
 * that no other gets, and it is run once more with those.
 */
export class GroupClock extends HybridClock {
  readonly #clock: HybridClock
  readonly #grant: Grant | undefined
  #first: bigint | undefined
  #observed = 0n
  #minted = 0

  constructor(clock: HybridClock, grant: Grant | undefined) {
    super(() => clock.time(), 0n)
    this.#clock = clock
    this.#grant = grant
  }

  /** The lowest stamp minted, if it still has to be compared with the mark. */
  get first(): bigint | undefined {
    return this.#grant === undefined ? this.#first : undefined
  }

  get minted(): number {
    return this.#minted
  }

  override get mark(): bigint {
    return this.#clock.mark
  }

  override time(): bigint {
    return this.#clock.time()
  }

  /** @throws StampsSpent */
  override next(): bigint {
    const grant = this.#grant
    if (grant !== undefined && this.#minted >= grant.count) throw new StampsSpent()
    const stamp = grant === undefined ? this.#clock.next() : grant.first + BigInt(this.#minted)
    // What the group itself merged before may be above the stamps it was granted.
    if (stamp <= this.#observed) throw new StampsSpent()
    this.#minted++
    this.#first ??= stamp
    return stamp
  }

  override observe(stamp: bigint): void {
    if (stamp > this.#observed && !this.isAhead(stamp)) this.#observed = stamp
    this.#clock.observe(stamp)
  }

  override horizon(): bigint {
    return this.#clock.horizon()
  }
}
