import { hash } from 'node:crypto'
import { type CancelTimer, type Env, NS_PER_MS } from '../../src/core/env.ts'

/** Time that moves only when a test says so, and chance from a seed. */
export class ManualEnv implements Env {
  readonly #timers = new Set<{ atMs: number; callback: () => void }>()
  readonly #startNs: bigint
  #elapsedMs = 0
  #seed: number

  constructor(seed = 1, startNs = 1_767_602_580_000_000_000n) {
    this.#seed = seed
    this.#startNs = startNs
  }

  now(): bigint {
    return this.#startNs + BigInt(this.#elapsedMs) * NS_PER_MS
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    const timer = { atMs: this.#elapsedMs + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** After: Mulberry32 by Tommy Ettinger. */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  readonly hash = (text: string): string => hash('sha256', text, 'hex')

  /** Lets so much time pass, and what is due meanwhile happen, in order. */
  advance(ms: number): void {
    const end = this.#elapsedMs + ms
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      this.#timers.delete(next)
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs)
      next.callback()
    }
    this.#elapsedMs = end
  }

  #due(end: number) {
    return [...this.#timers].filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)[0]
  }
}
