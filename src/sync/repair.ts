import type { Hash } from '../core/entry.ts'
import type { Digest, DigestScope } from '../store/digest.ts'
import { DIGEST_BYTES, DIGEST_FANOUT, DIGEST_LEVELS, hashRange } from '../store/digest.ts'
import type { HashedEntry, Store } from '../store/store.ts'
import { freshOf, type IsSettled, packItems } from './items.ts'
import type { Compare, Compared, Entries, Items, Push, Pushed } from './messages.ts'

/** With at most so many entries below a node that differs, they are told one by one. */
const FEW_ITEMS = 16

/** Where the peer has more than so many, they are fetched in several stretches side by side. */
const MANY_ITEMS = 1000

/** The most entries of a stretch that one frame tells of. */
export const MAX_PAGE_ENTRIES = 1000

/** The most parents whose children one frame compares. */
const MAX_PARENTS = 512

/** How many stretches of hashes are exchanged at the same time. */
const CONCURRENCY = 8

/** A question before it has got its id. */
type Question<M> = Omit<M, 'id' | 'kind'>

/** What the other side of a repair brings: see the messages. */
export type Brought = Pick<Entries, 'entries' | 'fresh' | 'seq'>

/** What the repair needs of its link: to ask the peer, to merge, to tell how far it is. */
export interface RepairLink {
  compare(question: Question<Compare>): Promise<Compared>
  items(question: Question<Items>): Promise<Entries>
  push(question: Question<Push>): Promise<Pushed>
  merge(brought: Brought): Promise<void>
  /** True of a tombstone that the peer has acknowledged. */
  readonly isSettled: IsSettled
  /** Of the `total` entries that the peer has, this node now has about `done`. */
  progress(done: number, total: number): void
}

/** A stretch of path hashes: `from` ≤ hash < `to`. */
interface Stretch {
  readonly from: string
  readonly to: string
}

/**
 * Makes both sides of a link hold the same under one shared key. The node that opened the link
 * drives: level by level it has the peer compare digests, follows only the nodes that differ, and where few
 * entries are left both sides exchange what the other lacks. What agrees costs nothing, so a
 * repair that was cut off takes up where it stopped.
 *
 * After: Riak's anti-entropy (hash trees compared top down).
 */
export class Repair {
  readonly #store: Store
  readonly #link: RepairLink
  readonly #hash: Hash
  readonly #key: string
  /** The key's place in the list of shared keys. */
  readonly #index: number
  /** Tombstones go at their own time on each node: where the streams have carried them they are left out. */
  readonly #scope: DigestScope
  #total = 0

  constructor(
    store: Store,
    link: RepairLink,
    hash: Hash,
    shared: { readonly key: string; readonly index: number; readonly scope: DigestScope },
  ) {
    this.#store = store
    this.#link = link
    this.#hash = hash
    this.#key = shared.key
    this.#index = shared.index
    this.#scope = shared.scope
  }

  async run(): Promise<void> {
    const digest = await this.#store.digest(this.#key)
    let parents: readonly number[] = []
    for (let level = 0; level <= DIGEST_LEVELS; level++) {
      const differing = await this.#compare(digest, level, parents)
      if (level === 0) this.#total = differing[0]?.[1] ?? 0
      const deeper: number[] = []
      const stretches: Stretch[] = []
      for (const [index, theirs] of differing) {
        const mine = digest.count(level, index, this.#scope)
        const few = mine <= FEW_ITEMS || theirs === 0 || level === DIGEST_LEVELS
        if (!few) deeper.push(index)
        else if (theirs <= MANY_ITEMS || level === DIGEST_LEVELS) {
          stretches.push(hashRange(level, index))
        } else {
          for (const child of childrenOf(level + 1, [index])) {
            stretches.push(hashRange(level + 1, child))
          }
        }
      }
      await eachOf(stretches, CONCURRENCY, (stretch) => this.#exchange(digest, stretch))
      if (deeper.length === 0) return
      parents = deeper
    }
  }

  /** The nodes of the level that differ, below the parents that did, with the peer's counts. */
  async #compare(
    digest: Digest,
    level: number,
    parents: readonly number[],
  ): Promise<(readonly [index: number, count: number])[]> {
    const differing: (readonly [number, number])[] = []
    for (let at = 0; at === 0 || at < parents.length; at += MAX_PARENTS) {
      const some = parents.slice(at, at + MAX_PARENTS)
      const sums = packSums(digest, this.#scope, level, some)
      const live = this.#scope === 'live'
      const question = { key: this.#index, level, live, parents: some, sums }
      differing.push(...(await this.#link.compare(question)).differing)
    }
    return differing
  }

  /** Exchanges what either side lacks in a stretch of hashes, page by page. */
  async #exchange(digest: Digest, { from, to }: Stretch): Promise<void> {
    let next = from
    while (next < to) {
      const page = await this.#store.hashed(this.#key, next, to, MAX_PAGE_ENTRIES)
      const items = packItems(page.entries, this.#hash, this.#link.isSettled)
      const question = { key: this.#index, from: next, to: page.upTo, items }
      const answer = await this.#link.items(question)
      const wanted = new Set(answer.wanted)
      const pushed = page.entries.filter(({ hash }) => wanted.has(hash))
      await Promise.all([this.#link.merge(answer), this.#push(pushed)])
      this.#link.progress(digest.count(0, 0), this.#total)
      next = answer.upTo
    }
  }

  async #push(hashed: readonly HashedEntry[]): Promise<void> {
    if (hashed.length === 0) return
    const entries = hashed.map(({ entry }) => entry)
    const { seq } = this.#store
    const fresh = freshOf(this.#store, hashed)
    await this.#link.push({ key: this.#index, entries, fresh, seq })
  }
}

/** The digests of the children of the parents, one after the other; at level 0 of the root itself. */
function packSums(
  digest: Digest,
  scope: DigestScope,
  level: number,
  parents: readonly number[],
): Uint8Array {
  const nodes = childrenOf(level, parents)
  const sums = new Uint8Array(nodes.length * DIGEST_BYTES)
  nodes.forEach((index, i) => sums.set(digest.sum(level, index, scope), i * DIGEST_BYTES))
  return sums
}

/** The nodes of a level below the parents; at level 0 the root. */
export function childrenOf(level: number, parents: readonly number[]): number[] {
  if (level === 0) return [0]
  return parents.flatMap((parent) =>
    Array.from({ length: DIGEST_FANOUT }, (_, i) => parent * DIGEST_FANOUT + i),
  )
}

/** Runs `work` on each item, at most `limit` at a time; the first failure rejects. */
async function eachOf<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
}
