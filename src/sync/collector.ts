import type { CancelTimer, Env } from '../core/env.ts'
import { messageOf } from '../core/errors.ts'
import type { CollectionRule, Store } from '../store/store.ts'

/** The most steps of one round; what is left waits for the next. */
const MAX_STEPS = 100

/** What a collector needs of its node. */
export interface CollectorHost {
  readonly store: Store
  readonly env: Env
  readonly intervalMs: number
  /** Which tombstones may go now. */
  rule(): Promise<CollectionRule>
}

/** Has the store drop tombstones that nobody needs any more, from time to time. */
export class Collector {
  readonly #host: CollectorHost
  #cancel: CancelTimer = () => undefined
  #stopped = false
  #collected = 0
  #lastError: string | undefined

  constructor(host: CollectorHost) {
    this.#host = host
  }

  /** How many tombstones have gone since the node started. */
  get collected(): number {
    return this.#collected
  }

  /** Why the last round came to an early end; undefined if it did not. */
  get lastError(): string | undefined {
    return this.#lastError
  }

  start(): void {
    const { env, intervalMs } = this.#host
    if (this.#stopped) return
    this.#cancel = env.setTimer(intervalMs * (0.5 + env.random()), () => void this.#round())
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #round(): Promise<void> {
    try {
      await this.#collect()
      this.#lastError = undefined
    } catch (error) {
      // Nothing is lost: the tombstones are still there for the next round.
      this.#lastError = messageOf(error)
    }
    this.start()
  }

  async #collect(): Promise<void> {
    const { store } = this.#host
    for (let step = 0; step < MAX_STEPS && !this.#stopped; step++) {
      const gone = await store.collect(await this.#host.rule())
      this.#collected += gone
      if (gone === 0) return
    }
  }
}
