import type { Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import { dealerFor } from './dealer.ts'
import { Emitter } from './emitter.ts'
import type { ClusterEvent } from './event.ts'
import { assertFieldsKnown, newMember, probeUrl, takesWork } from './member.ts'
import type { Member, MemberInput } from './member.ts'
import { Monitor } from './monitor.ts'
import type { ResolvedClusterOptions } from './options.ts'
import type { Prober, ProbeResult } from './prober.ts'
import type { Notice, Registry } from './registry.ts'
import { Replica } from './replica.ts'
import { Contest } from './ring/rendezvous.ts'
import { assertId, spread } from './ring/ring.ts'
import { ownerFirst, slotOf } from './ring/slots.ts'
import type { ClusterStatus, NodeHealth } from './status.ts'
import type { Draft, View } from './view.ts'
import { Worker } from './worker.ts'
import { Workload } from './workload.ts'

export interface ClusterParts {
  readonly env: Env
  readonly registry: Registry
  readonly prober: Prober
  readonly options: ResolvedClusterOptions
}

/** While waiting for a drain, looks this many times in a lease. */
const LOOKS_PER_LEASE = 10

/**
 * Members that are watched, and work dealt out among them. Make one with `createCluster`.
 *
 * All processes that use the same registry and name are one cluster: they see the same members, the
 * same owners and the same events.
 */
export class Cluster extends Emitter<ClusterEvent> {
  readonly #parts: ClusterParts
  readonly #replica: Replica
  readonly #monitor: Monitor | undefined
  readonly #workload: Workload
  readonly #workers = new Map<string, Worker>()
  #state: 'new' | 'starting' | 'started' | 'destroyed' = 'new'
  #unsubscribe: () => void = () => {}
  #destroying: Promise<void> | undefined
  #contest: { view: View; contest: Contest } | undefined
  #lastError = ''

  constructor(parts: ClusterParts) {
    const { env, registry, options } = parts
    const asEvent = (error: unknown) =>
      ({ type: 'error', nodeId: options.id, error: asError(error) }) as const
    super(env, asEvent)
    this.#parts = parts
    this.#workload = new Workload(registry, options.slots)
    this.#replica = new Replica(env, registry, dealerFor({ ...options, algorithm: options.ring }), {
      event: (event) => this.emit(event),
      view: (view) => this.#see(view),
    })
    this.#monitor = options.monitor ? this.#newMonitor() : undefined
  }

  /** What it was made with, complete. */
  get options(): ResolvedClusterOptions {
    return this.#parts.options
  }

  /**
   * Connects to the registry and learns who is there. Owners can be asked for when it resolves.
   * @throws SKERRY_REGISTRY_UNAVAILABLE, SKERRY_CLUSTER_MISMATCH
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw skerryError('CLUSTER_CLOSED')
    const { registry, options } = this.#parts
    this.#state = 'starting'
    try {
      await registry.open(options.slots)
      await this.#replica.load()
      this.#unsubscribe = registry.subscribe((notice) => this.#hear(notice))
      await this.#monitor?.start()
    } catch (error) {
      await this.destroy()
      throw error
    }
    this.#assertNotDestroyed()
    this.#state = 'started'
    this.emit({ type: 'started', nodeId: options.id })
  }

  /**
   * Adds a member, or updates the one with this id; it starts out alive and gets its share of slots
   * at once.
   * @throws SKERRY_MEMBER_INVALID naming what is wrong
   */
  async join(input: MemberInput): Promise<Member> {
    assertFieldsKnown(input)
    const member = newMember(input, 0)
    await this.#change(({ members }) => {
      const incarnation = (members.get(member.id)?.incarnation ?? 0) + 1
      return { members: [{ ...member, incarnation: this.#fresh(incarnation) }] }
    })
    return this.#member(member.id)
  }

  /**
   * Removes a member. Its slots go to the others; a worker of it finishes and hands over.
   * @throws SKERRY_MEMBER_UNKNOWN
   */
  async leave(id: string): Promise<void> {
    this.#assertStarted()
    await this.#replica.refresh()
    this.#member(id)
    await this.#change(({ members }) => (members.has(id) ? { left: [id] } : undefined))
  }

  /**
   * Moves everything away from a member, which stays a member but takes no work until it joins
   * again. Resolves when its worker, if any, has handed over the last slot.
   * @throws SKERRY_MEMBER_UNKNOWN, SKERRY_DRAIN_IMPOSSIBLE if there is nobody to take over
   */
  async drain(id: string): Promise<void> {
    await this.#change((view) => {
      const member = memberOf(view, id)
      const others = [...view.members.values()].filter((other) => other.id !== id)
      if (!others.some(takesWork)) throw skerryError('DRAIN_IMPOSSIBLE', id)
      return member.draining ? undefined : { members: [{ ...member, draining: true }] }
    })
    while (this.#state === 'started' && (await this.#holdsRights(id))) {
      await this.#pause(this.#parts.options.leaseMs / LOOKS_PER_LEASE)
    }
    this.#assertStarted()
  }

  /**
   * Takes a member out of the ring at once, as its health check would when it is next asked: for a
   * process that is about to stop. It takes work again once it joins, or its health check is asked
   * and answers 2xx.
   * @throws SKERRY_MEMBER_UNKNOWN
   */
  async stepAside(id: string): Promise<void> {
    await this.#change((view) => {
      const member = memberOf(view, id)
      const incarnation = this.#fresh(member.incarnation + 1)
      return member.ready ? { members: [{ ...member, ready: false, incarnation }] } : undefined
    })
  }

  /**
   * Adds keys to the work. Each belongs to exactly one member from then on.
   * @returns how many were new
   * @throws SKERRY_WORK_KEY_INVALID
   */
  async distribute(keys: Iterable<string>): Promise<number> {
    this.#assertStarted()
    return this.#workload.add(keys)
  }

  /**
   * Takes keys out of the work.
   * @returns how many were there
   * @throws SKERRY_WORK_KEY_INVALID
   */
  async release(keys: Iterable<string>): Promise<number> {
    this.#assertStarted()
    return this.#workload.remove(keys)
  }

  /**
   * The distributed keys that are assigned to a member.
   * @throws SKERRY_MEMBER_UNKNOWN
   */
  async getNodeKeys(id: string): Promise<string[]> {
    this.#assertStarted()
    await this.#replica.refresh()
    this.#member(id)
    return this.#workload.of(id, this.#replica.view.owners)
  }

  /**
   * The member that `key` is assigned to, distributed or not; undefined if there is no member. No
   * round trip.
   */
  getKeyNode(key: string): string | undefined {
    return this.#replica.view.owners[this.#slotOf(key)] || undefined
  }

  /** Up to `n` members for `key`: its owner, then others that take work, spread over zones. */
  getKeyNodes(key: string, n: number): string[] {
    const { view } = this.#replica
    if (this.#contest?.view !== view) this.#contest = { view, contest: contestOf(view) }
    const slot = this.#slotOf(key)
    const owner = view.owners[slot] || undefined
    return owner === undefined ? [] : spread(ownerFirst(owner, slot, this.#contest.contest), n)
  }

  /** Everybody, sorted by id. */
  members(): Member[] {
    return [...this.#replica.view.members.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** @throws SKERRY_MEMBER_UNKNOWN */
  getNodeHealth(id: string): NodeHealth {
    const { status, ready, draining, failures } = this.#member(id)
    return { status, ready, draining, failures }
  }

  /**
   * Probes a member now. What it finds changes nothing else.
   * @throws SKERRY_MEMBER_UNKNOWN
   */
  async pingNode(id: string): Promise<ProbeResult> {
    this.#assertStarted()
    const { prober, options } = this.#parts
    return prober.probe(probeUrl(this.#member(id)), options.heartbeatTimeoutMs)
  }

  /**
   * Forgets the misses of a member; suspect or dead, it is alive until it misses again.
   * @throws SKERRY_MEMBER_UNKNOWN
   */
  async resetNodeFailures(id: string): Promise<void> {
    await this.#change((view) => {
      const member = memberOf(view, id)
      const incarnation = this.#fresh(member.incarnation + 1)
      return { members: [{ ...member, status: 'alive', failures: 0, incarnation }] }
    })
  }

  /**
   * The right to work on what is assigned to a member; one for each member in a process; a
   * new one after the last has stopped.
   * @throws SKERRY_MEMBER_INVALID
   */
  worker(id: string): Worker {
    this.#assertStarted()
    const known = this.#workers.get(id)
    if (known && !known.stopped) return known
    assertId(id)
    const worker = new Worker(id, { ...this.#parts, replica: this.#replica })
    this.#workers.set(id, worker)
    return worker
  }

  /** The share of every member and what this process does, for operators. */
  status(): ClusterStatus {
    const { view, head } = this.#replica
    const slots = new Map<string, number>()
    for (const id of view.owners) slots.set(id, (slots.get(id) ?? 0) + 1)
    return {
      id: this.#parts.options.id,
      leader: head?.leadership.monitor ?? '',
      term: head?.leadership.term ?? 0,
      version: view.version,
      recovering: head?.recovering ?? false,
      members: this.members().map((member) => ({ ...member, slots: slots.get(member.id) ?? 0 })),
    }
  }

  /** Stops everything: workers hand over, a leader resigns, no timer or socket is left. */
  async destroy(): Promise<void> {
    this.#destroying ??= this.#shutDown()
    return this.#destroying
  }

  async #shutDown(): Promise<void> {
    this.#state = 'destroyed'
    this.#unsubscribe()
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()))
    this.#parts.prober.close()
    await this.#monitor?.stop()
    await this.#parts.registry.close()
    this.close()
  }

  async #change(draft: (view: View) => Draft | undefined): Promise<void> {
    this.#assertStarted()
    await this.#replica.change(draft)
  }

  /** An incarnation that no earlier member of this id had, even one that left: at least the time. */
  #fresh(incarnation: number): number {
    return Math.max(incarnation, Number(this.#parts.env.now() / 1_000_000n))
  }

  #slotOf(key: string): number {
    return slotOf(key, this.#parts.options.slots)
  }

  async #holdsRights(id: string): Promise<boolean> {
    const { registry } = this.#parts
    const [sessions, rights] = await Promise.all([registry.sessions(), registry.rights()])
    const mine = new Set(
      sessions.filter(({ worker }) => worker === id).map(({ session }) => session),
    )
    return [...rights.values()].some((session) => mine.has(session))
  }

  #member(id: string): Member {
    return memberOf(this.#replica.view, id)
  }

  #see(view: View): void {
    this.#monitor?.see(view)
    for (const worker of this.#workers.values()) worker.look()
  }

  #hear(notice: Notice): void {
    if (notice.type !== 'changed') return
    for (const worker of this.#workers.values()) worker.look()
    this.#replica.refresh().catch((error: unknown) => this.#report(error))
  }

  #newMonitor(): Monitor {
    const { options } = this.#parts
    return new Monitor(options.id, {
      ...this.#parts,
      replica: this.#replica,
      options: {
        intervalMs: options.heartbeatIntervalMs,
        timeoutMs: options.heartbeatTimeoutMs,
        concurrency: options.heartbeatConcurrency,
        maxFailures: options.heartbeatMaxFailures,
        leaseMs: options.leaseMs,
      },
      onError: (error) => this.#report(error),
    })
  }

  /** A failure that repeats with every poll is told once, until something else fails. */
  #report(error: unknown): void {
    const event = { type: 'error', nodeId: this.#parts.options.id, error: asError(error) } as const
    if (this.#state === 'destroyed' || event.error.message === this.#lastError) return
    this.#lastError = event.error.message
    this.emit(event)
  }

  async #pause(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => void this.#parts.env.setTimer(delayMs, resolve))
  }

  /** Destroyed while it started: `start()` then rejects. */
  #assertNotDestroyed(): void {
    if (this.#state === 'destroyed') throw skerryError('CLUSTER_CLOSED')
  }

  #assertStarted(): void {
    if (this.#state !== 'started') throw skerryError('CLUSTER_CLOSED')
  }
}

function memberOf(view: View, id: string): Member {
  const member = view.members.get(id)
  if (member === undefined) throw skerryError('MEMBER_UNKNOWN', id)
  return member
}

function contestOf({ members }: View): Contest {
  const candidates = [...members.values()].map((member) => {
    const { id, weight, zone, region } = member
    // Zones are told apart within their region.
    const place = zone === '' && region === '' ? '' : JSON.stringify([region, zone])
    return { id, weight, zone: place, available: takesWork(member) }
  })
  return new Contest(candidates)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error), { cause: error })
}
