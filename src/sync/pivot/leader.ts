import type { CancelTimer, Env } from '../../core/env.ts'
import { stampOf } from '../../core/entry.ts'
import { matches } from '../../core/path.ts'
import type { Change, Store } from '../../store/store.ts'
import { nodeAddress, peerName } from './address.ts'
import { collectFrom } from './collect.ts'
import { Holds } from './holds.ts'
import type { HttpClient } from './http.ts'
import type { PivotKey } from './keys.ts'
import { type NodeHealth, type NodeHost, NodePeer } from './nodes.ts'
import type { PivotPeers } from './peers.ts'

/** The most nodes that a leader tells of changes; further ones are counted, and left to themselves. */
export const MAX_NODES = 1024

/** Changes of a commit that came from one peer. */
interface Tally {
  readonly entries: number
  /** The newest of their stamps. */
  readonly stamp: bigint
}

/** What a leader needs. */
export interface LeaderOptions {
  readonly env: Env
  readonly http: HttpClient
  readonly keys: readonly PivotKey[]
  readonly peers: PivotPeers
  /** Where nodes register, and the store in which they do. */
  readonly nodesKey: { readonly path: string; readonly store: Store } | undefined
  /** Further nodes, as `host:port`. They are told of all keys, registered ones of those that this node leads. */
  readonly extraNodes: readonly string[]
  /** This node's own address, if it is known: it needs no telling. */
  readonly own: () => string | undefined
  readonly checkIntervalMs: number
  /** Makes a key's `lastEntry` grow. */
  readonly lift: (key: PivotKey) => void
  readonly changed: () => void
}

/** The leader's side: which nodes there are, how they are, and that they hear of each change. */
export class Leader {
  readonly #options: LeaderOptions
  readonly #led: readonly PivotKey[]
  readonly #holds: Holds
  readonly #nodes = new Map<string, NodePeer>()
  /** Registered addresses by the path of their entry. */
  readonly #registered = new Map<string, string>()
  #ignored = 0
  #cancel: CancelTimer = () => undefined
  #stopped = false

  constructor(options: LeaderOptions) {
    this.#options = options
    this.#led = options.keys.filter(({ leader }) => leader === undefined)
    this.#holds = new Holds(options.env, (key) => this.tell(key))
  }

  /** Finds the nodes and begins to check them. */
  async start(): Promise<void> {
    const { nodesKey } = this.#options
    const listing = await nodesKey?.store.list(nodesKey.path)
    for (const { path, data } of listing?.entries ?? []) this.#register(path, data)
    this.#arrange()
    this.#schedule()
  }

  /** Takes what a commit changed in a store. */
  follow(store: Store, changes: readonly Change[]): void {
    const { nodesKey, keys } = this.#options
    const counts = new Map<PivotKey, Map<string, Tally>>()
    let moved = false
    for (const change of changes) {
      const { before, after, entry, from } = change
      if (before === after) continue
      if (nodesKey?.store === store && matches(nodesKey.path, entry.path)) {
        moved = this.#register(entry.path, after?.data ?? null) || moved
      }
      const key = keys.find((own) => own.store === store && matches(own.path, entry.path))
      if (key === undefined) continue
      const froms = counts.get(key) ?? new Map<string, Tally>()
      const { entries, stamp } = froms.get(from) ?? { entries: 0, stamp: 0n }
      const newest = stampOf(entry) > stamp ? stampOf(entry) : stamp
      counts.set(key, froms.set(from, { entries: entries + 1, stamp: newest }))
    }
    if (moved) this.#arrange()
    for (const [key, froms] of counts) this.#tell(key, froms)
  }

  /** Brings all nodes to look at the key, though nothing in it has changed. */
  tell(key: PivotKey): void {
    this.#tell(key, new Map([['', { entries: 1, stamp: 0n }]]))
  }

  /** True if nobody is to be told the news of the key just now: a node that came back is being read. */
  refuses(key: PivotKey): boolean {
    return this.#holds.refuses(key)
  }

  get health(): NodeHealth[] {
    return [...this.#nodes.values()].map(({ health }) => health)
  }

  /** Nodes beyond {@link MAX_NODES}. */
  get ignored(): number {
    return this.#ignored
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
    for (const node of this.#nodes.values()) node.stop()
  }

  #tell(key: PivotKey, froms: ReadonlyMap<string, Tally>): void {
    for (const node of this.#nodes.values()) {
      const name = peerName(node.address)
      let others = 0
      for (const [from, { entries }] of froms) if (from !== name) others += entries
      if (others > 0) node.owe(key, others)
      const own = froms.get(name)
      if (own !== undefined) node.own(key, own.entries, own.stamp)
    }
  }

  /** True if the registered address of the path has changed. */
  #register(path: string, data: string | null): boolean {
    const address = data === null ? undefined : nodeAddress(data)
    if (this.#registered.get(path) === address) return false
    if (address === undefined) this.#registered.delete(path)
    else this.#registered.set(path, address)
    return true
  }

  /** Makes the nodes be those that are registered or configured. */
  #arrange(): void {
    if (this.#stopped) return
    const own = this.#options.own()
    // All nodes see who is registered; to tell them is up to the leader.
    const registered = this.#led.length > 0 ? this.#registered.values() : []
    const wanted = new Set([...this.#options.extraNodes, ...registered])
    if (own !== undefined) wanted.delete(own)
    for (const [address, node] of this.#nodes) {
      if (wanted.has(address)) continue
      node.stop()
      this.#nodes.delete(address)
    }
    this.#ignored = Math.max(0, wanted.size - MAX_NODES)
    for (const address of wanted) {
      if (this.#nodes.has(address) || this.#nodes.size >= MAX_NODES) continue
      const node = new NodePeer(this.#hostOf(address), address)
      this.#nodes.set(address, node)
      void node.check()
    }
    this.#options.changed()
  }

  #hostOf(address: string): NodeHost {
    const { env, http, keys, extraNodes, lift, changed, peers } = this.#options
    const told = extraNodes.includes(address) ? keys : this.#led
    const hold = (key: PivotKey) => this.#holds.begin(key)
    const collect = (at: string) => collectFrom(http, at, told, hold)
    return { env, http, keys: told, lift, changed, collect, peers }
  }

  #schedule(): void {
    if (this.#stopped) return
    const { env, checkIntervalMs } = this.#options
    this.#cancel = env.setTimer(checkIntervalMs, () => {
      for (const node of this.#nodes.values()) void node.check()
      this.#schedule()
    })
  }
}
