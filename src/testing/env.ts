import { createHash } from 'node:crypto'
import { type CancelTimer, type Env, NS_PER_MS } from '../core/env.ts'

/** Where virtual wall clocks begin: 2026-01-01T00:00:00Z, in nanoseconds. */
const START_NS = 1_767_225_600_000_000_000n

interface Timer {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

/**
 * Time and chance for tests: time stands still until {@link VirtualEnv.advance} moves it, and one
 * seed decides every random number.
 *
 * @example
 * const env = new VirtualEnv(1)
 * env.setTimer(1000, () => console.log('due'))
 * env.advance(1000)
 */
export class VirtualEnv implements Env {
  readonly hash = (text: string): string => createHash('sha256').update(text).digest('hex')
  readonly #timers = new Set<Timer>()
  #elapsedMs = 0
  #offsetNs = 0n
  #order = 0
  #state: number

  constructor(seed = 1) {
    this.#state = seed >>> 0
  }

  now(): bigint {
    return START_NS + BigInt(Math.floor(this.#elapsedMs)) * NS_PER_MS + this.#offsetNs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    const dueMs = this.#elapsedMs + Math.max(0, delayMs)
    const timer = { dueMs, order: this.#order++, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** After: mulberry32 by Tommy Ettinger. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.size
  }

  /** Steps the wall clock by `ms` milliseconds, forwards or backwards; no timer minds. */
  stepClock(ms: number): void {
    this.#offsetNs += BigInt(ms) * NS_PER_MS
  }

  /** Lets `ms` milliseconds pass, and runs every timer that falls due, in the order of their times. */
  advance(ms: number): void {
    const untilMs = this.#elapsedMs + ms
    for (let timer = this.#next(untilMs); timer; timer = this.#next(untilMs)) {
      this.#timers.delete(timer)
      this.#elapsedMs = timer.dueMs
      timer.callback()
    }
    this.#elapsedMs = untilMs
  }

  #next(untilMs: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.dueMs > untilMs) continue
      const sooner = next === undefined || timer.dueMs < next.dueMs
      if (sooner || (timer.dueMs === next!.dueMs && timer.order < next!.order)) next = timer
    }
    return next
  }
}
