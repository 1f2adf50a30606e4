import { avalanche, murmur3 } from './hash.ts'
import { NodeRing } from './ring.ts'
import type { RingMember } from './ring.ts'

/** Table size of the paper: a prime, more than 100 times the nodes it is made for. */
const TABLE_SIZE = 65_537

/**
 * Maglev hashing (Eisenbud et al., NSDI 2016; weights as in Envoy): each node fills the table along
 * its own permutation, in turns. Even to about one in a hundred, one table read a lookup; in return
 * a change of nodes also moves a few keys between nodes that stay.
 */
export class MaglevRing extends NodeRing {
  #table: { members: readonly RingMember[]; owners: Int32Array } | undefined

  getNode(key: string): string | undefined {
    const { members, owners } = (this.#table ??= this.#build())
    return members[owners[murmur3(key) % TABLE_SIZE]!]?.id
  }

  protected *candidates(key: string): Iterable<RingMember> {
    const { members, owners } = (this.#table ??= this.#build())
    const start = murmur3(key) % TABLE_SIZE
    const seen = new Set<number>()
    for (let step = 0; step < TABLE_SIZE && seen.size < members.length; step++) {
      const owner = owners[(start + step) % TABLE_SIZE]!
      if (seen.has(owner)) continue
      seen.add(owner)
      yield members[owner]!
    }
  }

  protected reset(): void {
    this.#table = undefined
  }

  #build(): { members: readonly RingMember[]; owners: Int32Array } {
    const members = this.members.filter((member) => member.available)
    const owners = new Int32Array(TABLE_SIZE).fill(-1)
    const heaviest = Math.max(...members.map((member) => member.weight))
    const walks = members.map(({ id, weight }) => new Walk(id, weight / heaviest))
    let free = members.length === 0 ? 0 : TABLE_SIZE
    for (let turn = 1; free > 0; turn++) {
      for (let owner = 0; owner < walks.length && free > 0; owner++) {
        const walk = walks[owner]!
        if (walk.taken >= turn * walk.share) continue
        owners[walk.next(owners)] = owner
        free--
      }
    }
    return { members, owners }
  }
}

/** One node's way through the table: a permutation of all its places. */
class Walk {
  readonly share: number
  taken = 0
  readonly #skip: number
  #at: number

  constructor(id: string, share: number) {
    const hash = murmur3(id)
    this.share = share
    this.#at = hash % TABLE_SIZE
    this.#skip = (avalanche(hash ^ 0x9e3779b9) % (TABLE_SIZE - 1)) + 1
  }

  /** The next place on the way that is still free. */
  next(owners: Int32Array): number {
    while (owners[this.#at] !== -1) this.#at = (this.#at + this.#skip) % TABLE_SIZE
    this.taken++
    return this.#at
  }
}
