import { hash } from 'node:crypto'
import { type Env, NS_PER_MS } from '../src/core/env.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Wall time when a simulation starts: 2027-01-15, in nanoseconds. */
const START_NS = 1_800_000_000_000_000_000n

/** Wall time so many milliseconds after the start; as on a real machine it is in whole milliseconds. */
export function wallNs(ms: number): bigint {
  return START_NS + BigInt(Math.floor(ms)) * NS_PER_MS
}

/** A machine's wall clock: off by some time, too fast or too slow, and it may be set anew. */
export class WallClock {
  readonly #world: World
  readonly #driftPpm: number
  #offsetMs: number

  /** @param driftPpm how many microseconds it gains in a second */
  constructor(world: World, offsetMs = 0, driftPpm = 0) {
    this.#world = world
    this.#offsetMs = offsetMs
    this.#driftPpm = driftPpm
  }

  /** How far it is ahead of true time, in milliseconds. */
  get offsetMs(): number {
    return this.#offsetMs + (this.#world.nowMs * this.#driftPpm) / 1_000_000
  }

  /** Nanoseconds; that it reads whole milliseconds makes stamps collide. */
  now(): bigint {
    return wallNs(this.#world.nowMs + this.offsetMs)
  }

  step(byMs: number): void {
    this.#offsetMs += byMs
  }

  /** Sets it to the true time, at this moment. */
  set(): void {
    this.step(-this.offsetMs)
  }
}

/** Time and chance for one process; its timers end with it. */
export function simulatedEnv(
  world: World,
  process: Process,
  clock: WallClock,
  random: Random,
): Env {
  return {
    now: () => clock.now(),
    monotonicMs: () => world.nowMs,
    setTimer: (delayMs, callback) =>
      // The least delay of a real timer; so a timer that sets itself again lets time pass.
      process.at(Math.max(delayMs, 1), `${process.name} timer`, callback),
    random: () => random.next(),
    hash: sha256,
  }
}

const HASHES_KEPT = 20_000
const hashes = new Map<string, string>()

/** Every node hashes the same few texts: remembering them makes simulations much faster. */
export function sha256(text: string): string {
  let known = hashes.get(text)
  if (known === undefined) {
    known = hash('sha256', text, 'hex')
    if (hashes.size >= HASHES_KEPT) hashes.clear()
    hashes.set(text, known)
  }
  return known
}
