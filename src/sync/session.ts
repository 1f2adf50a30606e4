import type { Entry } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import { matches } from '../core/path.ts'
import type { Contest, HashedEntry, Merged, Position } from '../store/store.ts'
import { type Doubt, doubtOf } from './doubt.ts'
import { WINDOW_BYTES } from './greeting.ts'
import { Handover } from './handover.ts'
import { Incoming } from './incoming.ts'
import type {
  Ack,
  Changes,
  Compare,
  Forget,
  Hello,
  HorizonRaised,
  Message,
  Resume,
  Stream,
} from './messages.ts'
import { Outgoing } from './outgoing.ts'
import { type RefusedEntry, Refused } from './refused.ts'
import type { Brought } from './repair.ts'
import { type RepairProgress, Repairs } from './repairs.ts'
import { checkpointOf, heardOf, isOwnEpoch, provesRewind, resumeOf } from './seen.ts'
import type { SessionLink } from './session-link.ts'
import { NotShown } from './shown.ts'

/**
 * What goes on between two nodes that know what they share: their streams of changes, alike both
 * ways, and the repair of keys that no checkpoint covers, driven by the node that opened the link.
 */
export class Session {
  readonly keys: readonly string[]
  readonly #link: SessionLink
  readonly #peer: Hello
  readonly #ownEpoch: string
  readonly #repairs: Repairs
  readonly #handover: Handover
  /** Keys whose repair is done as far as entries go. */
  readonly #settling = new Set<string>()
  readonly #refused = new Refused()
  /** Contests told of; frames that were merged together share theirs. */
  readonly #told = new WeakSet<Contest>()
  /** Merges of a repair that are under way. */
  readonly #merges = new Set<Promise<unknown>>()
  readonly #notShown = new NotShown()
  #outgoing: Outgoing | undefined
  #incoming: Incoming | undefined
  #bytesMerging = 0
  #saved = { seq: 0, ever: 0 }

  constructor(link: SessionLink, peer: Hello, keys: readonly string[]) {
    this.#link = link
    this.#peer = peer
    this.keys = keys
    this.#ownEpoch = link.store.epoch
    const { store, env, repairIntervalMs } = link
    this.#handover = new Handover(store, keys)
    this.#repairs = new Repairs({
      store,
      env,
      keys,
      intervalMs: repairIntervalMs,
      send: (message) => this.#send(message),
      failed: (error) => link.failed(error),
      merge: (brought, of) => this.#merge(brought, of),
      isSettled: (hashed, key) => this.#isSettled(hashed, key),
      repaired: (key) => this.#repaired(key),
    })
    link.send(resumeOf(store, peer, keys))
  }

  /** How many numbers of this node's feed the peer has yet to acknowledge, of whatever key they are. */
  get unacknowledged(): number {
    return this.#link.store.seq - (this.#outgoing?.acknowledged.latest ?? 0)
  }

  /** Up to where the peer has this node's changes of a shared key; undefined if only a repair can tell. */
  position(key: string): number | undefined {
    return this.#repairs.open.has(key) ? undefined : this.#outgoing?.position(key)
  }

  /** True of a change that the peer may have yet to get: by the stream, or by a repair. */
  isOwed(path: string, seq: number): boolean {
    return this.keys.some((key) => matches(key, path) && seq > (this.position(key) ?? 0))
  }

  /** True once the streams flow both ways. */
  get open(): boolean {
    return this.#outgoing !== undefined && this.#incoming !== undefined
  }

  get unrepaired(): readonly string[] {
    return [...this.#repairs.open]
  }

  get repairing(): RepairProgress | undefined {
    return this.#repairs.progress
  }

  /** Shared keys under which what the peer has yet to take in may undo deletes, so that it asks people. */
  get doubted(): readonly string[] {
    return this.#handover.doubted.at(this.#outgoing?.acknowledged.latest ?? 0)
  }

  get refused(): { readonly count: number; readonly named: readonly RefusedEntry[] } {
    return this.#refused
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
        return this.#acknowledge(message)
      case 'compare':
        return this.#answer(this.#repairs.compare(message, this.#key(message)))
      case 'items':
        return this.#answer(this.#repairs.items(message, this.#key(message)))
      case 'push':
        return this.#answer(this.#repairs.push(message, this.#key(message)))
      case 'compared':
      case 'entries':
      case 'pushed':
        return this.#repairs.answered(message)
      case 'repaired':
        return this.#repairs.done(this.#key(message))
      case 'settled':
        return this.#handover.doubts.end(this.#key(message), message.seq, message.stamp)
      case 'horizon':
        return this.#takeOver(message)
      case 'forget':
        return this.#link.forget(message.nodes)
      default:
        throw skerryError('LINK_PROTOCOL', `'${message.kind}' is out of place`)
    }
  }

  /** There is something new in the store. */
  wake(): void {
    this.#outgoing?.wake()
  }

  /** Tells the peer of nodes that won't come back. */
  forget(nodes: Forget['nodes']): void {
    if (this.open && nodes.length > 0) this.#link.send({ kind: 'forget', nodes })
  }

  /**
   * True if the peer has each of these changes durably, or a newer one, and shows it.
   * @param seq the highest number of the changes
   */
  has(changes: ReadonlyMap<string, number>, seq: number): boolean {
    return this.#outgoing?.has(changes, seq) === true && !this.#notShown.hides(changes)
  }

  /** Has the peer acknowledge up to `seq` soon. */
  ask(seq: number): void {
    this.#outgoing?.ask(seq)
  }

  /** Keeps what was learnt meanwhile: called now and then, and at the end. */
  async saveProgress(): Promise<void> {
    this.#tellHorizons()
    this.#outgoing?.reportProgress()
    await this.#incoming?.saveProgress()
    if (this.#settle()) await this.#saveAcknowledged()
  }

  /** Resolves once all that the peer sent is merged, or could not be. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#incoming?.settled(), ...this.#merges])
  }

  close(reason: string): void {
    this.#repairs.close(reason)
    this.#outgoing?.close()
  }

  /** The peer says how far it has this node's feed. */
  async #resume({ positions, seen }: Resume): Promise<void> {
    const { store } = this.#link
    if (this.#outgoing !== undefined || positions.length !== this.keys.length) {
      throw skerryError('LINK_PROTOCOL', 'resume does not fit the shared keys')
    }
    const named = positions.map((at) => (at && isOwnEpoch(store, at.epoch) ? at : undefined))
    if ([...positions, seen].some((at) => provesRewind(store, at))) {
      await store.renewEpoch()
      return this.#link.renewed()
    }
    const doubts = this.keys.map((key, i) => this.#doubt(key, named[i]))
    await this.#takeBack(named, doubts)
    // A peer of whose present epoch nothing is known here may have been rewound unnoticed, and then lacks
    // writes of its own, which this stream does not carry back to it. One that is doubted lacks deletes.
    const known = named.map((at, i) => {
      const key = this.keys[i]!
      const has = checkpointOf(store, this.#peer, key) !== undefined
      return doubts[i] === undefined && has && at && store.remembers(at) ? at : undefined
    })
    this.#begin(known, doubts)
  }

  #doubt(key: string, named: Position | undefined): Doubt | undefined {
    const doubt = doubtOf(this.#link.store, this.#peer, key, named)
    return doubt ?? (this.#link.forgotten ? 'fenced' : undefined)
  }

  /** What a peer acknowledged before it was taken back counts no more. */
  async #takeBack(
    named: readonly (Position | undefined)[],
    doubts: readonly (Doubt | undefined)[],
  ): Promise<void> {
    const { nodeId: peer, epoch } = this.#peer
    const back = this.keys.flatMap((key, i) => {
      const seq = named[i]?.seq ?? 0
      const ownEpoch = this.#ownEpoch
      return doubts[i] === 'rewound' ? [{ peer, key, epoch, seq, ever: seq, ownEpoch }] : []
    })
    if (back.length > 0) await this.#link.store.saveAcknowledgements(back)
  }

  #begin(known: readonly (Position | undefined)[], doubts: readonly (Doubt | undefined)[]): void {
    const { store } = this.#link
    const link = {
      peerId: this.#peer.nodeId,
      keys: this.keys,
      unrepaired: this.#repairs.open,
      send: (message: Message) => this.#send(message),
      failed: (error: unknown) => this.#link.failed(error),
    }
    const floors = known.map((at) => at?.seq ?? store.seq)
    this.#outgoing = new Outgoing(store, link, floors, this.#peer.window)
    for (const key of this.keys.filter((_, i) => known[i] === undefined)) this.#repairs.need(key)
    this.#outgoing.hear()
    const resumed = known.map((at) => at !== undefined)
    const horizons = this.#handover.begin(resumed, doubts)
    const doubted = doubts.map((doubt) => doubt !== undefined)
    this.#link.send({ kind: 'stream', start: this.#outgoing.start, resumed, horizons, doubted })
    this.#outgoing.wake()
    this.#beginRepairs()
  }

  /** The peer says where its stream starts. */
  #stream({ start, resumed, horizons, doubted }: Stream): void {
    const lengths = [resumed.length, horizons.length, doubted.length]
    if (this.#incoming !== undefined || lengths.some((length) => length !== this.keys.length)) {
      throw skerryError('LINK_PROTOCOL', 'stream does not fit the shared keys')
    }
    this.#handover.hear(horizons, doubted)
    const fresh = this.keys.filter((_, i) => !resumed[i])
    for (const key of fresh) this.#repairs.need(key)
    const { nodeId, epoch, run } = this.#peer
    const stream = { at: { epoch, run }, ownEpoch: this.#ownEpoch, start, repairing: fresh }
    this.#incoming = new Incoming(this.#link.store, nodeId, this.keys, stream)
    this.#beginRepairs()
  }

  #beginRepairs(): void {
    if (!this.open) return
    this.#link.opened()
    if (this.#link.dialed) this.#repairs.drive()
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
    const entries = this.#refused.acceptable(message.entries, this.keys)
    const known = this.#outgoing?.acknowledged.latest ?? 0
    const doubted = (): string[] => {
      this.#tellHorizons()
      return this.#handover.doubts.paths(message, entries, this.#peer.nodeId)
    }
    incoming
      .merge(entries, upTo, doubted)
      .then((merged) => {
        this.#bytesMerging -= bytes
        const paths = new Set(entries.map(({ path }) => path))
        this.#report(merged, known, paths)
        this.#sendAgain(merged, known, entries)
        const aside = merged?.aside.filter((path) => paths.has(path)) ?? []
        this.#send({ kind: 'ack', upTo, seq: this.#link.store.seq, aside })
      })
      .catch((error: unknown) => this.#link.failed(error))
  }

  /**
   * What the peer offers is older than what it has acknowledged, or sent: a delete that it has collected since.
   * No stream would carry that to it again.
   */
  #sendAgain(merged: Merged | undefined, known: number, offered: readonly Entry[]): void {
    // Other frames may have been merged with this one; of what they offered the peer knew more, or less.
    const mine = new Set(offered)
    const forgotten = (merged?.beaten ?? []).filter(
      ({ entry, by: { seq, from } }) =>
        mine.has(entry) && (seq <= known || from === this.#peer.nodeId),
    )
    if (forgotten.length > 0) this.#outgoing?.again(forgotten.map(({ entry }) => entry.path))
  }

  #acknowledge({ upTo, seq, aside }: Ack): void {
    if (this.#outgoing === undefined) return
    this.#notShown.note(aside, upTo)
    this.#outgoing.acknowledge(upTo, seq)
    this.#link.acknowledged()
  }

  async #merge({ entries, fresh, seq }: Brought, key: string): Promise<void> {
    const { store } = this.#link
    const news = new Set(fresh.map((place) => entries[place]))
    const acceptable = this.#refused.acceptable(entries, [key])
    if (acceptable.length === 0) return
    this.#tellHorizons()
    const doubt = this.#handover.doubts.of(key)
    const own = this.#peer.nodeId
    const doubted = acceptable.filter(
      (entry) =>
        doubt !== undefined && (doubt === 'rewound' || entry.origin !== own || !news.has(entry)),
    )
    const known = this.#outgoing?.acknowledged.latest ?? 0
    const merge = store.merge(acceptable, {
      peer: own,
      checkpoints: seq === undefined ? [] : [this.#incoming!.saw(seq)],
      repair: true,
      doubted: new Set(doubted.map(({ path }) => path)),
    })
    this.#merges.add(merge)
    try {
      this.#report(await merge, known)
    } finally {
      this.#merges.delete(merge)
    }
  }

  /** Tells of versions that met without the peer's knowing of this node's. */
  #report(merged: Merged | undefined, known: number, paths?: ReadonlySet<string>): void {
    for (const contest of merged?.contests ?? []) {
      const { winner, loser, seq } = contest
      if (seq <= known || winner.data === loser.data || this.#told.has(contest)) continue
      if (paths !== undefined && !paths.has(winner.path)) continue
      this.#told.add(contest)
      this.#link.conflict(contest)
    }
  }

  /** Sends an answer when it is ready. */
  #answer(answer: Promise<Message>): void {
    answer
      .then((message) => this.#send(message))
      .catch((error: unknown) => this.#link.failed(error))
  }

  /** Both sides hold the same under the key, and this one takes the peer's horizon over. */
  async #repaired(key: string): Promise<void> {
    if (this.#repairs.open.has(key)) await this.#settleHorizon(key)
    else await this.#incoming?.repaired(key)
  }

  /** The peer has forgotten deletes that this node may lack. */
  async #takeOver(raised: HorizonRaised): Promise<void> {
    const key = this.#key(raised)
    if (this.#incoming === undefined) throw skerryError('LINK_PROTOCOL', 'horizon before stream')
    this.#handover.raise(raised)
    // What a repair is yet to bring is older than that, and wanted.
    if (!this.#repairs.open.has(key) || this.#settling.has(key)) await this.#settleHorizon(key)
  }

  /** Takes the peer's horizon over, and says from where on what is merged here was held against it. */
  async #settleHorizon(key: string): Promise<void> {
    const { store } = this.#link
    this.#settling.add(key)
    const stamp = this.#handover.take(key)
    if (stamp > 0n) await store.raiseHorizons([{ key, stamp }])
    // What any link had read before that is merged by then, too.
    await this.#incoming?.repaired(key)
    await this.settled()
    await this.#saveAcknowledged([key])
    this.#handover.doubted.end(key, store.seq)
    this.#send({ kind: 'settled', key: this.keys.indexOf(key), seq: store.seq, stamp })
  }

  /** Sends a message, after word of horizons that rose: with it the peer takes in what comes later. */
  #send(message: Message): number {
    this.#tellHorizons()
    return this.#link.send(message)
  }

  #tellHorizons(): void {
    if (this.#outgoing === undefined) return
    const due = this.#handover.due((key) => this.position(key))
    for (const raised of due) this.#link.send({ kind: 'horizon', ...raised })
  }

  /** Looks which acknowledgements are settled by now; true if there is something to keep. */
  #settle(): boolean {
    const acknowledged = this.#outgoing?.acknowledged
    if (acknowledged === undefined || this.#incoming === undefined) return false
    if (this.#repairs.idle && this.#merges.size === 0) acknowledged.settle(this.#incoming.merged)
    return acknowledged.settled > this.#saved.seq || acknowledged.latest > this.#saved.ever
  }

  async #saveAcknowledged(also: readonly string[] = []): Promise<void> {
    const acknowledged = this.#outgoing?.acknowledged
    if (acknowledged === undefined) return
    const { settled: seq, latest: ever } = acknowledged
    this.#saved = { seq, ever }
    const { nodeId: peer, epoch } = this.#peer
    const keys = this.keys.filter((key) => !this.#repairs.open.has(key) || also.includes(key))
    const ownEpoch = this.#ownEpoch
    const said = keys.map((key) => ({ peer, key, epoch, seq, ever, ownEpoch }))
    await this.#link.store.saveAcknowledgements(said)
  }

  /** True of a change that the peer has acknowledged under the key, in its present epoch. */
  #isSettled({ seq }: HashedEntry, key: string): boolean {
    const heard = heardOf(this.#link.store, this.#peer, key)
    return heard?.epoch === this.#peer.epoch && heard.seq >= seq
  }

  /** @throws SKERRY_LINK_PROTOCOL if there is no such shared key */
  #key({ key }: Pick<Compare, 'key'>): string {
    const name = this.keys[key]
    if (name === undefined) throw skerryError('LINK_PROTOCOL', 'there is no such shared key')
    return name
  }
}
