import type { Env } from '../../src/core/env.ts'
import { NS_PER_MS } from '../../src/core/env.ts'

interface Scheduled {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Virtual time and chance, all from one seed. */
export class World {
  /** Milliseconds since the beginning. */
  now = 0
  readonly #queue: Scheduled[] = []
  #order = 0
  #state: number
  #digest = 0x811c9dc5

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** The next random number, at least 0 and less than 1 (mulberry32, Tommy Ettinger). */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }

  between(low: number, high: number): number {
    return low + this.random() * (high - low)
  }

  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.random() < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!
  }

  /** Runs `run` in `delayMs` of virtual time. */
  after(delayMs: number, run: () => void): void {
    const item = { at: this.now + Math.max(0, delayMs), order: this.#order++, run }
    const queue = this.#queue
    let at = queue.length
    queue.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (before(queue[parent]!, item)) break
      queue[at] = queue[parent]!
      at = parent
    }
    queue[at] = item
  }

  /** Lets everything happen that is due until `until`. */
  async run(until: number): Promise<void> {
    while (this.#queue.length > 0 && this.#queue[0]!.at <= until) {
      const next = this.#pop()
      this.now = next.at
      next.run()
      // All promise callbacks of this event run before the next one.
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    this.now = until
  }

  /** Notes what happened; the same seed must give the same digest. */
  note(text: string): void {
    for (let at = 0; at < text.length; at++) {
      this.#digest = Math.imul(this.#digest ^ text.charCodeAt(at), 0x01000193)
    }
  }

  get digest(): string {
    return (this.#digest >>> 0).toString(16).padStart(8, '0')
  }

  #pop(): Scheduled {
    const queue = this.#queue
    const first = queue[0]!
    const last = queue.pop()!
    if (queue.length === 0) return first
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= queue.length) break
      if (child + 1 < queue.length && before(queue[child + 1]!, queue[child]!)) child++
      if (before(last, queue[child]!)) break
      queue[at] = queue[child]!
      at = child
    }
    queue[at] = last
    return first
  }
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** One simulated process: its clocks, and whether it runs, stands still or is gone. */
export class Host {
  readonly name: string
  readonly world: World
  readonly env: Env
  #wallOffsetMs: number
  #pausedUntil = 0
  #waiting: (() => void)[] = []
  #crashed = false

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
    this.#wallOffsetMs = 1_700_000_000_000 + world.between(-5_000, 5_000)
    // No two quartzes agree: a second here is up to 1 % more or less than one there.
    const rate = world.between(0.99, 1.01)
    this.env = {
      now: () => BigInt(Math.floor(world.now + this.#wallOffsetMs)) * NS_PER_MS,
      monotonicMs: () => world.now * rate,
      setTimer: (delayMs, callback) => {
        let cancelled = false
        this.after(delayMs / rate, () => {
          if (!cancelled) callback()
        })
        return () => (cancelled = true)
      },
      random: () => world.random(),
      hash: () => {
        throw new Error('the cluster hashes nothing by the Env')
      },
    }
  }

  get crashed(): boolean {
    return this.#crashed
  }

  get running(): boolean {
    return !this.#crashed && this.world.now >= this.#pausedUntil
  }

  /** As a callback of this process: late if it stands still, never if it is gone. */
  after(delayMs: number, run: () => void): void {
    this.world.after(delayMs, () => this.deliver(run))
  }

  deliver(run: () => void): void {
    if (this.#crashed) return
    if (this.running) run()
    else this.#waiting.push(run)
  }

  /** Stands still like a process under SIGSTOP: its clocks go on. */
  pause(forMs: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.world.now + forMs)
    this.world.after(forMs, () => this.#resume())
  }

  crash(): void {
    this.#crashed = true
  }

  stepWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  #resume(): void {
    if (!this.running) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const run of waiting) this.deliver(run)
  }
}
