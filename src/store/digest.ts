import { type Entry, fingerprint, type Hash } from '../core/entry.ts'

/** Levels below the root; each node has 16 children, so there are 16^4 = 65,536 leaves. */
export const DIGEST_LEVELS = 4

/** Children of a node, and so the hex digits of a path's hash are the way down to its leaf. */
export const DIGEST_FANOUT = 16

/** Bytes of one node's digest on the link. */
export const DIGEST_BYTES = 8

/** The hash of a path decides its place in the digest and in the store's index by hash. */
export function pathHash(path: string, hash: Hash): string {
  return hash(path).slice(0, 16)
}

/** What a digest is asked about: everything, or only what is not deleted. */
export type DigestScope = 'all' | 'live'

/**
 * A hash tree over the newest version, tombstones included, of every path that a key covers. Two
 * stores with equal roots hold the same; where they differ, the way down costs in proportion to the
 * differences, not to the collection.
 *
 * A node's digest is the sum of its entries' fingerprints (two lanes of 32 bits, each wrapping), so
 * one change costs one subtraction and one addition a level, in whatever order changes come.
 *
 * After: Merkle trees as Riak uses them for anti-entropy, made additive.
 */
export class Digest {
  readonly #hash: Hash
  readonly #all = new Sums()
  /** Kept apart, since tombstones go at their own time on each node. */
  readonly #live = new Sums()

  constructor(hash: Hash) {
    this.#hash = hash
  }

  add(entry: Entry): void {
    this.#change(entry, 1)
  }

  remove(entry: Entry): void {
    this.#change(entry, -1)
  }

  /** How many entries stand below the node. */
  count(level: number, index: number, scope: DigestScope = 'all'): number {
    return this.#of(scope).counts[firstNode(level) + index]!
  }

  /** The digest of the node, as {@link DIGEST_BYTES} bytes. */
  sum(level: number, index: number, scope: DigestScope = 'all'): Uint8Array {
    const at = (firstNode(level) + index) * 2
    const { sums } = this.#of(scope)
    const bytes = new DataView(new ArrayBuffer(DIGEST_BYTES))
    bytes.setUint32(0, sums[at]!)
    bytes.setUint32(4, sums[at + 1]!)
    return new Uint8Array(bytes.buffer)
  }

  /** Digest and count of the root, as text: equal if and only if two stores hold the same. */
  root(scope: DigestScope = 'all'): string {
    const { sums, counts } = this.#of(scope)
    return `${hex32(sums[0]!)}${hex32(sums[1]!)}-${counts[0]!}`
  }

  #of(scope: DigestScope): Sums {
    return scope === 'all' ? this.#all : this.#live
  }

  #change(entry: Entry, sign: 1 | -1): void {
    const leaf = parseInt(pathHash(entry.path, this.#hash).slice(0, DIGEST_LEVELS), 16)
    const print = fingerprint(entry, this.#hash)
    const high = sign * parseInt(print.slice(0, 8), 16)
    const low = sign * parseInt(print.slice(8, 16), 16)
    for (let level = 0; level <= DIGEST_LEVELS; level++) {
      const node = firstNode(level) + (leaf >>> (4 * (DIGEST_LEVELS - level)))
      this.#all.add(node, high, low, sign)
      if (entry.data !== null) this.#live.add(node, high, low, sign)
    }
  }
}

/** Sum and count of each node. */
class Sums {
  readonly sums = new Uint32Array(firstNode(DIGEST_LEVELS + 1) * 2)
  readonly counts = new Uint32Array(firstNode(DIGEST_LEVELS + 1))

  add(node: number, high: number, low: number, count: number): void {
    this.sums[node * 2]! += high
    this.sums[node * 2 + 1]! += low
    this.counts[node]! += count
  }
}

/** The first and the last path hash below a node (the last one left out). */
export function hashRange(level: number, index: number): { from: string; to: string } {
  if (level === 0) return { from: '0', to: 'g' }
  const from = index.toString(16).padStart(level, '0')
  const next = index + 1
  const to = next === DIGEST_FANOUT ** level ? 'g' : next.toString(16).padStart(level, '0')
  return { from, to }
}

/** Nodes lie level by level in one array: 1, then 16, 256, 4,096 and 65,536 of them. */
const FIRST_NODES = [0, 1, 17, 273, 4369, 69905]

function firstNode(level: number): number {
  return FIRST_NODES[level]!
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}
