import { skerryError } from '../core/errors.ts'
import type { Attempt, LocalNode, WriteNode } from './attempt.ts'
import type { Carrier } from './carrier.ts'
import { COMMIT_LEVELS, isCommitLevel, type CommitLevel } from './commit.ts'
import { Deadlines } from './deadlines.ts'
import type { ResolvedOptions } from './options.ts'
import type { PeerBook, PlacedPeer } from './peers.ts'
import { Planner } from './plan.ts'
import type { ReplicaStore } from './storage.ts'
import type { Upkeep } from './upkeep.ts'
import { Write, type PutRequest, type WriteHost } from './write.ts'

/** How a put may end. */
export type PutOutcome = 'acknowledged' | 'failed' | 'timeout' | 'unavailable'

/** Verdicts since the start. */
export type PutCounts = Readonly<Record<PutOutcome, number>>

/** What puts ask of their coordinator. */
export interface PutsHost {
  readonly options: ResolvedOptions
  readonly peers: PeerBook
  readonly local: LocalNode
  readonly carrier: Carrier
  /** Checks events before they are sent anywhere, where the storage can. */
  readonly store: ReplicaStore | undefined
  readonly upkeep: Upkeep
  readonly conflict: (key: string, nodes: readonly string[]) => void
}

/** The puts on their way: which may begin, how long they may take, and how they ended. */
export class Puts implements WriteHost {
  readonly #host: PutsHost
  readonly #planner: Planner
  /** All of them, by when their silent nodes are given up (again). */
  readonly #writes: Deadlines<Write>
  readonly #deadlines: Deadlines<Write>
  readonly #idle: (() => void)[] = []
  readonly #counts = new Map<CommitLevel, Record<PutOutcome, number>>(
    COMMIT_LEVELS.map((level) => [level, noPuts()]),
  )

  constructor(host: PutsHost) {
    this.#host = host
    this.#planner = new Planner(host.options, host.peers, host.local)
    const { env, replicaTimeoutMs, putTimeoutMs } = host.options
    this.#writes = new Deadlines(env, replicaTimeoutMs, (write) => this.#giveUp(write))
    this.#deadlines = new Deadlines(env, putTimeoutMs - replicaTimeoutMs, (write) => {
      write.expire()
    })
  }

  /** How many puts are on their way. */
  get size(): number {
    return this.#writes.size
  }

  /** Verdicts since the start, by level. */
  get counts(): ReadonlyMap<CommitLevel, PutCounts> {
    return this.#counts
  }

  /** Verdicts since the start, all levels together. */
  get total(): PutCounts {
    const total = noPuts()
    for (const counts of this.#counts.values()) {
      for (const name of Object.keys(total) as PutOutcome[]) total[name] += counts[name]
    }
    return total
  }

  /** Checks a put and starts it, at once or when the storage has been asked. */
  begin(request: PutRequest): void {
    const { store, options, upkeep } = this.#host
    const { level } = request
    const { key, text } = request.replica
    if (typeof key !== 'string' || key === '') throw skerryError('EVENTS_KEY_INVALID', String(key))
    if (!isCommitLevel(level)) throw skerryError('EVENTS_LEVEL_INVALID', String(level))
    const listed = upkeep.shortfalls.size
    const isFull = listed > 0 && listed >= options.maxUnderReplicated
    if (isFull || this.#writes.size >= options.maxInFlight) {
      throw skerryError('EVENTS_OVERLOADED', this.#writes.size, listed)
    }
    const checked = store?.checkReplica(key, text)
    if (checked) checked.then(() => this.#start(request)).catch(request.reject)
    else this.#start(request)
  }

  /** A peer joined, or came back. */
  join(peer: PlacedPeer): void {
    for (const write of this.#writes.items) write.join(peer)
  }

  /** A peer was dropped, or is down. */
  leave(id: string): void {
    for (const write of this.#writes.items) write.leave(id)
  }

  /** Fulfilled once no put is on its way. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  /** Waits for nobody any more. */
  close(): void {
    this.#writes.close()
    this.#deadlines.close()
  }

  /** Whole milliseconds: the engine keeps those, unlike fractions, without a box for each. */
  nowMs(): number {
    return Math.floor(this.#host.options.env.monotonicMs())
  }

  send(write: Write, attempt: Attempt): void {
    const { onBehalfOf } = attempt
    const { replica } = write.request
    const sent = onBehalfOf === undefined ? replica : { ...replica, onBehalfOf }
    this.#host.carrier.send(attempt.node.id, sent, attempt)
  }

  missed(write: Write, node: WriteNode): void {
    this.#host.upkeep.keep(node.id, write.key, write.text)
  }

  late(write: Write, node: WriteNode): void {
    this.#host.upkeep.late(node.id, write.key, write.replicas)
  }

  conflict(write: Write, node: WriteNode): void {
    this.#host.conflict(write.key, [this.#host.local.id, node.id])
  }

  decided(write: Write, verdict: Exclude<PutOutcome, 'unavailable'>): void {
    this.#count(write.request.level, verdict)
  }

  finished(write: Write): void {
    if (write.patience) this.#writes.end(write.patience)
    if (write.deadline) this.#deadlines.end(write.deadline)
    if (!write.isWhole) this.#listShort(write)
    if (this.#writes.size === 0) for (const wake of this.#idle.splice(0)) wake()
  }

  #start(request: PutRequest): void {
    const { replica, level, reject } = request
    const plan = this.#planner.plan(replica.key, level)
    if (!plan.isPossible) {
      this.#count(level, 'unavailable')
      const up = this.#host.peers.up.length + 1
      reject(skerryError('EVENTS_UNAVAILABLE', up, level, plan.replicationFactor))
      return
    }
    const write = new Write(request, plan, this)
    if (write.isFinished) return
    write.patience = this.#writes.add(write, write.startedMs)
  }

  /** The first time around, what is left of the put's own time begins too. */
  #giveUp(write: Write): void {
    const nowMs = this.nowMs()
    write.deadline ??= this.#deadlines.add(write, nowMs)
    write.patience = this.#writes.add(write, nowMs)
    write.giveUp(nowMs - this.#host.options.replicaTimeoutMs)
  }

  #listShort({ key, text, replicas, whyShort }: Write): void {
    const { upkeep } = this.#host
    if (replicas.length > 0) upkeep.later(() => upkeep.list(key, replicas, whyShort, text))
  }

  #count(level: CommitLevel, outcome: PutOutcome): void {
    const counts = this.#counts.get(level)
    if (counts) counts[outcome]++
  }
}

function noPuts(): Record<PutOutcome, number> {
  return { acknowledged: 0, failed: 0, timeout: 0, unavailable: 0 }
}
