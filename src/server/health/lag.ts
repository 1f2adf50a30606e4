import type { CancelTimer, Env } from '../../core/env.ts'

/** How often is counted what peers lack, though nobody asks. */
export const LAG_INTERVAL_MS = 2000

/** Whoever asks waits so long for newer figures; a store that hangs must not keep the status back. */
const PATIENCE_MS = 250

/** What a {@link LagWatch} needs of its node. */
export interface LagSource {
  /** Counts, unless that was done a moment ago. */
  measure(): Promise<unknown>
  /** Figures may have changed. */
  measured(): void
  /** It did not work; told once until it works again. */
  failed(error: unknown): void
}

/** Has the node count, from time to time and when somebody asks, what its peers lack. */
export class LagWatch {
  readonly #env: Env
  readonly #source: LagSource
  #cancel: CancelTimer = () => undefined
  #isFailing = false
  #stopped = false

  constructor(env: Env, source: LagSource) {
    this.#env = env
    this.#source = source
  }

  start(): void {
    void this.#measure().then(() => this.#schedule())
  }

  /** Resolves once the figures are as new as they get, or after {@link PATIENCE_MS}. */
  fresh(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#env.setTimer(PATIENCE_MS, resolve)
      void this.#measure().then(() => {
        cancel()
        resolve()
      })
    })
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#cancel = this.#env.setTimer(LAG_INTERVAL_MS, () => this.start())
  }

  async #measure(): Promise<void> {
    try {
      await this.#source.measure()
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing && !this.#stopped) this.#source.failed(error)
      this.#isFailing = true
    }
    if (!this.#stopped) this.#source.measured()
  }
}
