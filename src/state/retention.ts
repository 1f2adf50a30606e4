import { type Entry, stampOf } from '../core/entry.ts'
import { type CancelTimer, type Env, NS_PER_MS } from '../core/env.ts'
import type { Change, Store, Write } from '../store/store.ts'
import type { HookFailure } from './hooks.ts'
import { endOf, type Retention, Survey } from './limit.ts'

/** How often a limit is looked after at most, by default. */
const CLEANUP_INTERVAL_MS = 10_000

/** What removes entries of its own accord stands on. */
export interface RetentionContext {
  readonly store: Store
  readonly env: Env
  readonly report: (failure: HookFailure) => void
}

/** What a filter says of how long entries stay. */
export interface Term {
  readonly part: keyof Retention
  readonly pattern: string
  readonly retention: Retention
  /** True for the paths of the pattern that no other filter is more specific for. */
  readonly holds: (path: string) => boolean
}

/**
 * Removes what a filter's `limit` and `ttlMs` don't let stay: too many entries as soon as they are there, old ones
 * by a timer. A removal is a delete that a rule infers: it takes stamp and origin of what it removes, so all nodes
 * make the same one of it, and it goes to peers and subscribers as any other change does.
 */
export class Keeper {
  readonly #context: RetentionContext
  readonly #term: Term
  readonly #intervalMs: number
  #cancel: CancelTimer | undefined
  #dueMs = Infinity
  /** How many entries there are; rather too many than too few. */
  #size = 0
  /** How many came during a look, which may have seen them or not. */
  #grown = 0
  /** True while a look goes through the entries. */
  #looking = false
  #busy = false
  #again = false
  #closed = false

  constructor(term: Term, context: RetentionContext) {
    this.#term = term
    this.#context = context
    this.#intervalMs = term.retention.limit?.cleanupIntervalMs ?? CLEANUP_INTERVAL_MS
    this.#look()
  }

  /** Is told of each change, from wherever it came. */
  changed({ entry, before, after }: Change): void {
    if (!this.#term.holds(entry.path)) return
    if (after === undefined) {
      if (before !== undefined && !this.#looking) this.#size--
      return
    }
    const end = endOf(after, this.#term.retention)
    if (end !== undefined) this.#lookAt(end)
    if (before !== undefined) return
    if (this.#looking) this.#grown++
    else if (++this.#size > this.#count()) this.#look()
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
  }

  /** The most that may stay now. */
  #count(): number {
    const { count, countOf } = this.#term.retention.limit ?? {}
    if (countOf === undefined) return count ?? Infinity
    try {
      const now = countOf()
      if (Number.isSafeInteger(now) && now >= 1) return now
      throw new TypeError(`countOf() gave ${String(now)}; it must be a whole number from 1 on`)
    } catch (error) {
      this.#failed(error)
      return count ?? Infinity
    }
  }

  /** Sets the timer for what is due then; never shorter than the interval, so that a look is for many. */
  #lookAt(end: bigint): void {
    const { env, store } = this.#context
    const waitMs = Number((end - store.time()) / NS_PER_MS) + 1
    this.#setTimer(env.monotonicMs() + Math.max(waitMs, this.#intervalMs))
  }

  #setTimer(dueMs: number): void {
    if (this.#closed || dueMs >= this.#dueMs) return
    const { env } = this.#context
    this.#cancel?.()
    this.#dueMs = dueMs
    const waitMs = Math.min(dueMs - env.monotonicMs(), MAX_TIMER_MS)
    this.#cancel = env.setTimer(waitMs, () => this.#look())
  }

  /** Begins a look, or has the one under way be followed by another. */
  #look(): void {
    this.#again = true
    if (!this.#busy) void this.#work()
  }

  async #work(): Promise<void> {
    this.#busy = true
    try {
      while (this.#again && !this.#closed) await this.#step()
    } catch (error) {
      // The store may be closed under a look; nothing is lost, for the next start looks again.
      if (!this.#closed) {
        this.#failed(error)
        this.#setTimer(this.#context.env.monotonicMs() + this.#intervalMs)
      }
    } finally {
      this.#busy = false
    }
  }

  async #step(): Promise<void> {
    const { store } = this.#context
    const { pattern, retention, holds } = this.#term
    this.#again = false
    this.#cancel?.()
    this.#dueMs = Infinity
    this.#grown = 0
    this.#looking = true
    const count = this.#count()
    const survey = new Survey(retention, store.time(), count)
    await store.visit(pattern, (entry) => {
      if (holds(entry.path)) survey.add(entry)
    })
    const { removals } = survey
    const written = removals.length === 0 ? [] : await store.write(removals.map(removalOf))
    const removed = written.filter(({ changed }) => changed).length
    this.#size = survey.seen - removed + this.#grown
    this.#looking = false
    // What can't go yet, since a version kept aside lies above it, must not keep this busy.
    if (removed < removals.length) this.#lookAt(store.time())
    this.#again ||= removed > 0 && survey.unfinished
    this.#again ||= this.#grown > 0 && this.#size > count
    if (survey.soonest !== undefined) this.#lookAt(survey.soonest)
  }

  #failed(error: unknown): void {
    const { part: hook, pattern: path } = this.#term
    this.#context.report({ hook, path, error })
  }
}

/** Timers of machines hold no more than 31 bits. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Removes the very version that was looked at: what was written since stays, and is looked at by itself. */
function removalOf(entry: Entry): Write {
  const decide: Write['decide'] = (held) =>
    held !== undefined && stampOf(held) === stampOf(entry) ? null : undefined
  return { path: entry.path, inferred: true, decide }
}
