import { skerryError } from '../core/errors.ts'
import type { Attempt, LocalNode, WriteNode } from './attempt.ts'
import type { Carrier } from './carrier.ts'
import {
  CommitTracker,
  COMMIT_LEVELS,
  isCommitLevel,
  requirements,
  type CommitLevel,
  type Requirement,
} from './commit.ts'
import { Deadlines } from './deadlines.ts'
import type { ResolvedOptions } from './options.ts'
import type { PeerBook, PlacedPeer } from './peers.ts'
import { place } from './placement.ts'
import type { ReplicaStore } from './storage.ts'
import type { Upkeep } from './upkeep.ts'
import { Write, type Settle, type WriteHost } from './write.ts'

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
  /** All of them, by when their silent nodes are given up (again). */
  readonly #writes: Deadlines<Write>
  readonly #deadlines: Deadlines<Write>
  readonly #idle: (() => void)[] = []
  readonly #counts = new Map<CommitLevel, Record<PutOutcome, number>>(
    COMMIT_LEVELS.map((level) => [level, noPuts()]),
  )

  constructor(host: PutsHost) {
    this.#host = host
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
  begin(key: string, text: string, wanted: CommitLevel | undefined, settle: Settle): void {
    const { store, options, upkeep } = this.#host
    const level: unknown = wanted ?? options.commitLevel
    if (typeof key !== 'string' || key === '') throw skerryError('EVENTS_KEY_INVALID', String(key))
    if (!isCommitLevel(level)) throw skerryError('EVENTS_LEVEL_INVALID', String(level))
    const listed = upkeep.shortfalls.size
    const isFull = listed > 0 && listed >= options.maxUnderReplicated
    if (isFull || this.#writes.size >= options.maxInFlight) {
      throw skerryError('EVENTS_OVERLOADED', this.#writes.size, listed)
    }
    const checked = store?.checkReplica(key, text)
    if (checked) checked.then(() => this.#start(key, text, level, settle)).catch(settle.reject)
    else this.#start(key, text, level, settle)
  }

  /** A peer joined, or came back. */
  join(peer: PlacedPeer): void {
    for (const write of this.#writes) write.join(peer)
  }

  /** A peer was dropped, or is down. */
  leave(id: string): void {
    for (const write of this.#writes) write.leave(id)
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
    const { key, text } = write
    const replica = onBehalfOf === undefined ? write : { key, text, onBehalfOf }
    this.#host.carrier.send(attempt.node.id, replica, attempt)
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
    this.#count(write.level, verdict)
  }

  finished(write: Write): void {
    this.#writes.delete(write)
    this.#deadlines.delete(write)
    if (!write.isWhole) this.#listShort(write)
    if (this.#writes.size === 0) for (const wake of this.#idle.splice(0)) wake()
  }

  #start(key: string, text: string, level: CommitLevel, settle: Settle): void {
    const { peers, local, options } = this.#host
    const { replicationFactor, replicationStrategy } = options
    const count = replicationFactor - 1
    const { replicas, spares } = place(key, peers.list, count, replicationStrategy)
    const intended = [local, ...replicas] as const
    const needs = requirements(level, intended, replicationFactor)
    const isTooFew = intended.length < replicationFactor && level !== 'ONE'
    if (isTooFew || !this.#canReach(needs)) {
      this.#count(level, 'unavailable')
      settle.reject(
        skerryError('EVENTS_UNAVAILABLE', peers.up.length + 1, level, replicationFactor),
      )
      return
    }
    const write = new Write(
      { key, text, level, intended, spares, requirements: needs, replicationFactor, settle },
      this,
    )
    if (write.isFinished) return
    this.#writes.add(write, write.startedMs)
  }

  /** Whether the nodes that are up are enough. When nobody is down, an intended set always is. */
  #canReach(needs: readonly Requirement[]): boolean {
    const { peers, local } = this.#host
    if (peers.up.length === peers.size) return true
    return new CommitTracker(needs, [local, ...peers.up]).verdict !== 'failed'
  }

  /** The first time around, what is left of the put's own time begins too. */
  #giveUp(write: Write): void {
    const nowMs = this.nowMs()
    if (!this.#deadlines.has(write)) this.#deadlines.add(write, nowMs)
    this.#writes.add(write, nowMs)
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
