import type { CancelTimer, Env } from '../core/env.ts'
import { randomId } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import { Emitter } from './emitter.ts'
import { Pulse } from './pulse.ts'
import type { Registry, Right } from './registry.ts'
import type { Replica } from './replica.ts'
import { slotOf } from './ring/slots.ts'

/** A slot this worker may work on from now on, and the keys in it at this moment. */
export interface Assignment extends Right {
  readonly keys: readonly string[]
}

export type WorkerEvent =
  | {
      readonly type: 'assigned'
      readonly nodeId: string
      readonly slots: readonly Assignment[]
    }
  | {
      readonly type: 'revoked'
      readonly nodeId: string
      /** `moved`: somebody else gets them once this worker is done; `lost`: the lease ran out. */
      readonly reason: 'moved' | 'lost'
      readonly slots: readonly Right[]
      /** The slots are given back when all these promises are settled. */
      readonly waitUntil: (done: Promise<unknown>) => void
    }
  | { readonly type: 'error'; readonly nodeId: string; readonly error: Error }

export interface WorkerOptions {
  readonly slots: number
  readonly leaseMs: number
  /** Slots in handover at one time, of one worker. */
  readonly moveConcurrency: number
  /** Until slots are given back although `waitUntil` is not settled. */
  readonly handoverTimeoutMs: number
}

export interface WorkerParts {
  readonly env: Env
  readonly registry: Registry
  readonly replica: Replica
  readonly options: WorkerOptions
}

const BEATS_PER_LEASE = 4
/** One verb on the registry carries so many slots. */
const BATCH = 256

/**
 * Holds the right to work on slots, for one member. The table says what is assigned; the right
 * follows it in two phases: the old holder is told `revoked`, finishes and gives back, then the new
 * one is told `assigned`. What doesn't move is never interrupted.
 *
 * A right ends by itself when the worker could not renew its lease, by its own monotonic clock and
 * before anybody else can get it. What takes effect outside should carry the epoch, and whoever
 * receives it refuse an epoch lower than the highest seen: that holds even against a worker that
 * stood still between the check and the effect.
 *
 * @example
 * const worker = cluster.worker('node-1')
 * worker.on('assigned', ({ slots }) => slots.forEach(({ keys }) => keys.forEach(startPolling)))
 * worker.on('revoked', ({ slots, waitUntil }) => waitUntil(stopPolling(slots)))
 * await worker.start()
 * if (worker.epochOf(key) !== undefined) …
 */
export class Worker extends Emitter<WorkerEvent> {
  /** The member it works for. */
  readonly id: string
  readonly #parts: WorkerParts
  readonly #pulse: Pulse
  readonly #held = new Map<number, number>()
  /** Revoked, but not given back yet. */
  readonly #leaving = new Map<number, number>()
  /** Not held, though the registry may think so: revoked just now, or the answer to a claim was lost. */
  readonly #unsure = new Set<number>()
  #session: string | undefined
  #validUntil = 0
  #cancelExpiry: CancelTimer = () => {}
  #stopping = false

  constructor(id: string, parts: WorkerParts) {
    super(parts.env, (error) => ({ type: 'error', nodeId: id, error: asError(error) }))
    this.id = id
    this.#parts = parts
    const periodMs = parts.options.leaseMs / BEATS_PER_LEASE
    this.#pulse = new Pulse(parts.env, periodMs, () => this.#step())
  }

  /** Whether it was told to stop. */
  get stopped(): boolean {
    return this.#stopping
  }

  /** Takes up its slots from now on. Listen first. */
  async start(): Promise<void> {
    if (this.#stopping) throw skerryError('CLUSTER_CLOSED')
    await this.#pulse.wake()
  }

  /** Gives everything back, once the listeners of `revoked` are done. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#pulse.stop()
    await this.#giveBack([...this.#held.keys()], 'moved')
    this.#cancelExpiry()
    await this.#quietly(async () => {
      await this.#closeSession()
      await this.#parts.registry.publish({ type: 'changed' })
    })
    this.close()
  }

  /**
   * The epoch to work on `key` with; undefined if this worker has no right to it at this moment. No
   * round trip: ask before each effect.
   */
  epochOf(key: string): number | undefined {
    return this.epochOfSlot(slotOf(key, this.#parts.options.slots))
  }

  /** The same for a slot. */
  epochOfSlot(slot: number): number | undefined {
    return this.#isValid() ? this.#held.get(slot) : undefined
  }

  /** Every slot this worker may work on now. */
  rights(): Right[] {
    if (!this.#isValid()) return []
    return Array.from(this.#held, ([slot, epoch]) => ({ slot, epoch }))
  }

  /** The keys this worker may work on now, each with its epoch; new ones are found here. */
  async keys(): Promise<Map<string, number>> {
    const found = new Map<string, number>()
    for (const { slot, epoch, keys } of await this.#withKeys(this.rights())) {
      if (this.epochOfSlot(slot) === epoch) for (const key of keys) found.set(key, epoch)
    }
    return found
  }

  /** Looks at once for what changed in the table. */
  look(): void {
    if (this.#session !== undefined) void this.#pulse.wake()
  }

  async #step(): Promise<void> {
    try {
      await this.#beat()
      await this.#settle()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #beat(): Promise<void> {
    const { env, registry } = this.#parts
    if (this.#session !== undefined && !this.#isValid()) {
      await this.#giveBack([...this.#held.keys()], 'lost')
      await this.#closeSession()
    }
    // The lease counts from here: whoever fences sees this beat later than it is sent.
    const sentAt = env.monotonicMs()
    if (this.#session === undefined) {
      const session = randomId(env)
      await registry.openSession(session, this.id)
      this.#session = session
      this.#unsure.clear()
      this.#extend(sentAt)
      return
    }
    const answer = await registry.beatSession(this.#session)
    if (answer === 'held') this.#extend(sentAt)
    else if (answer === 'recovering' && this.#isValid()) await this.#reassert(sentAt)
    else this.#expire()
  }

  /** Brings what is held in line with what is assigned. */
  async #settle(): Promise<void> {
    const { replica, options } = this.#parts
    const session = this.#session
    if (session === undefined || this.#stopping) return
    await replica.refresh()
    const { owners } = replica.view
    const surplus = [...this.#held.keys()].filter((slot) => owners[slot] !== this.id)
    const room = Math.max(0, options.moveConcurrency - this.#leaving.size)
    // Not awaited: a listener that takes its time must not keep this worker from its beat.
    void this.#handOver(surplus.slice(0, room))
    await this.#releaseStrays(session)
    await this.#claimMissing(session)
  }

  async #claimMissing(session: string): Promise<void> {
    const { registry, replica } = this.#parts
    const { owners, version } = replica.view
    const missing: number[] = []
    owners.forEach((id, slot) => {
      if (id === this.id && !this.#held.has(slot) && !this.#leaving.has(slot)) missing.push(slot)
    })
    for (let at = 0; at < missing.length; at += BATCH) {
      const batch = missing.slice(at, at + BATCH)
      for (const slot of batch) this.#unsure.add(slot)
      const answer = await registry.claim(session, version, batch)
      if (typeof answer !== 'string' && answer.granted.length > 0) {
        await this.#take(session, answer.granted)
      }
      for (const slot of batch) this.#unsure.delete(slot)
      if (typeof answer === 'string') return
    }
  }

  async #take(session: string, granted: readonly Right[]): Promise<void> {
    const assigned = await this.#withKeys(granted)
    if (this.#session !== session || !this.#isValid()) return
    for (const { slot, epoch } of granted) this.#held.set(slot, epoch)
    this.emit({ type: 'assigned', nodeId: this.id, slots: assigned })
  }

  async #handOver(slots: readonly number[]): Promise<void> {
    if (slots.length === 0) return
    await this.#giveBack(slots, 'moved')
    this.look()
  }

  /** Revokes and waits for the listeners; only then may slots be released. */
  async #giveBack(slots: readonly number[], reason: 'moved' | 'lost'): Promise<void> {
    const rights: Right[] = []
    for (const slot of slots) {
      const epoch = this.#held.get(slot)
      if (epoch === undefined) continue
      this.#held.delete(slot)
      this.#leaving.set(slot, epoch)
      rights.push({ slot, epoch })
    }
    if (rights.length === 0) return
    const session = this.#session
    await this.#revoke(rights, reason)
    for (const { slot } of rights) {
      this.#leaving.delete(slot)
      if (this.#session === session) this.#unsure.add(slot)
    }
  }

  /**
   * Gives back what this session may have a right to and doesn't hold. Never while a claim is under
   * way, and by the table it looked at: a release that arrives late takes nothing away that was
   * claimed anew.
   */
  async #releaseStrays(session: string): Promise<void> {
    const { registry, replica } = this.#parts
    const { owners, version } = replica.view
    const stray = [...this.#unsure].filter((slot) => owners[slot] !== this.id)
    if (stray.length === 0 || !(await registry.release(session, version, stray))) return
    for (const slot of stray) this.#unsure.delete(slot)
    await registry.publish({ type: 'changed' })
  }

  async #revoke(slots: readonly Right[], reason: 'moved' | 'lost'): Promise<void> {
    const pending: Promise<unknown>[] = []
    const waitUntil = (done: Promise<unknown>): void => void pending.push(done)
    this.emit({ type: 'revoked', nodeId: this.id, reason, slots, waitUntil })
    if (pending.length === 0) return
    const { env, options } = this.#parts
    await new Promise<void>((resolve) => {
      const cancel = env.setTimer(options.handoverTimeoutMs, () => {
        this.#fail(skerryError('HANDOVER_OVERDUE', this.id, options.handoverTimeoutMs))
        resolve()
      })
      void Promise.allSettled(pending).then((results) => {
        cancel()
        for (const result of results) if (result.status === 'rejected') this.#fail(result.reason)
        resolve()
      })
    })
  }

  /** The registry lost its sessions: tell it what this worker held all along. */
  async #reassert(sentAt: number): Promise<void> {
    const { registry } = this.#parts
    const session = this.#session
    if (session === undefined) return
    const rights = [...this.#held, ...this.#leaving].map(([slot, epoch]) => ({ slot, epoch }))
    const kept = new Set<number>()
    for (let at = 0; at === 0 || at < rights.length; at += BATCH) {
      const answer = await registry.reassert(
        { session, worker: this.id },
        rights.slice(at, at + BATCH),
      )
      if (answer === 'closed') return this.#expire()
      for (const slot of answer) kept.add(slot)
    }
    this.#extend(sentAt)
    const lost = [...this.#held.keys()].filter((slot) => !kept.has(slot))
    await this.#giveBack(lost, 'lost')
  }

  async #withKeys(rights: readonly Right[]): Promise<Assignment[]> {
    const keys = await this.#parts.registry.keysIn(rights.map(({ slot }) => slot))
    return rights.map((right) => ({ ...right, keys: keys.get(right.slot) ?? [] }))
  }

  async #closeSession(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    if (session !== undefined) await this.#parts.registry.closeSession(session)
  }

  #extend(sentAt: number): void {
    const { env, options } = this.#parts
    this.#validUntil = sentAt + options.leaseMs
    this.#cancelExpiry()
    const restMs = Math.max(0, this.#validUntil - env.monotonicMs())
    this.#cancelExpiry = env.setTimer(restMs, () => {
      void this.#giveBack([...this.#held.keys()], 'lost').catch((error: unknown) =>
        this.#fail(error),
      )
    })
  }

  /** From now on nothing is held; the next beat begins a new session. */
  #expire(): void {
    this.#validUntil = 0
    void this.#pulse.wake()
  }

  #isValid(): boolean {
    return this.#parts.env.monotonicMs() < this.#validUntil
  }

  async #quietly(step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.emit({ type: 'error', nodeId: this.id, error: asError(error) })
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error })
}
