import { crc32 } from './hash.ts'
import { NodeRing } from './ring.ts'
import type { RingMember } from './ring.ts'
import { digestPoints, keyPoint } from './ketama.ts'

/** How a ring of points hashes nodes and keys. */
interface PointRule {
  /** `count` points of a node, unsigned 32-bit. */
  points(id: string, count: number): number[]
  /** Where on the ring a key lies. */
  hash(key: string): number
}

/**
 * The Go ring's rule: point i of a node is `crc32("<id>:<i>")`, a key lies at `crc32(key)`, both
 * with the IEEE polynomial. A mixed fleet of Go and Skerry nodes agrees on every owner.
 */
export const crc32Rule: PointRule = {
  points: (id, count) => Array.from({ length: count }, (_, index) => crc32(`${id}:${index}`)),
  hash: crc32,
}

/** The rule of libketama (Richard Jones, last.fm): four points from each MD5 of `"<id>-<i>"`. */
export const ketamaRule: PointRule = { points: digestPoints, hash: keyPoint }

/** Lookups start from the first point of the key's upper bits instead of from the middle. */
const INDEX_BITS = 16

/**
 * The classic consistent hash ring (Karger et al., 1997): nodes lie on a circle at several points
 * each, a key belongs to the first point at or after its own. Two nodes with the same point: the
 * smaller id has it. A weight multiplies a node's points and touches nobody else's.
 */
export class PointRing extends NodeRing {
  readonly #rule: PointRule
  readonly #virtualNodes: number
  #circle: Circle | undefined

  constructor(rule: PointRule, virtualNodes: number) {
    super()
    this.#rule = rule
    this.#virtualNodes = virtualNodes
  }

  getNode(key: string): string | undefined {
    const { points, owners, members } = (this.#circle ??= this.#build())
    if (points.length === 0) return undefined
    const at = this.#find(this.#rule.hash(key))
    return members[owners[at]!]!.id
  }

  protected *candidates(key: string): Iterable<RingMember> {
    const { points, owners, members } = (this.#circle ??= this.#build())
    const start = points.length === 0 ? 0 : this.#find(this.#rule.hash(key))
    const seen = new Set<number>()
    for (let step = 0; step < points.length && seen.size < members.length; step++) {
      const owner = owners[(start + step) % points.length]!
      if (seen.has(owner)) continue
      seen.add(owner)
      yield members[owner]!
    }
  }

  protected reset(): void {
    this.#circle = undefined
  }

  /** The index of the first point ≥ `hash`, wrapping to 0. */
  #find(hash: number): number {
    const { points, index } = this.#circle!
    const bucket = hash >>> (32 - INDEX_BITS)
    let low = index[bucket]!
    let high = index[bucket + 1]!
    while (low < high) {
      const middle = (low + high) >>> 1
      if (points[middle]! < hash) low = middle + 1
      else high = middle
    }
    return low === points.length ? 0 : low
  }

  #build(): Circle {
    const members = this.members.filter((member) => member.available)
    const pairs: [point: number, owner: number][] = []
    members.forEach(({ id, weight }, owner) => {
      const count = Math.max(1, Math.round(this.#virtualNodes * weight))
      for (const point of this.#rule.points(id, count)) pairs.push([point, owner])
    })
    pairs.sort(([pointA, ownerA], [pointB, ownerB]) => pointA - pointB || ownerA - ownerB)
    const points = Uint32Array.from(pairs, ([point]) => point)
    const owners = Uint32Array.from(pairs, ([, owner]) => owner)
    return { members, points, owners, index: indexOf(points) }
  }
}

interface Circle {
  readonly members: readonly RingMember[]
  /** Sorted. */
  readonly points: Uint32Array
  /** The owner of each point, as a position in `members`. */
  readonly owners: Uint32Array
  /** For each value of the upper bits: the first point that has at least these. */
  readonly index: Uint32Array
}

function indexOf(points: Uint32Array): Uint32Array {
  const buckets = 1 << INDEX_BITS
  const index = new Uint32Array(buckets + 1)
  let at = 0
  for (let bucket = 0; bucket <= buckets; bucket++) {
    while (at < points.length && points[at]! >>> (32 - INDEX_BITS) < bucket) at++
    index[bucket] = at
  }
  return index
}
