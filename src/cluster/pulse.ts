import type { CancelTimer, Env } from '../core/env.ts'

/**
 * Runs one asynchronous step again and again: every `periodMs`, and at once when woken. Never two at
 * a time; waking during a step means one more after it.
 */
export class Pulse {
  readonly #env: Pick<Env, 'setTimer'>
  readonly #periodMs: number
  readonly #step: () => Promise<void>
  #cancelTimer: CancelTimer | undefined
  #running: Promise<void> | undefined
  #again = false
  #stopped = false

  /** @param step must not reject */
  constructor(env: Pick<Env, 'setTimer'>, periodMs: number, step: () => Promise<void>) {
    this.#env = env
    this.#periodMs = periodMs
    this.#step = step
  }

  /** Steps now, or once more if a step is under way. Resolves when that step is done. */
  async wake(): Promise<void> {
    if (this.#running) {
      this.#again = true
      return this.#running
    }
    if (this.#stopped) return
    this.#cancelTimer?.()
    this.#running = this.#run()
    await this.#running
  }

  /** Takes no more steps. Resolves when the one under way is done. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelTimer?.()
    await this.#running
  }

  async #run(): Promise<void> {
    do {
      this.#again = false
      await this.#step()
    } while (this.#again && !this.#stopped)
    this.#running = undefined
    if (this.#stopped) return
    this.#cancelTimer = this.#env.setTimer(this.#periodMs, () => void this.wake())
  }
}
