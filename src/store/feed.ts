import { sizeOf } from '../core/entry.ts'
import { type Change, type Commit, type FeedPage, MAX_PAGE_CHARACTERS } from './store.ts'

/** Bounds of the changes kept in memory for the links that are almost up to date. */
const RECENT_CHANGES = 8192
const RECENT_CHARACTERS = 16 * 1024 * 1024

type Recent = FeedPage['changes'][number]

/** Passes each commit on to its listeners, and remembers the newest changes. */
export class Feed {
  readonly #listeners = new Set<(commit: Commit) => void>()
  /** The change numbered `seq` lies at `seq % RECENT_CHANGES`. */
  readonly #recent = new Array<Recent | undefined>(RECENT_CHANGES)
  /** The newest remembered change of each path. */
  readonly #newest = new Map<string, number>()
  /** The oldest and the newest change remembered; none while the oldest is above the newest. */
  #first: number
  #last: number
  #characters = 0

  /** @param seq the newest sequence number when the store opened */
  constructor(seq: number) {
    this.#first = seq + 1
    this.#last = seq
  }

  /** The number of the oldest change that is remembered, or of the next one. */
  get oldest(): number {
    return this.#first
  }

  watch(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  publish(commit: Commit): void {
    // A version released from being kept aside has its old number: it is news to readers only.
    for (const change of commit.changes) if (change.seq > this.#last) this.#remember(change)
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) tell(listener, commit)
    }
  }

  /** Leaves out of later pages the change of that number, which is gone from the store. */
  drop(path: string, seq: number): void {
    if (this.#newest.get(path) === seq) this.#newest.delete(path)
  }

  /** Forgets all changes: the next one to remember comes after `seq`. */
  restart(seq: number): void {
    this.#recent.fill(undefined)
    this.#newest.clear()
    this.#characters = 0
    this.#first = seq + 1
    this.#last = seq
  }

  /** A page of the changes after `seq`, if memory still has all of them; of each path its newest. */
  after(seq: number, limit: number): FeedPage | undefined {
    if (seq + 1 < this.#first) return undefined
    const changes: Recent[] = []
    let characters = 0
    let upTo = seq
    while (upTo < this.#last && changes.length < limit && characters < MAX_PAGE_CHARACTERS) {
      const change = this.#recent[++upTo % RECENT_CHANGES]!
      if (this.#newest.get(change.entry.path) !== upTo) continue
      changes.push(change)
      characters += sizeOf(change.entry)
    }
    return { changes, upTo }
  }

  #remember({ seq, entry, from }: Change): void {
    if (seq - this.#first === RECENT_CHANGES) this.#forgetOldest()
    this.#last = seq
    this.#recent[seq % RECENT_CHANGES] = { seq, entry, from }
    this.#newest.set(entry.path, seq)
    this.#characters += sizeOf(entry)
    while (this.#characters > RECENT_CHARACTERS) this.#forgetOldest()
  }

  #forgetOldest(): void {
    const slot = this.#first % RECENT_CHANGES
    const { entry } = this.#recent[slot]!
    this.#recent[slot] = undefined
    if (this.#newest.get(entry.path) === this.#first) this.#newest.delete(entry.path)
    this.#characters -= sizeOf(entry)
    this.#first++
  }
}

/**
 * A listener that throws is a fault of the program: it surfaces as an unhandled rejection, but the
 * commit is durable all the same, and the other listeners are told of it.
 */
function tell(listener: (commit: Commit) => void, commit: Commit): void {
  try {
    listener(commit)
  } catch (error) {
    void surface(error)
  }
}

/** Rejects with what was thrown; nobody is there to catch it. */
async function surface(thrown: unknown): Promise<never> {
  throw thrown
}
