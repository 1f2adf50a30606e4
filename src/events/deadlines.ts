import type { CancelTimer, Env } from '../core/env.ts'

/**
 * Items that all wait equally long, watched over by a single timer: the first one in is the first
 * one due, so adding and removing cost no timer of their own.
 */
export class Deadlines<Item extends object> {
  readonly #env: Env
  readonly #delayMs: number
  readonly #expire: (item: Item) => void
  readonly #dueMs = new Map<Item, number>()
  #cancel: CancelTimer | undefined

  constructor(env: Env, delayMs: number, expire: (item: Item) => void) {
    this.#env = env
    this.#delayMs = delayMs
    this.#expire = expire
  }

  get size(): number {
    return this.#dueMs.size
  }

  /** Everything that waits, whoever is due first in front. */
  [Symbol.iterator](): IterableIterator<Item> {
    return this.#dueMs.keys()
  }

  /** Starts the wait of `item`, from the beginning if it is waiting already. */
  add(item: Item, nowMs: number): void {
    this.#dueMs.delete(item)
    this.#dueMs.set(item, nowMs + this.#delayMs)
    this.#cancel ??= this.#env.setTimer(this.#delayMs, this.#wake)
  }

  has(item: Item): boolean {
    return this.#dueMs.has(item)
  }

  delete(item: Item): void {
    this.#dueMs.delete(item)
  }

  /** Forgets every item and the timer. */
  close(): void {
    this.#dueMs.clear()
    this.#cancel?.()
    this.#cancel = undefined
  }

  readonly #wake = () => {
    this.#cancel = undefined
    const nowMs = this.#env.monotonicMs()
    const expired: Item[] = []
    for (const [item, dueMs] of this.#dueMs) {
      if (dueMs > nowMs) {
        this.#cancel = this.#env.setTimer(dueMs - nowMs, this.#wake)
        break
      }
      expired.push(item)
    }
    for (const item of expired) this.#dueMs.delete(item)
    for (const item of expired) this.#expire(item)
  }
}
