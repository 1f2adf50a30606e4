import type { Env } from '../core/env.ts'
import { type SkerryError, skerryError } from '../core/errors.ts'
import { assertKey, EVERYTHING } from '../core/path.ts'
import type { Store } from '../store/store.ts'
import { Dialer } from './dialer.ts'
import { Link, type LinkHost } from './link.ts'
import type { Hello } from './messages.ts'
import { ClockOffsets } from './offsets.ts'
import { linkStatus, type LinkStatus, type SyncStatus } from './status.ts'
import type { Channel, Transport } from './transport.ts'

/** An old link has this long to show that its peer is still there, before a newcomer takes its place. */
const PROBE_MS = 2_000

const DEFAULT_REPAIR_INTERVAL_MS = 600_000

/** How a node keeps in step with others. */
export interface SyncOptions {
  readonly store: Store
  readonly env: Env
  readonly transport: Transport
  /** What to share: paths, globs or `**`. Default: everything. */
  readonly keys?: readonly string[]
  /** Address of the leader, whose clock is the reference. */
  readonly leader?: string
  /** What is shared with the leader. Default: `keys`. */
  readonly leaderKeys?: readonly string[]
  /** Further leaders, each of some of the keys. */
  readonly branches?: readonly { readonly url: string; readonly keys: readonly string[] }[]
  /** Addresses of further nodes to link with. */
  readonly peers?: readonly string[]
  /** How long after a repair the next one checks all keys, give or take half of it. Default 600,000 ms. */
  readonly repairIntervalMs?: number
}

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
  readonly #offsets = new ClockOffsets()
  readonly #host: LinkHost
  /** What ended links are still merging, by the peer that it came from. */
  readonly #unsettled = new Map<string, Promise<void>>()
  #unlinked: { nodeId: string; callback: () => void }[] = []
  #unwatch: () => void = () => undefined
  #stopped = false

  constructor(options: SyncOptions) {
    this.#options = options
    this.#keys = options.keys ?? [EVERYTHING]
    this.#keys.forEach(assertKey)
    const { store, env, leader, leaderKeys, branches = [], peers = [] } = options
    this.#host = {
      store,
      env,
      keys: this.#keys,
      repairIntervalMs: options.repairIntervalMs ?? DEFAULT_REPAIR_INTERVAL_MS,
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
      for (const link of this.#admitted.values()) link.wake()
    })
    for (const dialer of this.#dialers) dialer.start()
  }

  /** Takes a channel that another node has opened. */
  accept(channel: Channel): void {
    if (this.#stopped) channel.close('stopped')
    else this.#links.set(new Link(this.#host, channel, false), undefined)
  }

  /** What goes on, for people and programs. */
  status(): SyncStatus {
    const { store } = this.#options
    const links: LinkStatus[] = [...this.#links].map(([link, dialer]) => {
      const offsetNs = link.peer && this.#offsets.of(link.peer.nodeId)
      return linkStatus(link, dialer, offsetNs)
    })
    const waiting = this.#dialers
      .filter(({ link }) => link === undefined)
      .map(({ url, leads, failures, lastError }) => ({ url, leads, failures, lastError }))
    const { nodeId, epoch, run, seq } = store
    return { nodeId, epoch, run, seq, keys: this.#keys, links, waiting }
  }

  /** Ends all links, in order; nothing is dialed or taken any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#unwatch()
    for (const dialer of this.#dialers) dialer.stop()
    await Promise.all([...this.#links.keys()].map((link) => link.stop()))
  }

  #addDialer(url: string, leads: boolean, keys = this.#keys): void {
    const host = {
      env: this.#options.env,
      transport: this.#options.transport,
      link: (channel: Channel, dialer: Dialer) => {
        const link = new Link({ ...this.#host, keys }, channel, true)
        this.#links.set(link, dialer)
        return link
      },
      whenUnlinked: (nodeId: string, callback: () => void) => {
        if (this.#admitted.has(nodeId)) this.#unlinked.push({ nodeId, callback })
        else callback()
      },
    }
    this.#dialers.push(new Dialer(host, url, leads))
  }

  /** Lets a peer in, if it is who it says it is and this is the link to keep. */
  async #admit(link: Link, hello: Hello): Promise<void> {
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
        throw skerryError('NODE_CLONED', hello.nodeId)
      }
      if (this.#keepsOld(old, link, hello)) throw skerryError('LINK_REPLACED', hello.nodeId)
      old.close(skerryError('LINK_REPLACED', hello.nodeId))
    }
    if (!this.#links.has(link)) throw skerryError('LINK_CLOSED', 'it ended while it was let in')
    this.#admitted.set(hello.nodeId, link)
    this.#noteClock(link, hello)
  }

  /** Two nodes that dial each other keep the link that the lower id opened; both decide alike. */
  #keepsOld(old: Link, link: Link, hello: Hello): boolean {
    if (old.peer?.run !== hello.run || old.dialed === link.dialed) return false
    const mineIsLower = this.#options.store.nodeId < hello.nodeId
    return old.dialed === mineIsLower
  }

  #noteClock(link: Link, { nodeId, clock }: Hello): void {
    const { store, env } = this.#options
    this.#offsets.note(nodeId, clock - env.now(), this.#links.get(link)?.leads === true)
    store.correctClock(this.#offsets.correction())
  }

  #ended(link: Link, error: SkerryError): void {
    const dialer = this.#links.get(link)
    this.#links.delete(link)
    const nodeId = link.peer?.nodeId
    if (nodeId !== undefined) this.#letSettle(nodeId, link)
    if (nodeId !== undefined && this.#admitted.get(nodeId) === link) {
      this.#admitted.delete(nodeId)
      this.#callUnlinked(nodeId)
    }
    dialer?.ended(error)
  }

  /** A new epoch makes every link that was greeted with the old one start over. */
  #renewed(): void {
    const { epoch } = this.#options.store
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
