import { type Entry, NODE_ID, stampOf } from '../core/entry.ts'
import { type Env, randomId } from '../core/env.ts'
import { messageOf, SkerryError, skerryError, skerryErrorFrom } from '../core/errors.ts'
import { DEFAULT_MAX_CLOCK_DRIFT_MS, HybridClock } from '../core/hlc.ts'
import { isGlob, matches } from '../core/path.ts'
import { AsideShelf } from './aside.ts'
import type { Digest } from './digest.ts'
import { DriftSurvey } from './drift.ts'
import type { Group } from './group.ts'
import * as layout from './layout.ts'
import { acknowledgementOp, checkpointOp, Ledger } from './ledger.ts'
import { Committer } from './redis/committer.ts'
import { RedisDigests } from './redis/digests.ts'
import { checkDurability } from './redis/durability.ts'
import { Follower, type Reached } from './redis/follower.ts'
import type { Head } from './redis/head.ts'
import { findOrMake, History } from './redis/history.ts'
import { Keyspace, parseHeld } from './redis/keyspace.ts'
import { Lease } from './redis/lease.ts'
import { listing, listingOfPath } from './redis/listing.ts'
import type { ResolvedRedisOptions } from './redis/options.ts'
import { heldAfter, type Step } from './redis/steps.ts'
import * as port from './store.ts'

/** What a store on Redis gets from the node that it serves. */
export interface RedisNodeOptions {
  /** Default: the id kept in Redis, or a new random one. */
  readonly nodeId?: string
  readonly maxClockDriftMs?: number
}

/** What a store is made of when it opens. */
interface Opened {
  readonly keyspace: Keyspace
  readonly options: ResolvedRedisOptions
  readonly env: Env
  readonly node: RedisNodeOptions
  readonly head: Head
  readonly durable: boolean
}

/**
 * A store on Redis or Valkey. All servers that open it are one node: its id, epoch, clock and sequence lie
 * in Redis, and one of them at a time, by a fenced lease, runs links and collection.
 */
export class RedisStore implements port.Store {
  /** Random; tells the servers of one node apart. */
  readonly server: string
  readonly #env: Env
  readonly #options: ResolvedRedisOptions
  readonly #keyspace: Keyspace
  readonly #clock: HybridClock
  readonly #history: History
  readonly #committer: Committer
  readonly #follower: Follower
  readonly #lease: Lease
  readonly #digests: RedisDigests
  readonly #leaders = new Set<(leads: boolean) => void>()
  #ledger = new Ledger()
  #shelf: AsideShelf
  #durable: boolean
  #available = true
  /** The newest number at the last beat: what has not come since then was missed. */
  #expected = 0
  /** What Redis has lost and this server still knows. */
  #lost: readonly Entry[] = []
  #closing: Promise<void> | undefined

  /**
   * Opens the store, or makes one if there is none.
   * @throws SKERRY_REDIS_UNAVAILABLE, SKERRY_REDIS_NOT_DURABLE, SKERRY_DATA_DIR_NEWER, SKERRY_OPTION_INVALID
   */
  static async open(
    options: ResolvedRedisOptions,
    env: Env,
    node: RedisNodeOptions = {},
  ): Promise<RedisStore> {
    const { nodeId } = node
    if (nodeId !== undefined && !NODE_ID.test(nodeId)) {
      throw skerryError('OPTION_INVALID', 'id', nodeId, 'use 1 to 64 of A-Z a-z 0-9 _ . -')
    }
    const keyspace = new Keyspace(options)
    let store: RedisStore | undefined
    try {
      await keyspace.connect()
      const durable = await checkDurability(keyspace.client, options.durability)
      const head = await findOrMake(keyspace, env, { nodeId, seq: 0 })
      store = new RedisStore({ keyspace, options, env, node, head, durable })
      await store.#begin(head)
      return store
    } catch (error) {
      await store?.close()
      keyspace.close()
      if (error instanceof SkerryError) throw error
      throw skerryErrorFrom(error, 'REDIS_UNAVAILABLE', messageOf(error))
    }
  }

  /** Use {@link RedisStore.open}. */
  constructor({ keyspace, options, env, node, head, durable }: Opened) {
    this.server = randomId(env)
    this.#env = env
    this.#options = options
    this.#keyspace = keyspace
    this.#durable = durable
    const drift = node.maxClockDriftMs ?? DEFAULT_MAX_CLOCK_DRIFT_MS
    this.#clock = new HybridClock(() => env.now(), head.mark, drift)
    this.#digests = new RedisDigests(keyspace, env.hash)
    this.#follower = new Follower(keyspace, options, this.#followerHost())
    this.#history = new History(keyspace, env, this.#historyHost(), head.identity)
    this.#committer = new Committer(keyspace, this.#commitHost())
    this.#lease = new Lease(keyspace, options.leaseMs, this.#leaseHost())
    this.#shelf = this.#newShelf()
  }

  get nodeId(): string {
    return this.#history.nodeId
  }

  get epoch(): string {
    return this.#history.epoch
  }

  get run(): string {
    return this.#history.run
  }

  get seq(): number {
    return this.#follower.seq
  }

  get durable(): boolean {
    return this.#durable
  }

  get available(): boolean {
    return this.#available
  }

  lead(listener: (leads: boolean) => void): () => void {
    this.#leaders.add(listener)
    listener(this.#lease.holds)
    return () => this.#leaders.delete(listener)
  }

  async read(path: string): Promise<Entry | undefined> {
    return layout.visible(await this.#keyspace.held(path))
  }

  async newest(path: string): Promise<Entry | undefined> {
    return (await this.#keyspace.held(path))?.entry
  }

  list(pattern: string): Promise<port.Listing> {
    return isGlob(pattern)
      ? listing(this.#keyspace, pattern)
      : listingOfPath(this.#keyspace, pattern)
  }

  write(writes: readonly port.Write[]): Promise<port.Written[]> {
    return this.#committer.submit({
      paths: writes.flatMap(({ path }) => (typeof path === 'string' ? [path] : [])),
      run: (group) => writes.map((write) => group.write(write)),
    })
  }

  merge(entries: readonly Entry[], source: port.MergeSource): Promise<number> {
    const { peer, checkpoints = [] } = source
    return this.#committer.submit({
      paths: entries.map(({ path }) => path),
      fenced: true,
      run: (group) => {
        let news = 0
        for (const entry of entries) if (group.merge(entry, peer)) news++
        this.#keepCheckpoints(group, checkpoints)
        return news
      },
    })
  }

  watch(listener: (commit: port.Commit) => void): () => void {
    return this.#follower.watch(listener)
  }

  async changesAfter(seq: number, limit: number): Promise<port.FeedPage> {
    this.#assertOpen()
    const recent = this.#follower.recent(seq, limit)
    if (recent !== undefined) return recent
    const newest = this.seq
    const { changes, last } = await this.#keyspace.changes(seq, newest, limit)
    return { changes, upTo: last ? newest : changes.at(-1)!.seq }
  }

  async digest(key: string): Promise<Digest> {
    this.#assertOpen()
    return this.#digests.of(key)
  }

  async hashed(key: string, from: string, to: string, limit: number): Promise<port.HashedPage> {
    const entries: port.HashedEntry[] = []
    let full = false
    let characters = 0
    for await (const chunk of this.#keyspace.scan(layout.hashRange(from, to))) {
      for (const [indexKey, value] of chunk) {
        const { hash, path } = layout.hashAndPath(indexKey)
        if (!matches(key, path)) continue
        // Paths of one hash share a page: the next one begins above it.
        const last = entries.at(-1)?.hash
        if (full && hash !== last) return { entries, upTo: layout.afterHash(last!) }
        const { entry } = parseHeld(value as Buffer)
        entries.push({ hash, entry })
        characters += entry.path.length + (entry.data?.length ?? 0)
        full = entries.length >= limit || characters >= port.MAX_PAGE_CHARACTERS
      }
    }
    return { entries, upTo: to }
  }

  checkpoint(peer: string, key: string): port.Position | undefined {
    return this.#ledger.checkpoint(peer, key)
  }

  saveCheckpoints(checkpoints: readonly port.Checkpoint[]): Promise<void> {
    return this.#keep((group) => this.#keepCheckpoints(group, checkpoints))
  }

  acknowledged(peer: string, key: string): number {
    return this.#ledger.acknowledged(peer, key)
  }

  saveAcknowledgements(acknowledgements: readonly port.Acknowledgement[]): Promise<void> {
    return this.#keep((group) => {
      for (const acknowledgement of acknowledgements) group.keep(acknowledgementOp(acknowledgement))
      group.afterwards(() => this.#ledger.setAcknowledgements(acknowledgements))
    })
  }

  knows(position: port.Position): boolean {
    return this.#history.knows(position)
  }

  async renewEpoch(): Promise<void> {
    this.#assertOpen()
    await this.#history.renew(this.#term())
  }

  time(): bigint {
    return this.#clock.time()
  }

  correctClock(offsetNs: bigint): void {
    this.#clock.correct(offsetNs)
    this.#shelf.recheck()
  }

  async restamp(): Promise<number> {
    if (!this.#clock.isAhead(this.#clock.mark)) return 0
    const survey = new DriftSurvey(this.#clock)
    const stop = this.watch(({ changes }) => changes.forEach(({ entry }) => survey.note(entry)))
    try {
      for await (const chunk of this.#keyspace.scan(layout.prefixRange('e'))) {
        for (const [, value] of chunk) survey.note(parseHeld(value as Buffer).entry)
      }
      return await this.#restamp(survey)
    } finally {
      stop()
    }
  }

  async aside(limit: number): Promise<Entry[]> {
    const paths = await this.#shelf.list(limit)
    const records = await this.#keyspace.heldMany(paths)
    return records.flatMap((held) => held?.entry ?? [])
  }

  overruled(limit: number): Promise<Entry[]> {
    return this.#shelf.overruled(limit)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #begin(head: Head): Promise<void> {
    await this.#follower.open({ seq: head.seq, released: head.released })
    this.#keyspace.follow({
      back: () => this.#look(),
      failed: () => (this.#available = false),
    })
    if (!this.#history.fits(head)) await this.#history.turn()
    await this.#lease.open(head)
  }

  async #close(): Promise<void> {
    this.#shelf.close()
    await this.#committer.close()
    await this.#lease.close()
    this.#follower.close()
    this.#keyspace.close()
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw skerryError('STORE_CLOSED')
  }

  /** @throws SKERRY_LEASE_LOST */
  #term(): string {
    const { term } = this.#lease
    if (term === undefined) throw skerryError('LEASE_LOST')
    return term
  }

  #keep(run: (group: Group) => void): Promise<void> {
    return this.#committer.submit({ paths: [], fenced: true, run })
  }

  /** Keeps checkpoints, unless a new history has begun since they were made. */
  #keepCheckpoints(group: Group, checkpoints: readonly port.Checkpoint[]): void {
    const kept = checkpoints.filter(({ ownEpoch }) => ownEpoch === group.epoch)
    for (const checkpoint of kept) group.keep(checkpointOp(checkpoint))
    group.afterwards(() => this.#ledger.setCheckpoints(kept))
  }

  async #restamp(survey: DriftSurvey): Promise<number> {
    this.#clock.lower(survey.highest)
    // A peer may have merged what it had no time to acknowledge: only a full repair is sure. With the epoch the
    // mark is lowered, and every other server learns of both.
    await this.#history.renew(this.#term(), survey.highest)
    return this.#committer.submit({
      paths: [...survey.ahead],
      fenced: true,
      run: (group) => {
        for (const { entry } of group.records.values()) survey.note(entry)
        const own = [...survey.ahead]
          .flatMap((path) => group.held(path) ?? [])
          .filter((held) => this.#isToRestamp(held))
          .sort((a, b) => (stampOf(a.entry) < stampOf(b.entry) ? -1 : 1))
        for (const held of own) group.restamp(held)
        return own.length
      },
    })
  }

  /** True of what this node stamped too far ahead and no peer has acknowledged. */
  #isToRestamp({ entry, seq }: layout.Held): boolean {
    if (entry.origin !== this.nodeId || !this.#clock.isAhead(stampOf(entry))) return false
    return !this.#ledger.isAcknowledged(entry.path, seq)
  }

  #newShelf(): AsideShelf {
    const release = (paths: readonly string[]) =>
      this.#committer.submit({
        paths,
        fenced: true,
        run: (group) => paths.forEach((path) => group.release(path)),
      })
    return new AsideShelf(this.#env, this.#keyspace, this.#clock, release)
  }

  /** Looks at Redis at once; failing that, the next beat does. */
  #look(): void {
    if (this.#closing !== undefined) return
    this.#lease.look().catch(() => (this.#available = false))
  }

  #commitHost(): ConstructorParameters<typeof Committer>[1] {
    const store = this
    return {
      server: this.server,
      clock: this.#clock,
      get seq() {
        return store.seq
      },
      get term() {
        return store.#lease.term
      },
      context: () => ({ nodeId: this.nodeId, epoch: this.epoch, hash: this.#env.hash }),
      committed: (group, reached) => this.#committed(group, reached),
      turned: () => this.#history.turn(),
    }
  }

  #committed(group: Group, reached: Reached): void {
    const afterwards = (): void => {
      group.finish()
      if (this.#lease.holds) this.#shelf.follow(group)
    }
    this.#follower.take({ ...reached, afterwards })
  }

  #followerHost(): ConstructorParameters<typeof Follower>[2] {
    return {
      server: this.server,
      known: (path) => this.#committer.known(path),
      seen: (step) => this.#seen(step),
      missed: () => this.#digests.reset(),
      heardOwn: (commit, reached) => {
        if (!this.#committer.heard(commit, reached)) {
          this.#follower.take({ ...reached, steps: undefined })
        }
      },
      turned: () => this.#look(),
      // What failed is read again with the next beat.
      failed: () => undefined,
    }
  }

  #seen(step: Step): void {
    this.#committer.note(heldAfter(step))
    this.#clock.observe(stampOf(step.change.entry))
    this.#digests.apply(step)
    this.#digests.reached(step.change.seq)
  }

  #historyHost(): ConstructorParameters<typeof History>[2] {
    return {
      server: this.server,
      follower: this.#follower,
      checkDurability: async () => {
        const { client } = this.#keyspace
        this.#durable = await checkDurability(client, this.#options.durability)
      },
      renewed: (head, lost, own) => this.#renewed(head, lost, own),
    }
  }

  #renewed(head: Head, lost: readonly Entry[], own: boolean): void {
    this.#ledger.clearCheckpoints()
    this.#committer.forget()
    // Another server may have put right what was stamped by a clock gone wild.
    if (this.#clock.isAhead(this.#clock.mark)) this.#clock.lower(head.mark)
    const { seq, released } = this.#follower.at
    const at = { seq: Math.min(seq, head.seq), released: Math.min(released, head.released) }
    this.#follower.restartAt(at)
    this.#follower.catchUpSoon()
    this.#lost = [...this.#lost, ...lost]
    if (own || !this.#lease.holds) return
    // Links that were greeted with the old epoch start over.
    this.#tellLeaders(false)
    this.#tellLeaders(true)
  }

  /** Writes again what Redis has lost; the newest version of each path wins, whoever has it. */
  async #restore(): Promise<void> {
    const lost = this.#lost
    if (lost.length === 0) return
    await this.#committer.submit({
      paths: lost.map(({ path }) => path),
      run: (group) => lost.forEach((entry) => group.merge(entry, '')),
    })
    this.#lost = this.#lost.slice(lost.length)
  }

  #leaseHost(): ConstructorParameters<typeof Lease>[2] {
    return {
      server: this.server,
      newRun: () => randomId(this.#env),
      beaten: (head) => this.#beaten(head),
      won: (run) => this.#won(run),
      ready: () => this.#tellLeaders(true),
      lost: () => {
        this.#shelf.close()
        this.#tellLeaders(false)
      },
      failed: () => (this.#available = false),
    }
  }

  async #beaten(head: Head | undefined): Promise<void> {
    if (!this.#history.fits(head)) await this.#history.turn()
    else if (this.seq < this.#expected) await this.#follower.catchUp()
    if (head !== undefined) this.#expected = head.seq
    await this.#restore()
    this.#available = true
  }

  async #won(run: string): Promise<void> {
    const head = await this.#keyspace.head()
    if (head === undefined || !this.#history.fits(head)) await this.#history.turn()
    else this.#history.began(run, head)
    await this.#follower.catchUp()
    this.#ledger = await Ledger.load(this.#keyspace)
    this.#shelf = this.#newShelf()
    await this.#shelf.review()
  }

  #tellLeaders(leads: boolean): void {
    for (const listener of [...this.#leaders]) listener(leads)
  }
}
