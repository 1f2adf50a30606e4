import type { CancelTimer } from '../core/env.ts'
import { messageOf, skerryError } from '../core/errors.ts'
import { MemoryEngine } from '../store/memory.ts'
import { Handoff } from './handoff.ts'
import { Hints, type Hint } from './hints.ts'
import { wallMs } from './key.ts'
import type { Nodes } from './nodes.ts'
import type { ResolvedOptions } from './options.ts'
import type { RepairReport } from './repair.ts'
import { Records } from './records.ts'
import { Shortfalls, type Shortfall } from './shortfalls.ts'
import { Sweep, type RepairOptions } from './sweep.ts'

/** What the upkeep asks of its coordinator. */
export interface UpkeepHost {
  readonly options: ResolvedOptions
  /** Reading and copying; absent where storage or transport can only write. */
  readonly nodes: Nodes | undefined
  /** Every known node, best first for the key. */
  readonly rankedNodes: (key: string) => readonly string[]
  isKnown(id: string): boolean
  /** Whether a node is known and not down. */
  isAvailable(id: string): boolean
  /** Carries a kept copy to a node. */
  deliver(target: string, key: string, text: string): Promise<void>
  readonly conflict: (key: string, nodes: readonly string[]) => void
  listed(shortfall: Shortfall): void
  handedOff(target: string, events: number): void
  failed(error: unknown): void
}

/** What sweeps did since the start. */
export interface RepairCounts {
  /** Sweeps that came to their end, over all events or over some. */
  readonly sweeps: number
  /** Copies that they made. */
  readonly copied: number
}

/** Why a hint is given up at last. */
const TOO_LONG_AWAY = 'was away for longer than hints are kept'

/** How often the pause between two retries may double. */
const MAX_RETRY_FACTOR = 32

/**
 * What remains to be done once puts are answered: hints to hand over, under-replicated events to
 * complete, sweeps to make. Durable, retried until done, and never in the way of a put.
 */
export class Upkeep {
  readonly hints: Hints
  readonly shortfalls: Shortfalls
  readonly #host: UpkeepHost
  readonly #handoff: Handoff
  readonly #tasks = new Set<Promise<unknown>>()
  #sweeps = 0
  #copied = 0
  #retryFactor = 1
  #cancelRetry: CancelTimer | undefined
  #cancelSweep: CancelTimer | undefined
  #isClosed = false

  constructor(host: UpkeepHost) {
    this.#host = host
    const { env, maxHints, hintWindowMs, hintsPerSecond, engine } = host.options
    const records = new Records(engine ?? new MemoryEngine())
    this.hints = new Hints(records, env, maxHints)
    this.shortfalls = new Shortfalls(records, env)
    this.#handoff = new Handoff({
      ...{ env, hintWindowMs, hintsPerSecond, hints: this.hints },
      deliver: (target, { key, text }) => host.deliver(target, key, text),
      delivered: (target, keys) => this.#gained(target, keys),
      expired: (target, hint) => this.#abandon(target, hint, TOO_LONG_AWAY),
      refused: (target, hint) => this.#abandon(target, hint, 'holds another event'),
      isClosed: () => this.#isClosed,
    })
  }

  async open(): Promise<void> {
    await Promise.all([this.hints.open(), this.shortfalls.open()])
    this.#arm()
    this.#armSweep()
  }

  /** Stops everything that waits for its time. */
  close(): void {
    this.#isClosed = true
    this.#cancelRetry?.()
    this.#cancelSweep?.()
  }

  /** Whether work is under way, as opposed to waiting for its time. */
  get isBusy(): boolean {
    return this.#tasks.size > 0
  }

  /** Fulfilled when the work that is under way now has ended, well or badly. */
  async rest(): Promise<void> {
    await Promise.allSettled(this.#tasks)
  }

  /** Runs work nobody waits for; its failure is reported. */
  later(work: () => Promise<unknown>): void {
    const task = work().catch((error: unknown) => this.#host.failed(error))
    this.#tasks.add(task)
    void task.then(() => this.#tasks.delete(task))
  }

  /** Keeps a copy for a node that missed it; where there is no room, the event is only listed. */
  keep(target: string, key: string, text: string): void {
    this.later(async () => {
      if (!this.#host.isKnown(target)) await this.list(key, [], `${target} was dropped`, text)
      else if (!(await this.hints.add(target, key, text))) {
        await this.list(key, [], `no room for a hint to ${target}`, text)
      }
      this.#arm()
    })
  }

  /** A node that had missed an event has it after all. */
  late(target: string, key: string, holders: readonly string[]): void {
    this.later(async () => {
      await this.hints.remove(target, [key])
      if (this.shortfalls.has(key)) await this.list(key, holders, '')
    })
  }

  /** Puts an event on the list of under-replicated ones, or takes it off when nothing is missing. */
  async list(key: string, found: readonly string[], why: string, text?: string): Promise<void> {
    const known = this.shortfalls.get(key)
    const holders = [...new Set([...(known?.holders ?? []), ...found])]
    const missing = this.#host.options.replicationFactor - holders.length
    if (missing <= 0) {
      await this.shortfalls.remove(key)
      return
    }
    const keepText = this.#host.nodes === undefined
    const shortfall = await this.shortfalls.set({
      ...{ key, holders, missing },
      reason: why === '' ? (known?.reason ?? 'a replica is missing') : why,
      ...(keepText ? { text: known?.text ?? text } : {}),
    })
    if (!known) this.#host.listed(shortfall)
    this.#arm()
  }

  /** A peer joined, or is back: what waited for it is done now. */
  welcome(target: string): void {
    this.#retryFactor = 1
    if (this.hints.countFor(target) > 0) this.later(() => this.#handOver(target))
    if (this.shortfalls.size > 0) this.later(() => this.#completeListed())
  }

  /** A peer was dropped: its hints are moot, and whatever it held has one copy less. */
  async dismiss(target: string): Promise<void> {
    for (;;) {
      const page = await this.hints.page(target, undefined, 500)
      if (page.length === 0) break
      for (const hint of page) await this.#abandon(target, hint, `${target} was dropped`)
    }
    if (this.#host.nodes) await this.repair({}, true)
  }

  /**
   * Brings events up to their number of replicas.
   * @param shared true when other nodes do the same, so that each event is one node's business
   */
  async repair(options: RepairOptions, shared: boolean): Promise<RepairReport> {
    const { nodes, rankedNodes, conflict } = this.#host
    if (!nodes) throw skerryError('EVENTS_WRITE_ONLY', 'repair')
    const { replicationFactor, pageRows } = this.#host.options
    const sweep = new Sweep({
      ...{ nodes, shortfalls: this.shortfalls, replicationFactor, pageRows, rankedNodes, conflict },
      list: (key, holders, reason) => this.#relist(key, holders, reason),
      isClosed: () => this.#isClosed,
    })
    const report = await sweep.run(options, shared)
    this.#sweeps++
    this.#copied += report.copied
    return report
  }

  /** What sweeps did since the start. */
  get repaired(): RepairCounts {
    return { sweeps: this.#sweeps, copied: this.#copied }
  }

  /** A sweep saw who holds the event, so what was thought before is forgotten. */
  async #relist(key: string, holders: readonly string[], reason: string): Promise<void> {
    if (this.shortfalls.has(key) && holders.length < this.#host.options.replicationFactor) {
      await this.shortfalls.remove(key)
    }
    await this.list(key, holders, reason)
  }

  async #handOver(target: string): Promise<number> {
    const taken = await this.#handoff.run(target)
    if (taken > 0) this.#host.handedOff(target, taken)
    return taken
  }

  /** Gives up hints for a node that has been away, or unknown, for too long. */
  async #expire(target: string): Promise<void> {
    const { env, hintWindowMs } = this.#host.options
    const dueMs = wallMs(env) - hintWindowMs
    let page = await this.hints.page(target, undefined, 500)
    while (page.length > 0 && !this.#isClosed) {
      for (const hint of page) {
        if (hint.sinceMs < dueMs) await this.#abandon(target, hint, TOO_LONG_AWAY)
      }
      page = await this.hints.page(target, page.at(-1)?.key, 500)
    }
  }

  async #gained(target: string, keys: readonly string[]): Promise<void> {
    for (const key of keys) if (this.shortfalls.has(key)) await this.list(key, [target], '')
  }

  async #abandon(target: string, { key, text }: Hint, reason: string): Promise<void> {
    await this.hints.remove(target, [key])
    // Somebody may have stood in for the target, which only a sweep can see.
    if (this.#host.nodes === undefined || !this.shortfalls.has(key)) {
      await this.list(key, [], `${target} ${reason}`, text)
    }
  }

  /** Tries again whatever waits, while there is something; a peer that stays away is asked less often. */
  #arm(): void {
    const isIdle = this.hints.total === 0 && this.shortfalls.size === 0
    if (this.#cancelRetry || this.#isClosed || isIdle) return
    const { env, retryIntervalMs } = this.#host.options
    this.#cancelRetry = env.setTimer(retryIntervalMs * this.#retryFactor, () => {
      this.later(async () => {
        const before = this.hints.total + this.shortfalls.size
        await this.#retry().finally(() => {
          this.#cancelRetry = undefined
          const better = this.hints.total + this.shortfalls.size < before
          this.#retryFactor = better ? 1 : Math.min(this.#retryFactor * 2, MAX_RETRY_FACTOR)
          this.#arm()
        })
      })
    })
  }

  async #retry(): Promise<void> {
    const work = this.hints.targets.map((target) =>
      this.#host.isAvailable(target) ? this.#handOver(target) : this.#expire(target),
    )
    await Promise.all(work)
    if (this.shortfalls.size > 0) await this.#completeListed()
  }

  /**
   * Completes the events on the list: by a sweep over their range, or from the texts kept there. Not
   * before hints are handed over, which would be overtaken and so not be throttled.
   */
  async #completeListed(): Promise<void> {
    await this.#handoff.settled()
    if (!this.#host.nodes) return this.#completeFromTexts()
    const span = this.shortfalls.span()
    if (span) await this.repair({ from: span.first, to: `${span.last}\0` }, false)
  }

  async #completeFromTexts(): Promise<void> {
    let after: string | undefined
    while (!this.#isClosed) {
      const page = await this.shortfalls.page(after, 100)
      for (const { key, text, holders, missing } of page) {
        after = key
        if (text !== undefined) await this.#complete(key, text, holders, missing)
      }
      if (page.length === 0) return
    }
  }

  async #complete(key: string, text: string, holders: readonly string[], missing: number) {
    const untried = this.#host.rankedNodes(key).filter((id) => !holders.includes(id))
    let lacking = missing
    for (const id of untried.filter((id) => this.#host.isAvailable(id))) {
      if (lacking === 0) return
      try {
        await this.#host.deliver(id, key, text)
        lacking--
        await this.list(key, [id], '')
      } catch (error) {
        await this.list(key, [], `${id}: ${messageOf(error)}`)
      }
    }
  }

  #armSweep(): void {
    const { env, sweepIntervalMs } = this.#host.options
    if (sweepIntervalMs === 0 || this.#isClosed) return
    this.#cancelSweep = env.setTimer(sweepIntervalMs, () => {
      // Not shared: this sweep also covers for a holder that should have taken care and did not.
      this.later(() => this.repair({}, false).finally(() => this.#armSweep()))
    })
  }
}
