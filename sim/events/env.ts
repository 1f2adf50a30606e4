import { createHash } from 'node:crypto'
import { type CancelTimer, type Env, NS_PER_MS } from '../../src/core/env.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
}

/**
 * Time and chance from a seed. Time stands still until {@link advance} moves it; timers run in
 * the order of their moments, and between two of them everything that was promised is done.
 */
export class VirtualEnv implements Env {
  #nowMs = 0
  #order = 0
  #state: number
  readonly #timers = new Set<Timer>()
  readonly #epochMs: bigint

  /** @param epoch wall-clock milliseconds at the start */
  constructor(seed = 1, epoch = 1_767_225_600_000) {
    this.#state = seed >>> 0
    this.#epochMs = BigInt(epoch)
  }

  now(): bigint {
    return (this.#epochMs + BigInt(Math.floor(this.#nowMs))) * NS_PER_MS
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** mulberry32 */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }

  hash(text: string): string {
    return createHash('sha256').update(text).digest('hex')
  }

  /** A whole number from 0 to before `below`. */
  pick(below: number): number {
    return Math.floor(this.random() * below)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Runs every timer of the next `durationMs` milliseconds, in order. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs
    await quiet()
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.callback()
      await quiet()
    }
    this.#nowMs = untilMs
  }

  /** Lets time pass until `work` is done. @throws if it takes more than an hour */
  async pass<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const end = () => (isDone = true)
    work.then(end, end)
    const untilMs = this.#nowMs + 3_600_000
    await quiet()
    while (!isDone) {
      if (this.#nowMs > untilMs) throw new Error('it takes longer than an hour')
      await this.advance(10)
    }
    return work
  }

  #next(untilMs: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.atMs > untilMs) continue
      if (!next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order))
        next = timer
    }
    return next
  }
}

/** Fulfilled when every promise that can go on by itself has done so. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
