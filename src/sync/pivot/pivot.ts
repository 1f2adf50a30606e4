import { type Env } from '../../core/env.ts'
import type { Entry } from '../../core/entry.ts'
import { skerryError } from '../../core/errors.ts'
import type { Commit, Store } from '../../store/store.ts'
import { Activity } from './activity.ts'
import { NAMELESS, originatorName } from './address.ts'
import { Follower, type FollowerStatus } from './follower.ts'
import type { HttpClient } from './http.ts'
import { type PivotKey, PivotKeys } from './keys.ts'
import { Leader } from './leader.ts'
import { NewsDesk } from './news.ts'
import type { NodeHealth } from './nodes.ts'
import { type PivotPeer, PivotPeers } from './peers.ts'
import { Receiver, type Taken, type Target } from './receiver.ts'
import { RemovedEntries, type RemovedEntry } from './removed.ts'
import { type LeaderActivity, parsePosted, pivotJson } from './wire.ts'

/** How a node takes part in the pivot protocol. */
export interface PivotOptions {
  readonly env: Env
  /** Whom this node has shared keys with by this protocol. */
  readonly peers: PivotPeers
  /** How nodes are called: addresses that anybody may have registered. */
  readonly nodeHttp: HttpClient
  /** How leaders are called: addresses from the configuration. */
  readonly leaderHttp: HttpClient
  readonly keys: readonly PivotKey[]
  readonly nodesKey: { readonly path: string; readonly store: Store } | undefined
  /** Further nodes, as `host:port`. */
  readonly extraNodes: readonly string[]
  /** This node's own `host:port`, once it is known. */
  readonly own: () => string | undefined
  /** How often nodes are checked, and leaders asked for news. */
  readonly checkIntervalMs: number
  readonly syncAtStart: boolean
  /** For how long what was removed by absence can be brought back. */
  readonly keepRemovedMs: number
  /** Called when something in {@link Pivot.status} has changed. */
  readonly changed?: () => void
}

/** What goes on by the pivot protocol. */
export interface PivotStatus {
  readonly nodes: readonly NodeHealth[]
  /** Registered nodes beyond the bound, which are not told of changes. */
  readonly ignoredNodes: number
  readonly leaders: readonly FollowerStatus[]
  /** Those that tombstones of the keys wait for, until they expire: these peers acknowledge nothing. */
  readonly peers: readonly PivotPeer[]
}

/** How a store beside the server's own is attached. */
export interface AttachOptions {
  /** Called with the path of each entry that was written, wherever the write came from. */
  readonly afterWrite?: (path: string) => void
}

/** How often what is too old to be brought back is looked for. */
const PRUNE_INTERVAL_MS = 3_600_000

/**
 * Keeps keys in step by the HTTP protocol of Go pivot: as the leader of nodes, and as a node of leaders,
 * each key by itself.
 */
export class Pivot {
  readonly #options: PivotOptions
  readonly #keys: PivotKeys
  readonly #activities: ReadonlyMap<PivotKey, Activity>
  readonly #desks: ReadonlyMap<PivotKey, NewsDesk>
  readonly #receiver: Receiver
  readonly #leader: Leader
  readonly #followers: readonly Follower[]
  readonly #removed: ReadonlyMap<Store, RemovedEntries>
  readonly #attached = new Map<Store, () => void>()
  #cancelPrune: () => void = () => undefined
  #stopped = false

  constructor(options: PivotOptions) {
    const { env, nodeHttp, leaderHttp, keys, own, checkIntervalMs, keepRemovedMs, peers } = options
    const changed = (): void => options.changed?.()
    this.#options = options
    this.#keys = new PivotKeys(keys)
    this.#activities = new Map(keys.map((key) => [key, new Activity(key)]))
    this.#desks = new Map(keys.map((key) => [key, new NewsDesk(key)]))
    const stores = new Set(keys.map(({ store }) => store))
    this.#removed = new Map(
      [...stores].map((store) => [store, new RemovedEntries(store, env, keepRemovedMs)]),
    )
    const lift = (key: PivotKey): void => this.#activities.get(key)!.bump()
    this.#receiver = new Receiver(peers, (key) => {
      lift(key)
      this.#leader.tell(key)
    })
    const { nodesKey, extraNodes } = options
    this.#leader = new Leader({
      ...{ env, http: nodeHttp, keys, nodesKey, extraNodes, own, checkIntervalMs, changed, lift },
      peers,
    })
    const leaders = new Set(keys.flatMap(({ leader }) => leader ?? []))
    this.#followers = [...leaders].map(
      (url) =>
        new Follower({
          ...{ env, http: leaderHttp, url, own, changed, peers },
          keys: keys.filter(({ leader }) => leader === url),
          removedOf: (store) => this.#removed.get(store)!,
          pollIntervalMs: checkIntervalMs,
          syncAtStart: options.syncAtStart,
        }),
    )
  }

  /** Reads what was kept, and watches the stores; done before any request is served. */
  async open(): Promise<void> {
    await this.#options.peers.load()
    for (const store of this.#removed.keys()) if (!this.#attached.has(store)) this.attach(store)
    for (const activity of this.#activities.values()) await activity.open()
    for (const follower of this.#followers) await follower.open()
  }

  /** Begins. Leaders are followed once {@link follow} says that this is the protocol to do it by. */
  async start(): Promise<void> {
    await this.#leader.start()
    this.#prune()
  }

  /** Whether the leader at this address is followed by this protocol, or by a native link. */
  async follow(url: string, byPivot: boolean): Promise<void> {
    const follower = this.#followers.find((one) => one.url === url)
    if (byPivot) follower?.activate()
    else await follower?.suspend()
  }

  /** The leaders that keys name. */
  get leaders(): string[] {
    return this.#followers.map(({ url }) => url)
  }

  /**
   * Watches a store that some key names. Each store is watched by itself once the node starts; call this
   * before, to hear of writes. Returns how to let go of it.
   * @throws SKERRY_STORE_UNUSED if no key names the store
   */
  attach(store: Store, { afterWrite }: AttachOptions = {}): () => void {
    if (!this.#removed.has(store)) throw skerryError('STORE_UNUSED')
    this.#attached.get(store)?.()
    const unwatch = store.watch((commit) => {
      this.syncCallback(store, commit)
      for (const { entry } of commit.changes) afterWrite?.(entry.path)
    })
    this.#attached.set(store, unwatch)
    return unwatch
  }

  /** Takes a commit of a store: for stores that are watched by other means than {@link attach}. */
  syncCallback(store: Store, { changes }: Commit): void {
    for (const [key, activity] of this.#activities) {
      if (key.store === store) for (const change of changes) activity.note(change)
    }
    for (const [key, desk] of this.#desks) {
      if (key.store === store) for (const change of changes) desk.note(change)
    }
    this.#leader.follow(store, changes)
    for (const follower of this.#followers) follower.follow(store, changes)
  }

  /** Somebody is about to read the path: leaders are asked for news, in the background. */
  beforeRead(store: Store, path: string): void {
    for (const follower of this.#followers) follower.beforeRead(store, path)
  }

  /** `GET /activity/{base}` @throws SKERRY_KEY_NOT_SHARED, SKERRY_KEY_HELD */
  async activity(base: string): Promise<LeaderActivity> {
    const key = this.#keys.ofBase(base)
    if (this.#leader.refuses(key)) throw skerryError('KEY_HELD', key.path)
    const { place } = this.#desks.get(key)!
    return { lastEntry: await this.#activities.get(key)!.lastEntry(), place }
  }

  /** The path of the key that a `GET /pivot/{…}` asks for. @throws SKERRY_KEY_NOT_SHARED */
  keyOf(target: string): string {
    return this.#keys.ofRead(target).path
  }

  /**
   * `GET /pivot/{…}`: JSON; undefined if a single entry is not there.
   * @param since only what is new since that place in the feed, if that can be told
   * @throws SKERRY_KEY_NOT_SHARED
   */
  async read(target: string, originator: unknown, since?: string): Promise<string | undefined> {
    const key = this.#keys.ofRead(target)
    const { isGlob, path, store } = key
    const { peers } = this.#options
    const reader = originatorName(originator)
    await (reader === NAMELESS ? peers.read(key) : peers.heard(reader, [key]))
    if (isGlob && since !== undefined) {
      const news = await this.#desks.get(key)!.since(since)
      if (news !== undefined) return news
    }
    const { entries } = await store.list(path)
    if (isGlob) return `[${entries.map(pivotJson).join(',')}]`
    return entries[0] && pivotJson(entries[0])
  }

  /**
   * `POST /pivot/{path}`
   * @throws SKERRY_KEY_NOT_SHARED, SKERRY_JSON_INVALID, SKERRY_PATH_INVALID
   */
  async post(path: string, body: string, originator: unknown): Promise<Taken> {
    const target = this.#target(path, originator)
    return this.#receiver.post(target, parsePosted(body, path))
  }

  /** `DELETE /pivot/{path}/{time}` @throws SKERRY_KEY_NOT_SHARED, SKERRY_PATH_INVALID */
  async delete(path: string, time: bigint, originator: unknown): Promise<void> {
    await this.#receiver.delete(this.#target(path, originator), time)
  }

  /**
   * A leader has news: fetches one key, or all. Resolves once it is here.
   * @returns false if this node follows no leader
   */
  async pull(path: string | undefined): Promise<boolean> {
    if (this.#followers.length === 0) return false
    await Promise.all(this.#followers.map((follower) => follower.pull(path)))
    return true
  }

  /** Compares everything with all leaders, both ways. @returns false if this node follows no leader */
  async synchronize(): Promise<boolean> {
    if (this.#followers.length === 0) return false
    await Promise.all(this.#followers.map((follower) => follower.synchronize()))
    return true
  }

  /** Tries once more what leaders refused. */
  retry(): void {
    for (const follower of this.#followers) follower.retry()
  }

  /** What can be brought back of what was removed by absence at a leader. */
  async removed(pattern: string, limit: number): Promise<RemovedEntry[]> {
    const found: RemovedEntry[] = []
    for (const removed of this.#removed.values()) {
      found.push(...(await removed.list(pattern, limit - found.length)))
    }
    return found
  }

  /** Brings an entry back. @throws SKERRY_NOT_FOUND, SKERRY_KEY_NOT_SHARED */
  async restore(path: string): Promise<Entry> {
    return this.#removed.get(this.#keys.ofPath(path).store)!.restore(path)
  }

  /**
   * Counts what leaders have yet to get, unless that was done a moment ago; {@link status} tells it.
   * @throws what reading a store throws
   */
  async measureLag(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.measureLag()))
  }

  get status(): PivotStatus {
    return {
      nodes: this.#leader.health,
      ignoredNodes: this.#leader.ignored,
      leaders: this.#followers.map(({ status }) => status),
      peers: this.#options.peers.sharing,
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelPrune()
    this.#leader.stop()
    for (const unwatch of this.#attached.values()) unwatch()
    await Promise.all([this.#options.nodeHttp.close(), this.#options.leaderHttp.close()])
    await Promise.all(this.#followers.map((follower) => follower.stop()))
  }

  #target(path: string, originator: unknown): Target {
    return { key: this.#keys.ofPath(path), path, from: originatorName(originator) }
  }

  #prune(): void {
    if (this.#stopped) return
    this.#cancelPrune = this.#options.env.setTimer(PRUNE_INTERVAL_MS, () => {
      const pruned = [...this.#removed.values()].map((removed) => removed.prune())
      // A prune that failed leaves more than it should; the next one finds it.
      Promise.allSettled(pruned).then(
        () => this.#prune(),
        () => undefined,
      )
    })
  }
}
