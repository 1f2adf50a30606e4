import type { CommitAsked, CommitPlace } from '../core/commitment.ts'
import { NODE_ID } from '../core/entry.ts'
import { type SkerryError, skerryError } from '../core/errors.ts'
import { NS_PER_MS } from '../core/env.ts'
import { assertKey, EVERYTHING } from '../core/path.ts'
import type { CollectionRule, Contest } from '../store/store.ts'
import { offsetMs, PeerClocks } from './clocks.ts'
import { Collector } from './collector.ts'
import { CommitNodes } from './commit-nodes.ts'
import { Commits } from './commits.ts'
import { Dialer } from './dialer.ts'
import type { SyncEvent } from './event.ts'
import { type KnownPeer, KnownPeers } from './known.ts'
import { Link, type LinkHost, type MayShare } from './link.ts'
import { LagSurvey } from './lag.ts'
import type { Forget, Hello } from './messages.ts'
import {
  DEFAULT_COLLECT_INTERVAL_MS,
  DEFAULT_REPAIR_INTERVAL_MS,
  DEFAULT_TOMBSTONE_TTL_MS,
  type SyncOptions,
} from './options.ts'
import { httpUrl, peerName } from './pivot/address.ts'
import { PivotPeers } from './pivot/peers.ts'
import { ReachedAddresses } from './reached.ts'
import { Standings } from './standings.ts'
import { linkStatus, peerStatus, type SyncStatus } from './status.ts'
import type { Channel } from './transport.ts'
import { SealedChannel } from './trust/channel.ts'
import { asSkerryError } from './wire.ts'

/** An old link has this long to show that its peer is still there, before a newcomer takes its place. */
const PROBE_MS = 2_000

/**
 * Keeps a store in step with its leader and peers. Opens links to those it was told of and takes
 * those that others open; each pair of nodes keeps one. Nothing here makes a local read or write wait.
 */
export class Sync {
  readonly #options: SyncOptions
  readonly #keys: readonly string[]
  readonly #dialers: Dialer[] = []
  /** Every link, from its first frame on. */
  readonly #links = new Map<Link, Dialer | undefined>()
  /** The one link with each node that was let in. */
  readonly #admitted = new Map<string, Link>()
  readonly #clocks: PeerClocks
  readonly #host: LinkHost
  /** What ended links are still merging, by the peer that it came from. */
  readonly #unsettled = new Map<string, Promise<void>>()
  #unlinked: { nodeId: string; callback: () => void }[] = []
  #unwatch: () => void = () => undefined
  readonly #known: KnownPeers
  readonly #reached: ReachedAddresses
  readonly #pivotPeers: PivotPeers
  readonly #collector: Collector
  readonly #commits: Commits
  readonly #standings: Standings
  readonly #survey: LagSurvey
  /** Peers of whose clones was told while they are linked. */
  readonly #cloned = new Set<string>()
  #conflicts = 0
  /** The epoch that was told last. */
  #epoch: string
  #stopped = false

  constructor(options: SyncOptions) {
    this.#options = options
    this.#keys = options.keys ?? [EVERYTHING]
    this.#keys.forEach(assertKey)
    const { store, env, leader, leaderKeys, branches = [], peers = [] } = options
    this.#epoch = store.epoch
    this.#known = new KnownPeers(store, this.#keys)
    const session = (nodeId: string) => this.#admitted.get(nodeId)?.session
    this.#standings = new Standings(store, this.#known, session)
    this.#survey = new LagSurvey(env, () => this.#standings.all)
    this.#reached = new ReachedAddresses(store, env.hash)
    this.#pivotPeers = options.pivotPeers ?? new PivotPeers(store)
    this.#clocks = new PeerClocks(options, (event) => this.#tell(event))
    this.#commits = new Commits(env, (...asked) => this.#has(...asked))
    this.#collector = new Collector({
      store,
      env,
      intervalMs: options.collectIntervalMs ?? DEFAULT_COLLECT_INTERVAL_MS,
      rule: () => this.#collectionRule(),
    })
    this.#host = {
      store,
      env,
      keys: this.#keys,
      measured: (link) => this.#measured(link),
      acknowledged: (nodeId) => this.#commits.progressed(nodeId),
      conflict: (contest) => this.#conflict(contest),
      opened: (link) => this.#opened(link),
      forget: (link, nodes) => this.#heardForget(link, nodes),
      repairIntervalMs: options.repairIntervalMs ?? DEFAULT_REPAIR_INTERVAL_MS,
      greeted: (link) => this.#greeted(link),
      admit: (link, hello) => this.#admit(link, hello),
      renewed: () => this.#renewed(),
      ended: (link, error) => this.#ended(link, error),
    }
    if (leader !== undefined) this.#addDialer(leader, true, leaderKeys)
    for (const { url, keys } of branches) this.#addDialer(url, false, keys)
    for (const peer of peers) this.#addDialer(peer, false)
  }

  /** Begins to dial. Links that others open are taken from now on. */
  start(): void {
    this.#unwatch = this.#options.store.watch(() => {
      // Others than links may begin a new history too.
      this.#renewed()
      for (const link of this.#admitted.values()) link.wake()
    })
    for (const dialer of this.#dialers) dialer.start()
    this.#collector.start()
  }

  /**
   * Takes a channel that another node has opened.
   * @param mayShare which of the keys that both offer may be shared with it; default: all of them
   */
  accept(channel: Channel, mayShare?: MayShare): void {
    if (this.#stopped) return channel.close('stopped')
    const link = new Link(this.#host, this.#sealed(channel, false), { dialed: false, mayShare })
    this.#links.set(link, undefined)
  }

  /** What goes on, for people and programs. */
  status(): SyncStatus {
    const { store } = this.#options
    const links = [...this.#links].map(([link, dialer]) => linkStatus(link, dialer))
    const waiting = this.#dialers
      .filter(({ link }) => link === undefined)
      .map(({ url, leads, failures, lastError }) => ({ url, leads, failures, lastError }))
    const { nodeId, epoch, run, seq, withheldCount } = store
    const { collected, lastError } = this.#collector
    return {
      ...{ nodeId, epoch, run, seq, keys: this.#keys, links, waiting },
      peers: this.#known.all.map((peer) => {
        const lag = this.#standings.of(peer).map((standing) => this.#survey.of(standing))
        return peerStatus(peer, this.#admitted.has(peer.nodeId), lag)
      }),
      collection: { collected, lastError },
      withheld: withheldCount,
      conflicts: this.#conflicts,
      waitingCommits: this.#commits.waiting,
    }
  }

  /**
   * Counts what peers lack, linked or away, unless that was done a moment ago; {@link status} tells it.
   * @throws what reading the store throws
   */
  async measureLag(): Promise<void> {
    await this.#known.load()
    await this.#survey.measure()
  }

  /**
   * Says that a node won't come back, so that nothing waits for it any more; all others learn it. If it comes
   * back nevertheless, what it has from before and may undo deletes is withheld. A peer of the pivot protocol,
   * `pivot:` and its `host:port`, is forgotten here only, and known again once it is heard of.
   * @throws SKERRY_PEER_UNKNOWN if no node of this id was ever linked or heard of
   * @throws SKERRY_PEER_LINKED if it is there at this moment: stop it first
   */
  async forget(nodeId: string): Promise<void> {
    if (await this.#pivotPeers.drop(nodeId)) return
    await this.#known.load()
    if (this.#admitted.has(nodeId)) throw skerryError('PEER_LINKED', nodeId)
    const known = this.#known.get(nodeId)
    if (known === undefined) throw skerryError('PEER_UNKNOWN', nodeId)
    const now = this.#options.store.time()
    const since = now > known.since ? now : known.since + 1n
    if (await this.#known.forget(nodeId, since)) this.#tellForgotten([[nodeId, since]])
  }

  /**
   * Takes a place for a write that is to wait until enough nodes have it. The nodes that count are this one and
   * those of its known peers that share the path, keep their data on a disk, and were not forgotten; a silent one
   * counts, and so does an address that was never reached, but no peer of the pivot protocol.
   * @throws SKERRY_COMMITS_TOO_MANY if too many writes wait
   */
  async reserve(asked: CommitAsked): Promise<CommitPlace> {
    await this.#known.load()
    await this.#reached.load(this.#dialers.map(({ url }) => url))
    const release = this.#commits.reserve()
    const wait: CommitPlace['wait'] = async (changes) => {
      const nodes = new CommitNodes(this.#options.store, this.#known, this.#unreached())
      const { seq } = this.#options.store
      for (const link of this.#admitted.values()) link.session?.ask(seq)
      const commitment = await this.#commits.wait(asked, nodes.groups(changes))
      release()
      return commitment
    }
    return { wait, release }
  }

  /** Ends all links, in order; nothing is dialed or taken any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#unwatch()
    for (const dialer of this.#dialers) dialer.stop()
    this.#collector.stop()
    this.#commits.stop()
    await Promise.all([...this.#links.keys()].map((link) => link.stop()))
  }

  async #collectionRule(): Promise<CollectionRule> {
    await this.#known.load()
    await this.#pivotPeers.load()
    const ttlMs = this.#options.tombstoneTtlMs ?? DEFAULT_TOMBSTONE_TTL_MS
    const expired = this.#options.store.time() - BigInt(ttlMs) * NS_PER_MS
    const peers = this.#pivotPeers
    const others = { waitFor: peers.waitFor(expired), linked: peers.any }
    const rule = this.#known.rule(expired, this.#linked().length, others)
    return { ...rule, isOwed: (path, seq) => this.#isOwed(path, seq) }
  }

  /** True of a change that somebody who is let in may have yet to get. */
  #isOwed(path: string, seq: number): boolean {
    return [...this.#admitted.values()].some((link) => link.session?.isOwed(path, seq) !== false)
  }

  #addDialer(url: string, leads: boolean, keys = this.#keys): void {
    const host = {
      env: this.#options.env,
      transport: this.#options.transport,
      link: (channel: Channel, dialer: Dialer) => {
        const mine = { ...this.#host, keys }
        const link = new Link(mine, this.#sealed(channel, true), { dialed: true, leads })
        this.#links.set(link, dialer)
        return link
      },
      whenUnlinked: (nodeId: string, callback: () => void) => {
        if (this.#admitted.has(nodeId)) this.#unlinked.push({ nodeId, callback })
        else callback()
      },
      unreached: (dialer: Dialer, reason: string) =>
        this.#tell({ type: 'unreached', url: dialer.url, reason }),
    }
    this.#dialers.push(new Dialer(host, url, leads))
  }

  #sealed(channel: Channel, dialed: boolean): Channel {
    const { secrets, env } = this.#options
    return secrets === undefined ? channel : new SealedChannel(channel, env, secrets(), dialed)
  }

  /** Also where the link that the peer opened stays, or takes the place of this one: somebody is at the address. */
  async #greeted(link: Link): Promise<void> {
    const url = this.#links.get(link)?.url
    if (url !== undefined) await this.#reached.note(url)
  }

  /** Lets a peer in, if it is who it says it is and this is the link to keep. */
  async #admit(link: Link, hello: Hello): Promise<KnownPeer | undefined> {
    await this.#known.load()
    await this.#takePlace(link, hello)
    this.#clocks.note(link)
    const { nodeId, epoch, durable } = hello
    // Both may offer more than this link shares; nothing waits for word of what it never carries.
    const keys = link.shared(hello)
    const known = this.#known.get(nodeId)
    const now = this.#options.store.time()
    const since = known === undefined || now > known.since ? now : known.since + 1n
    // Whatever is shared once has a horizon from then on, even while it is not shared.
    await this.#options.store.raiseHorizons(keys.map((key) => ({ key, stamp: 0n })))
    await this.#known.save({ nodeId, epoch, keys, durable, since, forgotten: false })
    return known
  }

  /** Makes the link the one with its peer: ends the one that it replaces, or refuses it. */
  async #takePlace(link: Link, hello: Hello): Promise<void> {
    for (;;) {
      // What an old link is still merging must be there before the new one compares or resumes: as it
      // came from this peer, no stream would tell the peer of it.
      await this.#unsettled.get(hello.nodeId)
      const old = this.#admitted.get(hello.nodeId)
      if (old === undefined) {
        if (this.#unsettled.has(hello.nodeId)) continue
        break
      }
      if (old.peer?.run !== hello.run && (await old.probe(PROBE_MS))) {
        this.#tellOfClone(hello.nodeId)
        throw skerryError('NODE_CLONED', hello.nodeId)
      }
      if (this.#keepsOld(old, link, hello)) throw skerryError('LINK_REPLACED', hello.nodeId)
      old.close(skerryError('LINK_REPLACED', hello.nodeId))
    }
    if (!this.#links.has(link)) throw skerryError('LINK_CLOSED', 'it ended while it was let in')
    this.#admitted.set(hello.nodeId, link)
    this.#standings.begin(hello.nodeId)
  }

  /** True if the node, this one or a peer, has the changes and shows them. */
  #has(nodeId: string, changes: ReadonlyMap<string, number>, seq: number): boolean {
    if (nodeId === this.#options.store.nodeId) return true
    return this.#admitted.get(nodeId)?.session?.has(changes, seq) === true
  }

  /** Addresses to link with, without those that are followed by the pivot protocol. */
  #linked(): Dialer[] {
    // A leader that is followed by the pivot protocol is known by that.
    return this.#dialers.filter(({ url }) => !this.#pivotPeers.has(peerName(httpUrl(url) ?? url)))
  }

  /** Addresses that no link has ever reached. */
  #unreached(): string[] {
    return this.#linked().flatMap(({ url }) => (this.#reached.has(url) ? [] : url))
  }

  #conflict({ winner, loser }: Contest): void {
    this.#conflicts++
    this.#options.onConflict?.({ winner, loser })
  }

  /** Takes over what a peer knows of nodes that won't come back, and passes on what is news. */
  #heardForget(link: Link, nodes: Forget['nodes']): void {
    const news = async (): Promise<void> => {
      for (const [nodeId, since] of nodes) {
        const here = nodeId === this.#options.store.nodeId || this.#admitted.has(nodeId)
        if (here || !NODE_ID.test(nodeId)) continue
        if (await this.#known.forget(nodeId, since)) this.#tellForgotten([[nodeId, since]])
      }
    }
    news().catch((error: unknown) => link.close(asSkerryError(error)))
  }

  #tellForgotten(nodes: Forget['nodes']): void {
    for (const link of this.#admitted.values()) link.session?.forget(nodes)
  }

  /** Two nodes that dial each other keep the link that the lower id opened; both decide alike. */
  #keepsOld(old: Link, link: Link, hello: Hello): boolean {
    if (old.peer?.run !== hello.run || old.dialed === link.dialed) return false
    const mineIsLower = this.#options.store.nodeId < hello.nodeId
    return old.dialed === mineIsLower
  }

  /** The clock of a peer was measured again; it may be this node's that has jumped. */
  #measured(link: Link): void {
    if (this.#admitted.get(link.peer?.nodeId ?? '') !== link) return
    this.#clocks.note(link)
    const restamped = this.#clocks.restamp().then(() => this.#renewed())
    restamped.catch((error: unknown) => link.close(asSkerryError(error)))
  }

  #opened(link: Link): void {
    const peer = link.peer!.nodeId
    const dialer = this.#links.get(link)
    dialer?.opened()
    link.session!.forget(this.#known.forgotten)
    const { keys } = link.session!
    const clockOffsetMs = offsetMs(link.clockOffsetNs ?? 0n)
    this.#tell({ type: 'linked', peer, url: dialer?.url, keys, clockOffsetMs })
  }

  #ended(link: Link, error: SkerryError): void {
    const dialer = this.#links.get(link)
    this.#links.delete(link)
    const nodeId = link.peer?.nodeId
    if (nodeId !== undefined) this.#letSettle(nodeId, link)
    if (nodeId !== undefined && this.#admitted.get(nodeId) === link) {
      this.#standings.end(nodeId, link.peer!.epoch, link.session)
      this.#admitted.delete(nodeId)
      this.#cloned.delete(nodeId)
      if (link.session?.open === true) {
        this.#tell({ type: 'unlinked', peer: nodeId, url: dialer?.url, reason: error })
      }
      this.#callUnlinked(nodeId)
    }
    dialer?.ended(error)
  }

  /** The clone dials on and on. */
  #tellOfClone(peer: string): void {
    if (!this.#cloned.has(peer)) this.#tell({ type: 'cloned', peer })
    this.#cloned.add(peer)
  }

  #tell(event: SyncEvent): void {
    if (!this.#stopped) this.#options.onEvent?.(event)
  }

  /** A new epoch makes every link that was greeted with the old one start over. */
  #renewed(): void {
    const { epoch } = this.#options.store
    if (epoch !== this.#epoch) this.#tell({ type: 'renewed', epoch })
    this.#epoch = epoch
    for (const link of this.#links.keys()) {
      if (link.epoch !== epoch) link.close(skerryError('NODE_REWOUND'))
    }
  }

  #letSettle(nodeId: string, link: Link): void {
    const before = this.#unsettled.get(nodeId)
    const settled = Promise.all([before, link.settled()]).then(() => {
      if (this.#unsettled.get(nodeId) === settled) this.#unsettled.delete(nodeId)
    })
    this.#unsettled.set(nodeId, settled)
  }

  #callUnlinked(nodeId: string): void {
    const due = this.#unlinked.filter((waiting) => waiting.nodeId === nodeId)
    this.#unlinked = this.#unlinked.filter((waiting) => waiting.nodeId !== nodeId)
    for (const { callback } of due) callback()
  }
}
