import { NOBODY, rebalance } from '../table.ts'
import { murmur3 } from './hash.ts'
import { Contest } from './rendezvous.ts'
import { NodeRing } from './ring.ts'
import type { RingMember } from './ring.ts'

/** The slot of a key, from 0 to `slots - 1`: the upper part of its MurmurHash3. */
export function slotOf(key: string, slots: number): number {
  return Math.floor((murmur3(key) / 0x1_0000_0000) * slots)
}

/**
 * A fixed number of slots and a table slot → node that changes as little as possible. The most even
 * of all rings and the cheapest to ask; its table depends on its history, so what it says is shared
 * (as the cluster does) rather than computed by everyone alone.
 */
export class SlotRing extends NodeRing {
  #owners: string[]
  readonly #balanceFactor: number
  #stale = false
  #contest: Contest | undefined

  constructor(slots: number, balanceFactor: number) {
    super()
    this.#owners = new Array<string>(slots).fill(NOBODY)
    this.#balanceFactor = balanceFactor
  }

  getNode(key: string): string | undefined {
    if (this.#stale) this.#rebalance()
    return this.#owners[slotOf(key, this.#owners.length)] || undefined
  }

  /** The table: slot → id, `''` while there is no node. */
  get table(): readonly string[] {
    if (this.#stale) this.#rebalance()
    return this.#owners
  }

  protected candidates(key: string): Iterable<RingMember> {
    const slot = slotOf(key, this.#owners.length)
    this.#contest ??= new Contest(this.members)
    return ownerFirst(this.table[slot]!, slot, this.#contest)
  }

  protected reset(): void {
    this.#stale = true
    this.#contest = undefined
  }

  #rebalance(): void {
    const available = this.members.filter((member) => member.available)
    this.#owners = rebalance(this.#owners, available, this.#balanceFactor)
    this.#stale = false
  }
}

/** The owner of a slot, then everybody else in an order drawn for the slot. */
export function ownerFirst(owner: string, slot: number, contest: Contest): RingMember[] {
  const ranking = contest.ranking(murmur3(`slot ${slot}`))
  const first = ranking.filter(({ id }) => id === owner)
  return [...first, ...ranking.filter(({ id }) => id !== owner)]
}
