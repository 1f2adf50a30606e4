import { pack } from '../core/codec.ts'
import { type Entry, sizeOf } from '../core/entry.ts'
import type { Env } from '../core/env.ts'
import { DEFAULT_MAX_CLOCK_DRIFT_MS, HybridClock } from '../core/hlc.ts'
import { Archive } from './archive/archive.ts'
import { type HistoryPolicy, NO_HISTORY } from './archive/policy.ts'
import { AsideShelf } from './aside.ts'
import { backupBytes } from './backup.ts'
import { GenerationCache } from './cache.ts'
import { Changelog } from './changelog.ts'
import { ClosableEngine } from './closable.ts'
import { CommitQueue } from './commit.ts'
import { Deliveries } from './delivery.ts'
import type { Digest } from './digest.ts'
import { Digests } from './digests.ts'
import type { Engine } from './engine.ts'
import { Feed } from './feed.ts'
import { Group } from './group.ts'
import {
  type Identity,
  inHistory,
  packIdentity,
  remembersRun,
  renewed,
  rewound,
} from './identity.ts'
import * as layout from './layout.ts'
import { Collection, takeHorizonsOver } from './collection.ts'
import type { Horizons } from './horizons.ts'
import { endsWithEpoch, type Ledger } from './ledger.ts'
import { type Opened, openStore } from './opening.ts'
import { Pages } from './pages.ts'
import type { Knowledge } from './replaced.ts'
import { restamp } from './restamp.ts'
import * as port from './store.ts'
import type { WithheldShelf } from './withheld.ts'

/** The most characters of paths and data that the read cache holds, by default. */
const DEFAULT_CACHE_CHARACTERS = 32 * 1024 * 1024

/** What a record costs in the cache besides its path and data. */
const RECORD_OVERHEAD = 200

/** How to open a store. */
export interface LocalStoreOptions {
  /** The node's id: 1 to 64 of `A-Za-z0-9_.-`. Default: the one kept in the store, or a new random one. */
  readonly nodeId?: string
  /** How far ahead a peer's stamp may be before its entry is kept aside. Default 60,000 ms. */
  readonly maxClockDriftMs?: number
  /** Bound of the read cache, in characters of paths and data. Default 33,554,432. */
  readonly cacheCharacters?: number
  /** What of the past to keep. Default nothing. */
  readonly history?: HistoryPolicy
  /** How many outdated changes the changelog lists before it is worth writing anew. Default 4,096. */
  readonly changelogSlack?: number
}

/** A store on an engine that one process owns: in memory or embedded on the disk. */
export class LocalStore implements port.Store {
  readonly #env: Env
  readonly #engine: ClosableEngine
  readonly #clock: HybridClock
  readonly #ledger: Ledger
  readonly #feed: Feed
  readonly #digests: Digests
  readonly #cache: GenerationCache<layout.Held>
  readonly #queue: CommitQueue
  readonly #pages: Pages
  readonly #aside: AsideShelf
  readonly #deliveries: Deliveries
  readonly #horizons: Horizons
  readonly #withheld: WithheldShelf
  readonly #collection: Collection
  readonly #archive: Archive
  readonly #changelog: Changelog
  readonly #knowledge: Knowledge
  #identity: Identity
  #seq: number

  /**
   * Opens the store that lies in `engine`, or makes one there, and takes the engine over.
   * @throws SKERRY_DATA_DIR_NEWER if a newer version wrote it
   * @throws SKERRY_CODEC_INVALID if what lies there is not a store
   */
  static async open(
    engine: Engine,
    env: Env,
    options: LocalStoreOptions = {},
  ): Promise<LocalStore> {
    try {
      const opened = await openStore(engine, env, options)
      const store = new LocalStore(engine, env, options, opened)
      await store.#aside.review()
      await store.#aside.trim()
      return store
    } catch (error) {
      await engine.close()
      throw error
    }
  }

  /** Use {@link LocalStore.open}. */
  constructor(engine: Engine, env: Env, options: LocalStoreOptions, opened: Opened) {
    this.#env = env
    this.#engine = new ClosableEngine(engine)
    this.#identity = opened.identity
    this.#ledger = opened.ledger
    this.#horizons = opened.horizons
    this.#withheld = opened.withheld
    this.#seq = opened.seq
    this.#feed = new Feed(opened.seq)
    const drift = options.maxClockDriftMs ?? DEFAULT_MAX_CLOCK_DRIFT_MS
    this.#clock = new HybridClock(() => env.now(), opened.mark, drift)
    this.#digests = new Digests(this.#engine, env.hash)
    this.#deliveries = new Deliveries(this.#engine, this.#clock)
    this.#cache = new GenerationCache(options.cacheCharacters ?? DEFAULT_CACHE_CHARACTERS)
    this.#queue = new CommitQueue({
      begin: () => this.#begin(),
      commit: (group) => this.#commit(group),
    })
    this.#pages = new Pages(this.#engine, (path) => this.#held(path))
    const submit = <T>(run: (group: Group) => T): Promise<T> => this.#queue.submit(run)
    this.#aside = new AsideShelf(env, this.#engine, this.#clock, submit)
    const { ledger, horizons } = opened
    const archived = { engine: this.#engine, ledger, time: () => this.#clock.time() }
    this.#archive = new Archive(archived, options.history ?? NO_HISTORY, opened.archived)
    this.#knowledge = {
      nodeId: opened.identity.nodeId,
      acknowledged: (path, seq) => ledger.wasAcknowledged(path, seq),
    }
    this.#collection = new Collection({ engine: this.#engine, ledger, horizons, submit })
    this.#changelog = new Changelog({ engine: this.#engine, submit, slack: options.changelogSlack })
  }

  get nodeId(): string {
    return this.#identity.nodeId
  }

  get epoch(): string {
    return this.#identity.epoch
  }

  get formerly(): readonly string[] {
    return this.#identity.formerly.map(({ epoch }) => epoch)
  }

  get run(): string {
    return this.#identity.runs.at(-1)!.id
  }

  get seq(): number {
    return this.#seq
  }

  get durable(): boolean {
    return this.#engine.durable
  }

  async read(path: string): Promise<Entry | undefined> {
    return this.readNow(path)
  }

  readNow(path: string): Entry | undefined {
    return layout.visible(this.#held(path))
  }

  async newest(path: string): Promise<Entry | undefined> {
    return this.#held(path)?.entry
  }

  async placed(path: string): Promise<port.Placed | undefined> {
    return this.#held(path)
  }

  async list(pattern: string): Promise<port.Listing> {
    const entries: Entry[] = []
    const seq = await this.visit(pattern, (entry) => entries.push(entry))
    return { seq, entries }
  }

  async visit(pattern: string, visitor: (entry: Entry) => void): Promise<number> {
    const seq = this.#seq
    await this.#pages.visit(pattern, visitor)
    return seq
  }

  write(writes: readonly port.Write[]): Promise<port.Written[]> {
    return this.#queue.submit((group) => writes.map((write) => group.write(write)))
  }

  deliver(origin: string, deliveries: readonly port.Delivery[]): Promise<port.Delivered[]> {
    return this.#queue.submit((group) => this.#deliveries.run(group, origin, deliveries))
  }

  merge(entries: readonly Entry[], source: port.MergeSource): Promise<port.Merged> {
    return this.#queue.submit((group) => {
      const merged = group.merge(entries, source)
      this.#ledger.keepCheckpoints(group, source.checkpoints ?? [])
      return merged
    })
  }

  watch(listener: (commit: port.Commit) => void): () => void {
    return this.#feed.watch(listener)
  }

  async changesAfter(seq: number, limit: number): Promise<port.FeedPage> {
    this.#engine.assertOpen()
    const recent = this.#feed.after(seq, limit)
    if (recent !== undefined) return recent
    return this.#pages.changes(seq, this.#seq, limit)
  }

  async digest(key: string): Promise<Digest> {
    this.#engine.assertOpen()
    return this.#digests.of(key)
  }

  hashed(key: string, from: string, to: string, limit: number): Promise<port.HashedPage> {
    return this.#pages.hashed(key, from, to, limit)
  }

  checkpoint(peer: string, key: string): port.Position | undefined {
    return this.#ledger.checkpoint(peer, key)
  }

  saveCheckpoints(checkpoints: readonly port.Checkpoint[]): Promise<void> {
    return this.#queue.submit((group) => this.#ledger.keepCheckpoints(group, checkpoints))
  }

  acknowledged(peer: string, key: string): port.Acknowledgement | undefined {
    return this.#ledger.acknowledged(peer, key)
  }

  wasAcknowledged(path: string, seq: number): boolean {
    return this.#ledger.wasAcknowledged(path, seq)
  }

  hear(heard: port.Heard): void {
    this.#ledger.hear(heard)
  }

  saveAcknowledgements(acknowledgements: readonly port.Acknowledgement[]): Promise<void> {
    return this.#queue.submit((group) => {
      for (const each of acknowledgements) group.keep(this.#ledger.acknowledgementOp(each))
      group.afterwards(() => this.#ledger.setAcknowledgements(acknowledgements))
    })
  }

  async notes(prefix: string): Promise<Required<port.Note>[]> {
    const notes: Required<port.Note>[] = []
    for await (const chunk of this.#engine.scan(layout.prefixRange(layout.noteKey(prefix)))) {
      for (const [key, value] of chunk) notes.push({ name: key.slice(1), value })
    }
    return notes
  }

  saveNotes(notes: readonly port.Note[]): Promise<void> {
    return this.#queue.submit((group) => {
      for (const { name, ...note } of notes) group.keep({ key: layout.noteKey(name), ...note })
    })
  }

  knows(position: port.Position): boolean {
    return inHistory(this.#identity, this.#seq, position)
  }

  remembers(position: port.Position): boolean {
    return remembersRun(this.#identity, position)
  }

  renewEpoch(): Promise<void> {
    return this.#queue.submit((group) => this.#renew(group, rewound))
  }

  async collect(rule: port.CollectionRule): Promise<number> {
    const collected = await this.#collection.run(rule)
    await this.#archive.end(rule.expired, (run) => this.#queue.submit(run))
    return collected
  }

  horizons(): readonly port.Horizon[] {
    return this.#horizons.list()
  }

  raiseHorizons(horizons: readonly Pick<port.Horizon, 'key' | 'stamp'>[]): Promise<void> {
    return this.#queue.submit((group) => {
      takeHorizonsOver(group, this.#horizons, horizons)
      for (const { stamp } of horizons) this.#clock.observe(stamp)
    })
  }

  withheld(limit: number): Promise<port.Withheld[]> {
    return this.#withheld.list(limit)
  }

  get withheldCount(): number {
    return this.#withheld.count
  }

  resolveWithheld(paths: readonly string[], how: 'release' | 'drop'): Promise<number> {
    return this.#queue.submit((group) => paths.filter((path) => group.resolve(path, how)).length)
  }

  time(): bigint {
    return this.#clock.time()
  }

  correctClock(offsetNs: bigint): void {
    this.#clock.correct(offsetNs)
    this.#aside.recheck()
  }

  restamp(): Promise<number> {
    return restamp({
      engine: this.#engine,
      clock: this.#clock,
      feed: this.#feed,
      knowledge: this.#knowledge,
      renew: (group) => this.#renew(group, renewed),
      submit: (run) => this.#queue.submit(run),
    })
  }

  async aside(limit: number): Promise<Entry[]> {
    const paths = await this.#aside.list(limit)
    return paths.flatMap((path) => this.#held(path)?.entry ?? [])
  }

  overruled(limit: number): Promise<Entry[]> {
    return this.#aside.overruled(limit)
  }

  async history(path: string, range: port.HistoryRange): Promise<port.HistoryPage> {
    return this.#archive.page(path, this.#held(path), range)
  }

  clearHistory(pattern: string): Promise<number> {
    return this.#archive.clear(pattern, (run) => this.#queue.submit(run))
  }

  backup(): AsyncIterable<Uint8Array> {
    return backupBytes(this.#engine)
  }

  async close(): Promise<void> {
    this.#aside.close()
    await this.#queue.close()
    await this.#engine.close()
  }

  #renew(group: Group, begin: typeof renewed): void {
    const identity = begin(this.#env, this.#identity, group.seq + 1)
    group.renew(identity.epoch)
    group.keep({ key: layout.IDENTITY_KEY, value: packIdentity(identity) })
    const unsaved = group.kept('c').filter(endsWithEpoch)
    for (const key of [...this.#ledger.checkpointKeys(), ...unsaved]) group.keep({ key })
    group.afterwards(() => {
      this.#identity = identity
      this.#ledger.raiseFloor(identity.acknowledgedTo)
      this.#ledger.clearCheckpoints()
    })
  }

  #held(path: string): layout.Held | undefined {
    this.#engine.assertOpen()
    const cached = this.#cache.get(path)
    if (cached !== undefined) return cached
    const bytes = this.#engine.get(layout.heldKey(path))
    if (bytes === undefined) return undefined
    const held = layout.unpackHeld(bytes)
    this.#cacheHeld(path, held)
    return held
  }

  #cacheHeld(path: string, held: layout.Held): void {
    this.#cache.set(path, held, sizeOf(held.entry) + RECORD_OVERHEAD)
  }

  #begin(): Group {
    const context = {
      epoch: this.epoch,
      clock: this.#clock,
      hash: this.#env.hash,
      held: (path: string) => this.#held(path),
      ...this.#knowledge,
      horizon: (path: string) => this.#horizons.at(path),
      withheld: (path: string) => this.#withheld.at(path),
      ...(this.#archive.active && { archive: this.#archive }),
    }
    return new Group(context, this.#seq)
  }

  async #commit(group: Group): Promise<void> {
    try {
      const withheldMore = group.withheldMore
      const ops = group.ops()
      const addition = this.#changelog.addition(group)
      ops.push(...addition.ops)
      ops.push({ key: layout.CLOCK_KEY, value: pack([group.seq, this.#clock.mark]) })
      await this.#engine.write(ops, () => {
        this.#withheld.changed(withheldMore)
        this.#changelog.follow(addition)
        this.#publish(group)
      })
    } catch (error) {
      // A restamp that failed had lowered it.
      this.#clock.raise(group.mark)
      throw error
    }
  }

  #publish(group: Group): void {
    this.#digests.apply(group)
    for (const [path, held] of group.records) this.#cacheHeld(path, held)
    for (const [path, { seq }] of group.collected) {
      this.#cache.delete(path)
      this.#feed.drop(path, seq)
    }
    this.#seq = group.seq
    group.finish()
    this.#aside.follow(group)
    if (group.changes.length > 0) this.#feed.publish({ changes: group.changes, seq: this.#seq })
  }
}
