import BTreeModule from 'sorted-btree'
import type { Entry } from '../core/entry.ts'
import type { Due, DueEntries, Removal } from './due.ts'
import { endOfAge, type Limit, MAX_REMOVED_PER_STEP } from './limit.ts'
import type { Visit } from './survey.ts'

const BTree = BTreeModule.default

/** An entry's place: when it was created, ties by path. */
interface Rank {
  readonly path: string
  readonly created: bigint
}

/**
 * The entries that a limit counts, in the order of their creation. It goes through the store once and follows the
 * changes from then on, so an eviction costs the same however many entries there are. It holds path and time of
 * each: as many as the limit lets stay.
 */
export class Ranking implements DueEntries {
  readonly #visit: Visit
  readonly #limit: Limit
  /** Oldest first. */
  readonly #ranks = new BTree<Rank, undefined>(undefined, oldestFirst)
  readonly #created = new Map<string, bigint>()
  #filled = false
  /** What changed while the store was gone through; undefined if it is not. */
  #early: Map<string, Entry | undefined> | undefined

  constructor(visit: Visit, limit: Limit) {
    this.#visit = visit
    this.#limit = limit
  }

  get size(): number {
    return this.#created.size
  }

  get soonest(): bigint | undefined {
    const { maxAgeMs } = this.#limit
    const oldest = this.#ranks.minKey()
    if (maxAgeMs === undefined || oldest === undefined) return undefined
    return endOfAge(oldest.created, maxAgeMs)
  }

  changed(path: string, after: Entry | undefined): void {
    if (this.#early !== undefined) this.#early.set(path, after)
    else if (this.#filled) this.#take(path, after?.created)
  }

  removed({ path, isMeant }: Removal): void {
    const created = this.#created.get(path)
    // It may have been created anew meanwhile.
    if (created !== undefined && isMeant({ created } as Entry)) this.#take(path, undefined)
  }

  async at(now: bigint, count: number): Promise<Due> {
    if (!this.#filled) await this.#fill()
    const expired = this.#expired(now)
    const excess = Math.max(0, this.size - expired.length - count)
    const outnumbered = this.#outnumbered(expired.length, Math.min(excess, MAX_REMOVED_PER_STEP))
    const more = excess > outnumbered.length || expired.length === MAX_REMOVED_PER_STEP
    return { removals: [...expired, ...outnumbered].map(removalOf), more }
  }

  async #fill(): Promise<void> {
    const early = (this.#early = new Map<string, Entry | undefined>())
    try {
      await this.#visit(({ path, created }) => this.#take(path, created))
      for (const [path, after] of early) this.#take(path, after?.created)
      this.#filled = true
    } finally {
      this.#early = undefined
    }
  }

  #take(path: string, created: bigint | undefined): void {
    const before = this.#created.get(path)
    if (before === created) return
    if (before !== undefined) this.#ranks.delete({ path, created: before })
    if (created === undefined) {
      this.#created.delete(path)
      return
    }
    this.#created.set(path, created)
    this.#ranks.set({ path, created }, undefined)
  }

  #expired(now: bigint): Rank[] {
    const { maxAgeMs } = this.#limit
    const expired: Rank[] = []
    if (maxAgeMs === undefined) return expired
    for (const rank of this.#ranks.keys()) {
      if (expired.length === MAX_REMOVED_PER_STEP || endOfAge(rank.created, maxAgeMs) > now) break
      expired.push(rank)
    }
    return expired
  }

  /** The first ones to go, behind those that go for their age. */
  #outnumbered(expired: number, most: number): Rank[] {
    if (most === 0) return []
    if (this.#limit.order !== 'asc') return take(this.#ranks.keys(), expired, most)
    return take(keysOf(this.#ranks.entriesReversed()), 0, most)
  }
}

function removalOf({ path, created }: Rank): Removal {
  return { path, isMeant: (held) => held.created === created }
}

function oldestFirst(a: Rank, b: Rank): number {
  if (a.created !== b.created) return a.created < b.created ? -1 : 1
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

function take(ranks: Iterable<Rank>, from: number, most: number): Rank[] {
  const taken: Rank[] = []
  let at = 0
  for (const rank of ranks) {
    if (at++ < from) continue
    taken.push(rank)
    if (taken.length === most) break
  }
  return taken
}

function* keysOf(entries: Iterable<[Rank, undefined]>): Iterable<Rank> {
  for (const [rank] of entries) yield rank
}
