import type { Change, Commit } from './store.ts'

/** Bounds of the changes kept in memory for the links that are almost up to date. */
const RECENT_CHANGES = 8192
const RECENT_CHARACTERS = 16 * 1024 * 1024

/** Passes each commit on to its listeners, and remembers the newest changes. */
export class Feed {
  readonly #listeners = new Set<(commit: Commit) => void>()
  /** Consecutive in their sequence numbers. */
  #recent: Change[] = []
  #start = 0
  #characters = 0
  /** The newest sequence number published, or there before the store was opened. */
  #last: number

  /** @param seq the newest sequence number there is */
  constructor(seq: number) {
    this.#last = seq
  }

  watch(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  publish(commit: Commit): void {
    // A version released from being kept aside has its old number: it is news to readers only.
    for (const change of commit.changes) if (change.seq > this.#last) this.#remember(change)
    this.#last = commit.seq
    for (const listener of this.#listeners) listener(commit)
  }

  /** The changes after `seq`, if memory still has all of them. */
  after(seq: number, limit: number): readonly Change[] | undefined {
    const first = this.#recent[this.#start]
    if (first === undefined || first.seq > seq + 1) return undefined
    const at = this.#start + seq + 1 - first.seq
    return this.#recent.slice(at, at + limit)
  }

  #remember(change: Change): void {
    this.#recent.push(change)
    this.#characters += sizeOf(change)
    while (
      this.#recent.length - this.#start > RECENT_CHANGES ||
      this.#characters > RECENT_CHARACTERS
    ) {
      this.#characters -= sizeOf(this.#recent[this.#start++]!)
    }
    if (this.#start >= RECENT_CHANGES) {
      this.#recent = this.#recent.slice(this.#start)
      this.#start = 0
    }
  }
}

function sizeOf({ entry }: Change): number {
  return entry.path.length + (entry.data?.length ?? 0)
}
