import { messageOf } from '../core/errors.ts'
import type { Nodes } from './nodes.ts'
import { hashOf, mix } from './peers.ts'
import { planRepair, type RepairPlan, type RepairReport } from './repair.ts'
import { sameEvent } from './storage.ts'
import type { Shortfalls } from './shortfalls.ts'
import { walk, type WalkedRow } from './walk.ts'

/** What a sweep covers. */
export interface RepairOptions {
  /** First key, inclusive; default: the first one there is. */
  readonly from?: string | undefined
  /** Key before which to stop; default: none. */
  readonly to?: string | undefined
  /** Called now and then with the number of events seen so far and the key of the last one. */
  readonly onProgress?: ((events: number, key: string) => void) | undefined
}

/** What a sweep needs of the coordinator. */
export interface SweepHost {
  readonly nodes: Nodes
  readonly shortfalls: Shortfalls
  readonly replicationFactor: number
  readonly pageRows: number
  /** Every known node, best first for the key. */
  readonly rankedNodes: (key: string) => readonly string[]
  readonly conflict: (key: string, nodes: readonly string[]) => void
  /** Lists an event, or takes it off the list if nothing is missing. */
  list(key: string, holders: readonly string[], reason: string): Promise<void>
  isClosed(): boolean
}

/** Copies made at a time. */
const PARALLEL_COPIES = 32

/** One walk over the replicas of all nodes that brings every event up to its number of replicas. */
export class Sweep {
  readonly #host: SweepHost
  readonly #unreachable = new Map<string, string>()
  readonly #counts = { events: 0, copied: 0, missing: 0, unconfirmed: 0, conflicts: 0 }

  constructor(host: SweepHost) {
    this.#host = host
  }

  /**
   * @param shared leave an event to the holder that is first in line for it, because every node
   *   sweeps by itself
   */
  async run(options: RepairOptions, shared: boolean): Promise<RepairReport> {
    const { nodes, pageRows } = this.#host
    const { sources, down } = nodes.all()
    for (const id of down) this.#unreachable.set(id, 'it is down')
    const range = { from: options.from ?? '', below: options.to, limit: pageRows, digests: true }
    const unreachable = (id: string, error: unknown) => {
      this.#unreachable.set(id, messageOf(error))
    }
    for await (const batch of walk(sources, { ...range, unreachable })) {
      for (let at = 0; at < batch.length; at += PARALLEL_COPIES) {
        if (this.#host.isClosed()) return this.#report()
        const rows = batch.slice(at, at + PARALLEL_COPIES)
        await Promise.all(rows.map((row) => this.#repair(row, shared)))
      }
      options.onProgress?.(this.#counts.events, batch.at(-1)?.key ?? '')
    }
    return this.#report()
  }

  #report(): RepairReport {
    return { ...this.#counts, unreachable: [...this.#unreachable.keys()] }
  }

  async #repair({ key, holders: held }: WalkedRow, shared: boolean): Promise<void> {
    const { nodes, replicationFactor, shortfalls, rankedNodes, conflict } = this.#host
    this.#counts.events++
    const holders = held.map(({ id }) => id)
    if (new Set(held.map(({ value }) => value)).size > 1 && !(await this.#agree(key, holders))) {
      this.#counts.conflicts++
      conflict(key, holders)
      return
    }
    if (holders.length >= replicationFactor) {
      if (shortfalls.has(key)) await this.#host.list(key, holders, '')
      return
    }
    if (shared && firstInLine(key, holders) !== nodes.localId) return
    const others = rankedNodes(key).filter((id) => !holders.includes(id))
    const unknown = others.filter((id) => this.#unreachable.has(id))
    const lacking = others.filter((id) => !this.#unreachable.has(id))
    await this.#copy(key, holders, planRepair({ replicationFactor, holders, lacking, unknown }))
  }

  /** Makes the copies; a node that fails is replaced by the next in line. */
  async #copy(key: string, holders: string[], plan: RepairPlan): Promise<void> {
    const reasons: string[] = []
    const wanted = holders.length + plan.copies.length
    let text: string | undefined
    for (const target of [...plan.copies, ...plan.spares]) {
      if (holders.length >= wanted) break
      try {
        text ??= await this.#fetch(key, holders)
        await this.#host.nodes.put(target, { key, text })
        holders.push(target)
        this.#counts.copied++
      } catch (error) {
        reasons.push(`${target}: ${messageOf(error)}`)
      }
    }
    if (plan.unconfirmed > 0) this.#counts.unconfirmed++
    const isMissing = plan.missing > 0 || holders.length < wanted
    if (isMissing) this.#counts.missing++
    if (!isMissing && !this.#host.shortfalls.has(key)) return
    await this.#host.list(key, holders, reasons.join('; ') || this.#whyMissing(plan))
  }

  #whyMissing({ unconfirmed }: RepairPlan): string {
    if (unconfirmed === 0) return 'too few nodes'
    return `no answer from ${[...this.#unreachable.keys()].join(', ')}`
  }

  async #fetch(key: string, holders: readonly string[]): Promise<string> {
    let failure: unknown = new Error('nobody has it any more')
    for (const id of holders) {
      try {
        const text = await this.#host.nodes.get(id, key)
        if (text !== undefined) return text
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  /** Digests that differ may belong to texts that say the same in another order. */
  async #agree(key: string, holders: readonly string[]): Promise<boolean> {
    const asked = await Promise.allSettled(holders.map((id) => this.#fetch(key, [id])))
    const texts = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    return texts.every((text) => sameEvent(texts[0] as string, text))
  }
}

/** The holder that takes care of an event: another one for every key. */
function firstInLine(key: string, holders: readonly string[]): string | undefined {
  const keyHash = hashOf(key)
  let first: string | undefined
  let best = -1
  for (const id of holders) {
    const score = mix(keyHash ^ hashOf(id))
    if (score > best || (score === best && first !== undefined && id < first)) {
      best = score
      first = id
    }
  }
  return first
}
