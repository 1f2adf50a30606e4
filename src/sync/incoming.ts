import type { Entry } from '../core/entry.ts'
import type { Checkpoint, Position, Store } from '../store/store.ts'
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
  readonly #at: Omit<Position, 'seq'>
  readonly #repairing: Set<string>
  /** Up to where changes have arrived. */
  #received: number
  /** Up to where they are durable here. */
  #merged: number
  /** Up to where the checkpoints are durable. */
  #saved: number
  #merging = Promise.resolve()

  /**
   * @param at the peer's epoch and run
   * @param start where its stream begins
   * @param repairing the shared keys that can't be taken up where they were left
   */
  constructor(
    store: Store,
    peerId: string,
    keys: readonly string[],
    stream: { at: Omit<Position, 'seq'>; start: number; repairing: Iterable<string> },
  ) {
    this.#store = store
    this.#peerId = peerId
    this.#keys = keys
    this.#at = stream.at
    this.#repairing = new Set(stream.repairing)
    this.#received = stream.start
    this.#merged = stream.start
    this.#saved = stream.start
  }

  /** Up to where the peer's changes are durable here. */
  get merged(): number {
    return this.#merged
  }

  /** The shared keys under repair. */
  get repairing(): ReadonlySet<string> {
    return this.#repairing
  }

  /** True if the changes follow on those before. */
  follows({ since, upTo }: Changes): boolean {
    return since === this.#received && upTo >= since
  }

  /** Merges changes that follow; resolves once they are durable. */
  async merge(entries: readonly Entry[], upTo: number): Promise<void> {
    this.#received = upTo
    const before = this.#merging
    this.#merging = this.#mergeAfter(before, entries, upTo)
    await this.#merging
  }

  async #mergeAfter(before: Promise<void>, entries: readonly Entry[], upTo: number): Promise<void> {
    // Frames don't wait for each other's disk, so that they may share one sync; but nothing counts as
    // merged before everything older is.
    const checkpoints = this.#checkpoints(upTo)
    const source = { peer: this.#peerId, checkpoints }
    const merged = entries.length > 0 ? this.#store.merge(entries, source) : undefined
    await Promise.all([before, merged])
    this.#merged = upTo
    if (merged !== undefined) this.#saved = upTo
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
    const position = { ...this.#at, seq }
    return this.#keys
      .filter((key) => !this.#repairing.has(key))
      .map((key) => ({ peer: this.#peerId, key, position }))
  }
}
