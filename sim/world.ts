import BTreeModule from 'sorted-btree'
import type { CancelTimer } from '../src/core/env.ts'
import type { Random } from './random.ts'
import type { Trace } from './trace.ts'

const BTree = BTreeModule.default

/** The most events of one simulation: more is a loop that never ends. */
const MAX_EVENTS = 5_000_000

interface Moment {
  readonly timeMs: number
  readonly number: number
}

interface Event {
  readonly label: string
  readonly action: () => void | Promise<void>
}

/** What a simulation found to be wrong. */
export class Violation extends Error {
  /** The rule that does not hold, by its short name. */
  readonly rule: string

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`)
    this.name = 'Violation'
    this.rule = rule
  }
}

/**
 * Simulated time: a queue of events in the order of their moment, then of their making. After each
 * event all that follows from it in the same turn is done before the next one begins, so one seed
 * has one outcome. No wall time is read and none passes.
 */
export class World {
  readonly random: Random
  readonly trace: Trace
  readonly #queue = new BTree<Moment, Event>(undefined, compareMoments)
  #nowMs = 0
  #number = 0
  #violation: Violation | undefined

  constructor(random: Random, trace: Trace) {
    this.random = random
    this.trace = trace
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get events(): number {
    return this.#number
  }

  /**
   * Has `action` run after `delayMs`. If it returns a promise the world stands still until that is
   * settled: it must not wait for simulated time.
   */
  at(delayMs: number, label: string, action: Event['action']): CancelTimer {
    const timeMs = Math.round((this.#nowMs + Math.max(delayMs, 0)) * 1000) / 1000
    const moment = { timeMs, number: this.#number++ }
    if (moment.number > MAX_EVENTS) {
      this.fail('progress', `more than ${MAX_EVENTS} events: something goes round in a circle`)
    }
    this.#queue.set(moment, { label, action })
    return () => this.#queue.delete(moment)
  }

  /** Writes a line to the trace. */
  note(what: string): void {
    this.trace.add(this.#nowMs, what)
  }

  /** Ends the simulation, which then throws; the first violation counts. */
  fail(rule: string, message: string): void {
    if (this.#violation !== undefined) return
    this.#violation = new Violation(rule, message)
    this.note(`VIOLATION ${this.#violation.message}`)
  }

  /** Lets `durationMs` pass. */
  async run(durationMs: number): Promise<void> {
    await this.runUntil(() => false, durationMs)
  }

  /**
   * Runs until the condition holds, which is looked at after each event; false if it does not within
   * `limitMs`, and then that much time has passed.
   * @throws Violation
   */
  async runUntil(condition: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#nowMs + limitMs
    await this.#drain()
    for (;;) {
      if (this.#violation !== undefined) throw this.#violation
      if (condition()) return true
      const moment = this.#queue.minKey()
      if (moment === undefined || moment.timeMs > endMs) {
        this.#nowMs = endMs
        return false
      }
      await this.#step(moment)
    }
  }

  async #step(moment: Moment): Promise<void> {
    const { label, action } = this.#queue.get(moment)!
    this.#queue.delete(moment)
    this.#nowMs = moment.timeMs
    if (label !== '') this.note(label)
    try {
      await action()
    } catch (error) {
      const { stack } = error as Error
      this.fail('crash', `the event '${label}' threw: ${stack ?? String(error)}`)
    }
    await this.#drain()
  }

  /** Until nothing more happens in this turn: microtasks come before the next macrotask. */
  #drain(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }
}

function compareMoments(a: Moment, b: Moment): number {
  return a.timeMs - b.timeMs || a.number - b.number
}
