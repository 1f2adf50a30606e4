import type { Entry } from '../core/entry.ts'
import { type Checkpoint, type Merged, type Position, SEEN, type Store } from '../store/store.ts'
import type { Changes } from './messages.ts'

/**
 * The stream of one peer's changes into this store. A checkpoint is written in the same atomic step
 * as the changes that it covers, so it never runs ahead of what is merged. A key under repair has no
 * checkpoint until the repair is done.
 */
export class Incoming {
  readonly #store: Store
  readonly #peerId: string
  readonly #keys: readonly string[]
  /** This store's epoch when the link began. */
  readonly #ownEpoch: string
  readonly #at: Omit<Position, 'seq'>
  readonly #repairing: Set<string>
  /** Up to where changes have arrived. */
  #received: number
  /** Up to where they are durable here. */
  #merged: number
  /** Up to where the checkpoints are durable. */
  #saved: number
  /** The furthest that the peer was seen. */
  #seen: number
  /** Entries that arrived while a merge is under way; the next merge takes them together. */
  #waiting: Entry[] = []
  /** What of these may undo a delete; horizons may rise while they wait. */
  #doubted: (() => readonly string[])[] = []
  #merging: Promise<Merged | undefined> = Promise.resolve(undefined)
  #next: Promise<Merged | undefined> | undefined

  /**
   * @param at the peer's epoch and run
   * @param ownEpoch this store's epoch when the link began
   * @param start where its stream begins
   * @param repairing the shared keys that can't be taken up where they were left
   */
  constructor(
    store: Store,
    peerId: string,
    keys: readonly string[],
    stream: {
      at: Omit<Position, 'seq'>
      ownEpoch: string
      start: number
      repairing: Iterable<string>
    },
  ) {
    this.#store = store
    this.#peerId = peerId
    this.#keys = keys
    this.#ownEpoch = stream.ownEpoch
    this.#at = stream.at
    this.#repairing = new Set(stream.repairing)
    this.#received = stream.start
    this.#merged = stream.start
    this.#saved = stream.start
    this.#seen = stream.start
  }

  /** Up to where the peer's changes are durable here. */
  get merged(): number {
    return this.#merged
  }

  /** The shared keys under repair. */
  get repairing(): ReadonlySet<string> {
    return this.#repairing
  }

  /**
   * The peer told of something when its newest change was number `seq`. Returns what to keep together with that:
   * no checkpoint covers what a repair brings, and yet it is never sent back.
   */
  saw(seq: number): Checkpoint {
    this.#seen = Math.max(this.#seen, seq)
    return this.#checkpoint(SEEN, this.#seen)
  }

  /** True if the changes follow on those before. */
  follows({ since, upTo }: Changes): boolean {
    return since === this.#received && upTo >= since
  }

  /**
   * Merges changes that follow; resolves once they and their checkpoint are durable, to what came of them and of
   * those that were merged with them.
   * @param doubted looks for paths of entries that may undo a delete
   */
  merge(
    entries: readonly Entry[],
    upTo: number,
    doubted: () => readonly string[],
  ): Promise<Merged | undefined> {
    this.#received = upTo
    this.#waiting.push(...entries)
    this.#doubted.push(doubted)
    this.#next ??= this.#mergeAfter(this.#merging)
    return this.#next
  }

  /**
   * Merges what has arrived once the merge before is durable. One at a time: if it fails, nothing later may
   * write a checkpoint, which would then cover what was lost.
   */
  async #mergeAfter(before: Promise<unknown>): Promise<Merged | undefined> {
    await before
    this.#merging = this.#next!
    this.#next = undefined
    const entries = this.#waiting
    const upTo = this.#received
    const doubted = new Set(this.#doubted.flatMap((paths) => paths()))
    this.#waiting = []
    this.#doubted = []
    const checkpoints = this.#checkpoints(upTo)
    // What is acknowledged is never ahead of the checkpoint: a peer that names less was taken back.
    const merged =
      entries.length > 0
        ? await this.#store.merge(entries, { peer: this.#peerId, checkpoints, doubted })
        : await this.#store.saveCheckpoints(checkpoints).then(() => undefined)
    this.#saved = Math.max(this.#saved, upTo)
    this.#merged = upTo
    return merged
  }

  /** Resolves once all that arrived is merged, or could not be. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#next ?? this.#merging])
  }

  /** The repair of a key is done, so what was merged of the stream covers it. */
  async repaired(key: string): Promise<void> {
    this.#repairing.delete(key)
    await this.#save()
  }

  /** Keeps progress that no change carried. */
  async saveProgress(): Promise<void> {
    if (this.#merged > this.#saved) await this.#save()
  }

  async #save(): Promise<void> {
    const upTo = this.#merged
    await this.#store.saveCheckpoints(this.#checkpoints(upTo))
    this.#saved = Math.max(this.#saved, upTo)
  }

  #checkpoints(seq: number): Checkpoint[] {
    const covered = this.#keys.filter((key) => !this.#repairing.has(key))
    return [...covered.map((key) => this.#checkpoint(key, seq)), this.saw(seq)]
  }

  #checkpoint(key: string, seq: number): Checkpoint {
    const position = { ...this.#at, seq }
    return { peer: this.#peerId, key, position, ownEpoch: this.#ownEpoch }
  }
}
