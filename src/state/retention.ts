import { type CancelTimer, type Env, NS_PER_MS } from '../core/env.ts'
import type { Change, Store, Write } from '../store/store.ts'
import type { DueEntries, Removal } from './due.ts'
import type { HookFailure } from './hooks.ts'
import { endOf, type Retention } from './limit.ts'
import { Ranking } from './ranking.ts'
import { Survey, type Visit } from './survey.ts'

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
  readonly #entries: DueEntries
  #cancel: CancelTimer | undefined
  #dueMs = Infinity
  #busy = false
  #again = false
  #closed = false

  constructor(term: Term, context: RetentionContext) {
    this.#term = term
    this.#context = context
    this.#intervalMs = term.retention.limit?.cleanupIntervalMs ?? CLEANUP_INTERVAL_MS
    this.#entries = entriesOf(term, context.store)
    this.#look()
  }

  /** Is told of each change, from wherever it came. */
  changed({ entry, before, after }: Change): void {
    if (!this.#term.holds(entry.path)) return
    this.#entries.changed(entry.path, after)
    if (after === undefined) return
    const end = endOf(after, this.#term.retention)
    if (end !== undefined) this.#lookAt(end)
    if (before === undefined && this.#entries.size > this.#count()) this.#look()
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
    this.#again = false
    this.#cancel?.()
    this.#dueMs = Infinity
    const { removals, more } = await this.#entries.at(store.time(), this.#count())
    const written = removals.length === 0 ? [] : await store.write(removals.map(writeOf))
    const removed = removals.filter((_, at) => written[at]!.changed)
    for (const removal of removed) this.#entries.removed(removal)
    // What can't go yet, since a version kept aside lies above it, must not keep this busy.
    if (removed.length < removals.length) this.#lookAt(store.time())
    this.#again ||= removed.length > 0 && more
    const { soonest } = this.#entries
    if (soonest !== undefined) this.#lookAt(soonest)
  }

  #failed(error: unknown): void {
    const { part: hook, pattern: path } = this.#term
    this.#context.report({ hook, path, error })
  }
}

/** Timers of machines hold no more than 31 bits. */
const MAX_TIMER_MS = 2 ** 31 - 1

function writeOf({ path, isMeant }: Removal): Write {
  const decide: Write['decide'] = (held) => (held !== undefined && isMeant(held) ? null : undefined)
  return { path, inferred: true, decide }
}

/** Those that are counted are kept in mind; where only age counts, a look from time to time is enough. */
function entriesOf({ pattern, retention, holds }: Term, store: Store): DueEntries {
  const visit: Visit = async (visitor) => {
    await store.visit(pattern, (entry) => {
      if (holds(entry.path)) visitor(entry)
    })
  }
  const { limit } = retention
  const isCounted = limit?.count !== undefined || limit?.countOf !== undefined
  return isCounted ? new Ranking(visit, limit) : new Survey(visit, retention)
}
