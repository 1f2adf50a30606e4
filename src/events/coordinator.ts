import { skerryError, type SkerryError } from '../core/errors.ts'
import type { LocalNode } from './attempt.ts'
import { Carrier } from './carrier.ts'
import { quorum, type CommitLevel } from './commit.ts'
import { Emitter } from './emitter.ts'
import { Nodes } from './nodes.ts'
import { resolveOptions, type CoordinatorOptions, type ResolvedOptions } from './options.ts'
import { PeerBook, type Peer, type PeerLocation, type PlacedPeer } from './peers.ts'
import { place } from './placement.ts'
import { Puts, type PutCounts } from './puts.ts'
import { Reader, type ScanOptions, type StoredEvent, type StoredText } from './reader.ts'
import type { RepairReport } from './repair.ts'
import type { Shortfall } from './shortfalls.ts'
import {
  eventText,
  isReplicaStore,
  type Answer,
  type EventStorage,
  type ReplicaStore,
} from './storage.ts'
import type { RepairOptions } from './sweep.ts'
import { Upkeep, type RepairCounts } from './upkeep.ts'
import type { PutRequest, PutResult } from './write.ts'

/** The events a coordinator emits, with their arguments. */
export interface CoordinatorEvents {
  /** A replica is to be carried to a peer: call back, or return a promise. */
  _put: [peer: Peer, key: string, event: unknown, callback: Answer]
  /** An event has fewer replicas than it should have, and is listed. */
  underReplicated: [shortfall: Shortfall]
  /** Nodes hold different contents under one key. */
  conflict: [key: string, nodes: readonly string[]]
  /** A peer that had been away took the copies kept for it. */
  handedOff: [peer: string, events: number]
  /** Work in the background failed; it is tried again. */
  error: [error: unknown]
}

/** How a coordinator stands. */
export interface CoordinatorStatus {
  readonly peers: number
  readonly inFlight: number
  readonly hints: number
  readonly underReplicated: number
  /** Verdicts since the start. */
  readonly puts: PutCounts
  /** What sweeps did since the start: those of `repair`, and those that it makes by itself. */
  readonly repair: RepairCounts
  /** Kept copies handed over to nodes that were back, since the start. */
  readonly handedOff: number
  /** Different contents found under one key, since the start. */
  readonly conflicts: number
  /** Failures of work in the background since the start. */
  readonly errors: number
}

/** Told the verdict: an error, or nothing and what became of the put. */
export type PutCallback = (error?: SkerryError, result?: PutResult) => void

/**
 * Places replicas of immutable events on peers, counts who has them, and sees to it that each
 * event ends on as many nodes as it should. Made by `createCoordinator`.
 *
 * A put is acknowledged by the set of nodes that have the event, whatever the order of their
 * answers. A replica that fails or stays silent is replaced by another peer, and a copy is kept
 * for the one that missed it.
 */
export class Coordinator extends Emitter<CoordinatorEvents> {
  readonly #options: ResolvedOptions
  readonly #carrier: Carrier
  readonly #store: ReplicaStore | undefined
  readonly #reader: Reader | undefined
  readonly #peers = new PeerBook()
  readonly #local: LocalNode
  readonly #upkeep: Upkeep
  readonly #puts: Puts
  readonly #opening: Promise<void>
  #errors = 0
  #handedOff = 0
  #conflicts = 0
  #state: 'opening' | 'open' | 'closed' = 'opening'

  /**
   * @param storage where the local copies go: anything with alldata's `put`, or a store that can
   *   be read back, which `get`, `scan` and `repair` need
   */
  constructor(storage: EventStorage | ReplicaStore, options: CoordinatorOptions) {
    super()
    this.#options = resolveOptions(options)
    this.#carrier = new Carrier(this.#options, storage, {
      peer: (id) => this.#peers.get(id)?.peer,
      listeners: () => this.listeners('_put'),
    })
    this.#store = isReplicaStore(storage) ? storage : undefined
    const { id, transport } = this.#options
    this.#local = { id, zone: undefined, region: undefined, available: true }
    const nodes =
      this.#store && transport && new Nodes(this.#options, this.#store, transport, this.#peers)
    this.#upkeep = new Upkeep({
      options: this.#options,
      nodes,
      rankedNodes: (key) => this.#rankedNodes(key),
      isKnown: (node) => node === id || this.#peers.get(node) !== undefined,
      isAvailable: (node) => this.#isUp(node),
      deliver: (target, key, text) => this.#carrier.deliver(target, { key, text }),
      conflict: (key, nodes) => this.#contradicted(key, nodes),
      listed: (shortfall) => this.emit('underReplicated', shortfall),
      handedOff: (target, events) => {
        this.#handedOff += events
        this.emit('handedOff', target, events)
      },
      failed: (error) => this.#failed(error),
    })
    this.#reader = nodes && this.#readerOf(nodes)
    this.#puts = new Puts({
      ...{ options: this.#options, peers: this.#peers, local: this.#local, store: this.#store },
      ...{ carrier: this.#carrier, upkeep: this.#upkeep },
      conflict: (key, ids) => this.#contradicted(key, ids),
    })
    this.#opening = this.#upkeep.open().then(() => {
      if (this.#state === 'opening') this.#state = 'open'
    })
    this.#opening.catch((error: unknown) => this.#failed(error))
  }

  /** Fulfilled once hints and list of an earlier run are read; puts wait for it by themselves. */
  ready(): Promise<void> {
    return this.#opening
  }

  /**
   * Makes a peer known, or updates its address and place.
   * @throws SKERRY_EVENTS_PEER_INVALID
   */
  addPeer(peer: Peer, location?: PeerLocation): void {
    if (peer?.id === this.#local.id) {
      throw skerryError('EVENTS_PEER_INVALID', `'${peer.id}' is this node itself`)
    }
    this.#peers.add(peer, location)
    this.#welcome(peer.id)
  }

  /**
   * Forgets a peer, wherever it was filed; an unknown one is no matter. What it held is copied to
   * others in the background. The second argument is alldata's and says nothing new.
   */
  dropPeer(peer: Pick<Peer, 'id'>, _location?: PeerLocation): void {
    if (!this.#peers.drop(peer.id)) return
    this.#puts.leave(peer.id)
    this.#upkeep.later(async () => {
      await this.#opening
      await this.#upkeep.dismiss(peer.id)
    })
  }

  /** Says that a known peer is down (it gets hints instead of replicas), or up again. */
  setAvailable(id: string, available: boolean): void {
    if (!this.#peers.setAvailable(id, available)) return
    if (available) this.#welcome(id)
    else this.#puts.leave(id)
  }

  /**
   * Stores an event on as many nodes as the options say, and answers once the commit level is
   * reached; the rest follows in the background.
   *
   * @param key sortable, as `generateKey` makes it; a log takes no other
   * @param event anything with a JSON form
   * @throws SKERRY_EVENTS_UNAVAILABLE nothing was written: too few nodes
   * @throws SKERRY_EVENTS_FAILED too many nodes refused; others may have it
   * @throws SKERRY_EVENTS_TIMEOUT undecided at the deadline; it may yet be stored
   * @throws SKERRY_EVENTS_CONFLICT the key is taken by another event
   */
  put(key: string, event: unknown, level?: CommitLevel): Promise<PutResult>
  put(key: string, event: unknown, callback: PutCallback): void
  put(key: string, event: unknown, level: CommitLevel | undefined, callback: PutCallback): void
  put(
    key: string,
    event: unknown,
    levelOrCallback?: CommitLevel | PutCallback,
    callback?: PutCallback,
  ): Promise<PutResult> | undefined {
    const listener = typeof levelOrCallback === 'function' ? levelOrCallback : callback
    const wanted = typeof levelOrCallback === 'function' ? undefined : levelOrCallback
    const level = wanted ?? this.#options.commitLevel
    const result = new Promise<PutResult>((resolve, reject) => {
      this.#put({ replica: { key, text: eventText(event) }, level, resolve, reject })
    })
    if (!listener) return result
    // What the listener throws is not an error of the put; as an unhandled rejection it is seen.
    void result.then(
      (put) => listener(undefined, put),
      (error: SkerryError) => listener(error),
    )
    return undefined
  }

  /** The same as {@link put}, for an event that is valid JSON text on one line already. */
  putText(key: string, text: string, wanted?: CommitLevel): Promise<PutResult> {
    const level = wanted ?? this.#options.commitLevel
    const replica = { key, text }
    return new Promise((resolve, reject) => this.#put({ replica, level, resolve, reject }))
  }

  /**
   * Reads an event: from whoever answers first of those that should have it, else from the rest.
   * Nodes that should have it and don't get it in the background.
   *
   * @returns the event, or nothing if nobody has it
   * @throws SKERRY_EVENTS_INCOMPLETE nobody who answered has it, but others did not answer
   */
  async get(key: string): Promise<StoredEvent | undefined> {
    const text = await this.getText(key)
    return text === undefined ? undefined : { key, event: JSON.parse(text) }
  }

  /** The same as {@link get}, as JSON text. */
  async getText(key: string): Promise<string | undefined> {
    await this.#opening
    const reader = this.#readable('get')
    return new Promise((resolve, reject) => {
      this.#upkeep.later(() => reader.get(key, resolve).catch(reject))
    })
  }

  /**
   * The events of the whole cluster in key order, each once, in bounded memory.
   * @throws SKERRY_EVENTS_INCOMPLETE when so many nodes are out of reach that it could miss events
   * @example
   * for await (const { key, event } of coordinator.scan({ from: '20260101' })) …
   */
  async *scan(options: ScanOptions = {}): AsyncGenerator<StoredEvent, void> {
    for await (const batch of this.scanTexts(options)) {
      for (const { key, text } of batch) yield { key, event: JSON.parse(text) as unknown }
    }
  }

  /** The same as {@link scan}, as JSON texts and in batches. */
  async *scanTexts(options: ScanOptions = {}): AsyncGenerator<readonly StoredText[], void> {
    await this.#opening
    yield* this.#readable('scan').scan(options)
  }

  /**
   * Walks over the replicas of all nodes and copies what is missing somewhere.
   * @throws SKERRY_EVENTS_WRITE_ONLY if storage or transport can't be read
   */
  async repair(options: RepairOptions = {}): Promise<RepairReport> {
    await this.#opening
    return this.#upkeep.repair(options, false)
  }

  /** The under-replicated events, in key order. */
  async *underReplicated(): AsyncGenerator<Shortfall, void> {
    await this.#opening
    let page = await this.#upkeep.shortfalls.page(undefined, this.#options.pageRows)
    while (page.length > 0) {
      yield* page
      page = await this.#upkeep.shortfalls.page(page.at(-1)?.key, this.#options.pageRows)
    }
  }

  /** Verdicts since the start, by level. */
  get puts(): ReadonlyMap<CommitLevel, PutCounts> {
    return this.#puts.counts
  }

  status(): CoordinatorStatus {
    return {
      peers: this.#peers.size,
      inFlight: this.#puts.size,
      hints: this.#upkeep.hints.total,
      underReplicated: this.#upkeep.shortfalls.size,
      puts: this.#puts.total,
      repair: this.#upkeep.repaired,
      handedOff: this.#handedOff,
      conflicts: this.#conflicts,
      errors: this.#errors,
    }
  }

  /** Fulfilled once no put is on its way and no work of the background is under way. */
  async settled(): Promise<void> {
    await this.#opening
    while (this.#puts.size > 0 || this.#upkeep.isBusy) {
      await this.#puts.settled()
      await this.#upkeep.rest()
    }
  }

  /** Refuses new puts, waits for those on their way, and stops. Hints stay for the next run. */
  async close(): Promise<void> {
    this.#state = 'closed'
    this.#upkeep.close()
    await this.settled()
    this.#puts.close()
  }

  #put(request: PutRequest): void {
    if (this.#state === 'closed') throw skerryError('EVENTS_CLOSED')
    if (this.#state === 'open') this.#puts.begin(request)
    else this.#opening.then(() => this.#put(request)).catch(request.reject)
  }

  #readerOf(nodes: Nodes): Reader {
    const { replicationFactor, pageRows } = this.#options
    return new Reader({
      ...{ nodes, replicationFactor, pageRows, leastCopies: this.#leastCopies() },
      rankedNodes: (key) => this.#rankedNodes(key),
      conflict: (key, ids) => this.#contradicted(key, ids),
      list: (key, holders, reason) => this.#upkeep.list(key, holders, reason),
    })
  }

  /** The nodes an acknowledgement of the default level stands for at least. */
  #leastCopies(): number {
    const { commitLevel, replicationFactor } = this.#options
    if (commitLevel === 'QUORUM') return quorum(replicationFactor)
    return commitLevel === 'ALL' ? replicationFactor : 1
  }

  #rankedNodes(key: string): readonly string[] {
    const { replicationFactor, replicationStrategy } = this.#options
    const { list } = this.#peers
    const { replicas, spares } = place(key, list, replicationFactor - 1, replicationStrategy)
    return [this.#local.id, ...replicas.map(({ id }) => id), ...spares.map(({ id }) => id)]
  }

  #isUp(id: string): boolean {
    return id === this.#local.id || this.#peers.get(id)?.available === true
  }

  #readable(what: string): Reader {
    if (!this.#reader) throw skerryError('EVENTS_WRITE_ONLY', what)
    return this.#reader
  }

  #welcome(id: string): void {
    const placed = this.#peers.get(id) as PlacedPeer
    this.#puts.join(placed)
    this.#upkeep.later(async () => {
      await this.#opening
      this.#upkeep.welcome(id)
    })
  }

  #contradicted(key: string, nodes: readonly string[]): void {
    this.#conflicts++
    this.emit('conflict', key, nodes)
  }

  #failed(error: unknown): void {
    this.#errors++
    this.emit('error', error)
  }
}
