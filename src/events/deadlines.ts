import type { CancelTimer, Env } from '../core/env.ts'

/** The place of an item in the row of those that wait. */
export class Deadline<Item> {
  readonly item: Item
  readonly dueMs: number
  before: Deadline<Item> | undefined
  after: Deadline<Item> | undefined
  isWaiting = true

  constructor(item: Item, dueMs: number, before: Deadline<Item> | undefined) {
    this.item = item
    this.dueMs = dueMs
    this.before = before
  }
}

/**
 * Items that all wait equally long, watched over by a single timer: the first one in is the first
 * one due, so adding and removing cost no timer of their own. They stand in a row, linked one to
 * the next: a hash of items would cost a put more than anything else it does here.
 */
export class Deadlines<Item> {
  readonly #env: Env
  readonly #delayMs: number
  readonly #expire: (item: Item) => void
  #first: Deadline<Item> | undefined
  #last: Deadline<Item> | undefined
  #size = 0
  #cancel: CancelTimer | undefined

  constructor(env: Env, delayMs: number, expire: (item: Item) => void) {
    this.#env = env
    this.#delayMs = delayMs
    this.#expire = expire
  }

  get size(): number {
    return this.#size
  }

  /** Everything that waits, whoever is due first in front. */
  get items(): Item[] {
    const items: Item[] = []
    for (let next = this.#first; next; next = next.after) items.push(next.item)
    return items
  }

  /** Starts the wait of `item`; to be ended by {@link end}, unless it expires before. */
  add(item: Item, nowMs: number): Deadline<Item> {
    const deadline = new Deadline(item, nowMs + this.#delayMs, this.#last)
    if (this.#last) this.#last.after = deadline
    else this.#first = deadline
    this.#last = deadline
    this.#size++
    this.#cancel ??= this.#env.setTimer(this.#delayMs, this.#wake)
    return deadline
  }

  /** Ends a wait of this row; one that is over already is no matter. */
  end(deadline: Deadline<Item>): void {
    if (!deadline.isWaiting) return
    const { before, after } = deadline
    if (before) before.after = after
    else this.#first = after
    if (after) after.before = before
    else this.#last = before
    this.#size--
    deadline.isWaiting = false
    // It must keep no other alive.
    deadline.before = deadline.after = undefined
  }

  /** Forgets every item and the timer. */
  close(): void {
    while (this.#first) this.end(this.#first)
    this.#cancel?.()
    this.#cancel = undefined
  }

  readonly #wake = () => {
    this.#cancel = undefined
    const nowMs = this.#env.monotonicMs()
    const expired: Item[] = []
    while (this.#first && this.#first.dueMs <= nowMs) {
      expired.push(this.#first.item)
      this.end(this.#first)
    }
    if (this.#first) this.#cancel = this.#env.setTimer(this.#first.dueMs - nowMs, this.#wake)
    for (const item of expired) this.#expire(item)
  }
}
