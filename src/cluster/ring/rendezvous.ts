import { avalanche, murmur3 } from './hash.ts'
import { NodeRing } from './ring.ts'
import type { RingMember } from './ring.ts'

/**
 * Rendezvous hashing, highest random weight (Thaler and Ravishankar, 1996), with weights by the
 * logarithmic method (Schindelhauer and Schomaker, 2005): each node draws a score for each key, the
 * highest wins. A change of a node moves keys only to it or from it. A lookup asks every node: made
 * for up to about a hundred.
 */
export class RendezvousRing extends NodeRing {
  #contest: Contest | undefined

  getNode(key: string): string | undefined {
    return (this.#contest ??= new Contest(this.members)).winner(murmur3(key))?.id
  }

  protected candidates(key: string): Iterable<RingMember> {
    return (this.#contest ??= new Contest(this.members)).ranking(murmur3(key))
  }

  protected reset(): void {
    this.#contest = undefined
  }
}

/** The available ones of some members, ready to draw scores. */
export class Contest {
  readonly #members: readonly RingMember[]
  readonly #seeds: Uint32Array
  readonly #weights: Float64Array

  constructor(members: readonly RingMember[]) {
    this.#members = members.filter((member) => member.available)
    this.#seeds = Uint32Array.from(this.#members, ({ id }) => avalanche(murmur3(id)))
    this.#weights = Float64Array.from(this.#members, ({ weight }) => weight)
  }

  /** The member with the highest score; of equal scores the smaller id. */
  winner(hash: number): RingMember | undefined {
    let best = -1
    let bestScore = -1
    for (let at = 0; at < this.#seeds.length; at++) {
      const score = this.#score(hash, at)
      if (score <= bestScore) continue
      best = at
      bestScore = score
    }
    return this.#members[best]
  }

  /** All members, the highest score first. */
  ranking(hash: number): RingMember[] {
    return this.#members
      .map((member, at) => ({ member, score: this.#score(hash, at) }))
      .sort((a, b) => b.score - a.score)
      .map(({ member }) => member)
  }

  #score(hash: number, at: number): number {
    const draw = avalanche(Math.imul(hash, 0x9e3779b1) ^ this.#seeds[at]!)
    // The draw lies strictly between 0 and 1, so the logarithm is finite and below 0.
    return -this.#weights[at]! / Math.log((draw + 0.5) / 0x1_0000_0000)
  }
}
