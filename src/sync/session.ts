import { entryFault } from '../core/codec.ts'
import type { Entry } from '../core/entry.ts'
import type { CancelTimer, Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import { matches } from '../core/path.ts'
import type { Position, Store } from '../store/store.ts'
import { answerCompare, answerItems } from './answers.ts'
import { WINDOW_BYTES } from './greeting.ts'
import { Incoming } from './incoming.ts'
import type { Changes, Compare, Hello, Items, Message, Push, Resume, Stream } from './messages.ts'
import { Outgoing } from './outgoing.ts'
import { Repair, type RepairLink } from './repair.ts'
import { Requests } from './requests.ts'

/** An entry that a peer sent and this node must not take. */
export interface RefusedEntry {
  readonly path: string
  readonly why: string
}

/** How far the repair of a shared key has come, in entries. */
export interface RepairProgress {
  readonly key: string
  readonly done: number
  readonly total: number
}

/** The refused entries that a status names; it counts them all. */
const REFUSED_NAMED = 10

/** What a session needs of its link. */
export interface SessionLink {
  readonly store: Store
  readonly env: Env
  /** True if this node opened the link, and so drives repair. */
  readonly dialed: boolean
  readonly repairIntervalMs: number
  /** Sends a message; returns its size in bytes. */
  send(message: Message): number
  /** Ends the link. */
  failed(error: unknown): void
  /** The store has begun a new epoch: this link and all others are to end. */
  renewed(): void
  /** Called once the streams flow both ways. */
  opened(): void
}

/**
 * What goes on between two nodes that know what they share: their streams of changes, alike both
 * ways, and the repair of keys that no checkpoint covers, driven by the node that opened the link.
 */
export class Session {
  readonly keys: readonly string[]
  readonly #link: SessionLink
  readonly #peer: Hello
  readonly #requests: Requests
  readonly #ownEpoch: string
  /** Keys whose two sides may differ in what no stream will carry. */
  readonly #unrepaired = new Set<string>()
  readonly #refusedNamed: RefusedEntry[] = []
  /** Merges of a repair that are under way. */
  readonly #merges = new Set<Promise<unknown>>()
  #refused = 0
  #outgoing: Outgoing | undefined
  #incoming: Incoming | undefined
  #bytesMerging = 0
  #savedAcknowledged = 0
  #repairing: RepairProgress | undefined
  #cancelRepair: CancelTimer = () => undefined
  #closed = false

  constructor(link: SessionLink, peer: Hello, keys: readonly string[]) {
    this.#link = link
    this.#peer = peer
    this.keys = keys
    this.#ownEpoch = link.store.epoch
    this.#requests = new Requests((message) => link.send(message))
    link.send({ kind: 'resume', positions: keys.map((key) => this.#checkpoint(key)) })
  }

  /** How many of this node's changes the peer has yet to acknowledge. */
  get lag(): number {
    return this.#link.store.seq - (this.#outgoing?.acknowledged ?? 0)
  }

  /** True once the streams flow both ways. */
  get open(): boolean {
    return this.#outgoing !== undefined && this.#incoming !== undefined
  }

  get unrepaired(): readonly string[] {
    return [...this.#unrepaired]
  }

  get repairing(): RepairProgress | undefined {
    return this.#repairing
  }

  get refused(): { readonly count: number; readonly named: readonly RefusedEntry[] } {
    return { count: this.#refused, named: this.#refusedNamed }
  }

  /** Takes a message; a promise if the next one has to wait for it. */
  handle(message: Message, bytes: number): Promise<void> | void {
    switch (message.kind) {
      case 'resume':
        return this.#resume(message)
      case 'stream':
        return this.#stream(message)
      case 'changes':
        return this.#changes(message, bytes)
      case 'ack':
        return this.#outgoing?.acknowledge(message.upTo)
      case 'compare':
        return this.#answer(answerCompare(this.#link.store, this.#key(message), message))
      case 'items':
        return this.#answer(this.#answerItems(message))
      case 'push':
        return this.#answer(this.#pushed(message))
      case 'compared':
      case 'entries':
      case 'pushed':
        return this.#requests.answered(message)
      case 'repaired':
        return this.#repaired(this.#key(message))
      default:
        throw skerryError('LINK_PROTOCOL', `'${message.kind}' is out of place`)
    }
  }

  /** There is something new in the store. */
  wake(): void {
    this.#outgoing?.wake()
  }

  /** Keeps what was learnt meanwhile: called now and then, and at the end. */
  async saveProgress(): Promise<void> {
    this.#outgoing?.reportProgress()
    await this.#incoming?.saveProgress()
    const seq = this.#outgoing?.acknowledged ?? 0
    if (seq <= this.#savedAcknowledged) return
    this.#savedAcknowledged = seq
    const keys = this.keys.filter((key) => !this.#unrepaired.has(key))
    const peer = this.#peer.nodeId
    await this.#link.store.saveAcknowledgements(keys.map((key) => ({ peer, key, seq })))
  }

  /** Resolves once all that the peer sent is merged, or could not be. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#incoming?.settled(), ...this.#merges])
  }

  close(reason: string): void {
    this.#closed = true
    this.#cancelRepair()
    this.#outgoing?.close()
    this.#requests.close(skerryError('LINK_CLOSED', reason))
  }

  #checkpoint(key: string): Position | undefined {
    const position = this.#link.store.checkpoint(this.#peer.nodeId, key)
    return position?.epoch === this.#peer.epoch ? position : undefined
  }

  /** The peer says how far it has this node's feed. */
  async #resume({ positions }: Resume): Promise<void> {
    const { store } = this.#link
    if (this.#outgoing !== undefined || positions.length !== this.keys.length) {
      throw skerryError('LINK_PROTOCOL', 'resume does not fit the shared keys')
    }
    const named = positions.map((at) => (at?.epoch === store.epoch ? at : undefined))
    if (named.some((at) => at !== undefined && !store.knows(at))) {
      await store.renewEpoch()
      return this.#link.renewed()
    }
    // A peer of whose present epoch nothing is known here may have been rewound unnoticed, and then lacks
    // writes of its own, which this stream does not carry back to it.
    const known = named.map((at, i) => (this.#checkpoint(this.keys[i]!) ? at : undefined))
    const floors = known.map((at) => at?.seq ?? store.seq)
    const link = {
      peerId: this.#peer.nodeId,
      keys: this.keys,
      send: (message: Message) => this.#link.send(message),
      failed: (error: unknown) => this.#link.failed(error),
    }
    this.#outgoing = new Outgoing(store, link, floors, this.#peer.window)
    const resumed = known.map((at) => at !== undefined)
    this.keys.forEach((key, i) => resumed[i] || this.#unrepaired.add(key))
    this.#link.send({ kind: 'stream', start: this.#outgoing.start, resumed })
    this.#outgoing.wake()
    this.#begin()
  }

  /** The peer says where its stream starts. */
  #stream({ start, resumed }: Stream): void {
    if (this.#incoming !== undefined || resumed.length !== this.keys.length) {
      throw skerryError('LINK_PROTOCOL', 'stream does not fit the shared keys')
    }
    const fresh = this.keys.filter((_, i) => !resumed[i])
    for (const key of fresh) this.#unrepaired.add(key)
    const { nodeId, epoch, run } = this.#peer
    const at = { epoch, run }
    const stream = { at, ownEpoch: this.#ownEpoch, start, repairing: fresh }
    this.#incoming = new Incoming(this.#link.store, nodeId, this.keys, stream)
    this.#begin()
  }

  #begin(): void {
    if (this.#outgoing === undefined || this.#incoming === undefined) return
    this.#link.opened()
    if (this.#link.dialed) this.#repair(this.unrepaired)
  }

  #changes(message: Changes, bytes: number): void {
    const incoming = this.#incoming
    if (incoming === undefined || !incoming.follows(message)) {
      throw skerryError('LINK_PROTOCOL', 'changes do not follow on those before')
    }
    // One frame may go over the window, because an entry may be larger than it.
    if (this.#bytesMerging > WINDOW_BYTES) throw skerryError('LINK_PROTOCOL', 'the window is full')
    this.#bytesMerging += bytes
    const { upTo } = message
    incoming
      .merge(this.#acceptable(message.entries, this.keys), upTo)
      .then(() => {
        this.#bytesMerging -= bytes
        this.#link.send({ kind: 'ack', upTo })
      })
      .catch((error: unknown) => this.#link.failed(error))
  }

  async #answerItems(message: Items): Promise<Message> {
    return answerItems(this.#link.store, this.#key(message), message, this.#link.env.hash)
  }

  async #pushed(message: Push): Promise<Message> {
    await this.#merge(message.entries, this.#key(message))
    return { kind: 'pushed', id: message.id }
  }

  async #merge(entries: readonly Entry[], key: string): Promise<void> {
    const acceptable = this.#acceptable(entries, [key])
    if (acceptable.length === 0) return
    const merge = this.#link.store.merge(acceptable, { peer: this.#peer.nodeId })
    this.#merges.add(merge)
    try {
      await merge
    } finally {
      this.#merges.delete(merge)
    }
  }

  /** What this node takes of a peer's entries; the rest is named in the status. */
  #acceptable(entries: readonly Entry[], keys: readonly string[]): readonly Entry[] {
    return entries.filter((entry) => {
      if (!keys.some((key) => matches(key, entry.path))) {
        throw skerryError('LINK_PROTOCOL', `'${entry.path}' is not shared`)
      }
      const why = entryFault(entry)
      if (why === undefined) return true
      this.#refused++
      const { path } = entry
      if (this.#refusedNamed.length < REFUSED_NAMED) this.#refusedNamed.push({ path, why })
      return false
    })
  }

  /** Sends an answer when it is ready. */
  #answer(answer: Promise<Message>): void {
    answer
      .then((message) => this.#link.send(message))
      .catch((error: unknown) => this.#link.failed(error))
  }

  /** The peer, who drives, has finished the repair of a key. */
  async #repaired(key: string): Promise<void> {
    this.#unrepaired.delete(key)
    await this.#incoming?.repaired(key)
  }

  /** Repairs the keys one after the other, and all of them again after a while. */
  #repair(keys: readonly string[]): void {
    this.#repairAll(keys)
      .then(() => {
        if (this.#closed) return
        const { env, repairIntervalMs } = this.#link
        const delayMs = repairIntervalMs * (0.5 + env.random())
        this.#cancelRepair = env.setTimer(delayMs, () => this.#repair(this.keys))
      })
      .catch((error: unknown) => this.#link.failed(error))
  }

  async #repairAll(keys: readonly string[]): Promise<void> {
    const { store, env } = this.#link
    for (const key of keys) {
      const shared = { key, index: this.keys.indexOf(key) }
      await new Repair(store, this.#repairLink(key), env.hash, shared).run()
      this.#repairing = undefined
      this.#link.send({ kind: 'repaired', key: shared.index })
      await this.#repaired(key)
    }
  }

  #repairLink(key: string): RepairLink {
    return {
      compare: (question) =>
        this.#requests.ask('compared', (id) => ({ ...question, kind: 'compare', id })),
      items: (question) =>
        this.#requests.ask('entries', (id) => ({ ...question, kind: 'items', id })),
      push: (question) => this.#requests.ask('pushed', (id) => ({ ...question, kind: 'push', id })),
      merge: (entries) => this.#merge(entries, key),
      progress: (done, total) => (this.#repairing = { key, done, total }),
    }
  }

  /** @throws SKERRY_LINK_PROTOCOL if there is no such shared key */
  #key({ key }: Pick<Compare, 'key'>): string {
    const name = this.keys[key]
    if (name === undefined) throw skerryError('LINK_PROTOCOL', 'there is no such shared key')
    return name
  }
}
