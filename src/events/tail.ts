import type { CancelTimer, Env } from '../core/env.ts'
import { keyAt, wallMs } from './key.ts'
import type { ScanOptions, StoredText } from './reader.ts'

/** What a tail reads from: a coordinator fits. */
export interface TailSource {
  scanTexts(options: ScanOptions): AsyncIterable<readonly StoredText[]>
}

/** How to follow. */
export interface TailOptions {
  readonly env: Env
  /** First key, inclusive; default: the first there can be from now on. */
  readonly from?: string | undefined
  /** Pause between two looks, milliseconds; default 1,000. */
  readonly pollMs?: number | undefined
  /**
   * Events are still seen that arrive so many milliseconds after the time in their key; default
   * 10,000, twice what a put may take.
   */
  readonly overlapMs?: number | undefined
  /** Hears of a look that failed, for instance while too many nodes are down; it is repeated. */
  readonly failed?: ((error: unknown) => void) | undefined
}

/** Keys that are remembered so that none is told twice. */
const SEEN_MAX = 200_000

/**
 * Follows the events of a cluster: all from a key on, then each new one as it arrives, once.
 *
 * Events don't arrive in the order of their keys, so each look covers the last `overlapMs` again
 * and leaves out what was told. What arrives later than that is not told; a scan finds it.
 */
export class Tail {
  readonly #source: TailSource
  readonly #options: TailOptions
  readonly #seen = new Set<string>()
  #from: string
  #cancel: CancelTimer = () => {}
  #wake: () => void = () => {}
  #closed = false

  constructor(source: TailSource, options: TailOptions) {
    this.#source = source
    this.#options = options
    this.#from = options.from ?? keyAt(wallMs(options.env))
  }

  /** The events, in batches; ends with {@link close}. */
  async *batches(): AsyncGenerator<readonly StoredText[], void> {
    const { env, overlapMs = 10_000, failed } = this.#options
    while (!this.#closed) {
      const beganMs = wallMs(env)
      try {
        for await (const batch of this.#source.scanTexts({ from: this.#from })) {
          const fresh = batch.filter(({ key }) => !this.#seen.has(key))
          for (const { key } of fresh) this.#seen.add(key)
          if (fresh.length > 0) yield fresh
          if (this.#closed) return
        }
        this.#advance(keyAt(beganMs - overlapMs))
      } catch (error) {
        // Not advanced: the next look covers the same again.
        failed?.(error)
      }
      await this.#pause()
    }
  }

  /** Ends it, also while it waits. */
  close(): void {
    this.#closed = true
    this.#cancel()
    this.#wake()
  }

  #advance(horizon: string): void {
    if (horizon > this.#from) this.#from = horizon
    for (const key of this.#seen) if (key < this.#from) this.#seen.delete(key)
    if (this.#seen.size <= SEEN_MAX) return
    for (const key of this.#seen) if (key >= this.#from) this.#from = `${key}\0`
    this.#seen.clear()
  }

  #pause(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    const { env, pollMs = 1_000 } = this.#options
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#cancel = env.setTimer(pollMs, resolve)
    })
  }
}
