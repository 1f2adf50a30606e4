import { type Entry, NODE_ID } from '../core/entry.ts'
import type { Env } from '../core/env.ts'
import { messageOf, SkerryError, skerryError, skerryErrorFrom } from '../core/errors.ts'
import { Collection, takeHorizonsOver } from './collection.ts'
import { Deliveries, markKey } from './delivery.ts'
import type { Digest } from './digest.ts'
import type { Group } from './group.ts'
import * as layout from './layout.ts'
import type { StoreNode } from './opener.ts'
import { checkDurability } from './redis/durability.ts'
import { findOrMake } from './redis/history.ts'
import { Keyspace } from './redis/keyspace.ts'
import { hashedPage, listing } from './redis/listing.ts'
import type { ResolvedRedisOptions } from './redis/options.ts'
import { restamp } from './redis/restamp.ts'
import { NodeServer } from './redis/server.ts'
import type * as port from './store.ts'
import { unpackWithheld } from './withheld.ts'

/**
 * A store on Redis or Valkey. All servers that open it are one node: its id, epoch, clock and sequence lie
 * in Redis, and one of them at a time, by a fenced lease, runs links and collection.
 */
export class RedisStore implements port.Store {
  readonly #server: NodeServer

  /**
   * Opens the store, or makes one if there is none.
   * @throws SKERRY_REDIS_UNAVAILABLE, SKERRY_REDIS_NOT_DURABLE, SKERRY_DATA_DIR_NEWER, SKERRY_OPTION_INVALID
   * @throws SKERRY_HISTORY_UNAVAILABLE if versions of paths are to be kept
   */
  static async open(
    options: ResolvedRedisOptions,
    env: Env,
    node: StoreNode = {},
  ): Promise<RedisStore> {
    const { nodeId, maxClockDriftMs, history } = node
    if (history?.keepsSome === true) throw skerryError('HISTORY_UNAVAILABLE')
    if (nodeId !== undefined && !NODE_ID.test(nodeId)) {
      throw skerryError('OPTION_INVALID', 'id', nodeId, 'use 1 to 64 of A-Z a-z 0-9 _ . -')
    }
    const keyspace = new Keyspace(options)
    let server: NodeServer | undefined
    try {
      await keyspace.connect()
      const durable = await checkDurability(keyspace.client, options.durability)
      const head = await findOrMake(keyspace, env, { nodeId, seq: 0 })
      server = new NodeServer({ keyspace, options, env, maxClockDriftMs, head, durable })
      await server.begin(head)
      return new RedisStore(server)
    } catch (error) {
      await server?.close()
      keyspace.close()
      if (error instanceof SkerryError) throw error
      throw skerryErrorFrom(error, 'REDIS_UNAVAILABLE', messageOf(error))
    }
  }

  /** Use {@link RedisStore.open}. */
  constructor(server: NodeServer) {
    this.#server = server
  }

  get nodeId(): string {
    return this.#server.history.nodeId
  }

  get epoch(): string {
    return this.#server.history.epoch
  }

  get formerly(): readonly string[] {
    return this.#server.history.formerly
  }

  get run(): string {
    return this.#server.history.run
  }

  get seq(): number {
    return this.#server.follower.seq
  }

  get durable(): boolean {
    return this.#server.durable
  }

  get available(): boolean {
    return this.#server.available
  }

  lead(listener: (leads: boolean) => void): () => void {
    return this.#server.lead(listener)
  }

  async read(path: string): Promise<Entry | undefined> {
    return layout.visible(await this.#server.keyspace.held(path))
  }

  async newest(path: string): Promise<Entry | undefined> {
    return (await this.#server.keyspace.held(path))?.entry
  }

  async placed(path: string): Promise<port.Placed | undefined> {
    return this.#server.keyspace.held(path)
  }

  list(pattern: string): Promise<port.Listing> {
    return listing(this.#server.keyspace, pattern)
  }

  /** Unlike other stores this one holds it all in memory: only so it is of one moment. */
  async visit(pattern: string, visitor: (entry: Entry) => void): Promise<number> {
    const { seq, entries } = await this.list(pattern)
    entries.forEach(visitor)
    return seq
  }

  write(writes: readonly port.Write[]): Promise<port.Written[]> {
    return this.#server.committer.submit({
      paths: writes.flatMap(({ path }) => (typeof path === 'string' ? [path] : [])),
      run: (group) => writes.map((write) => group.write(write)),
      numbered: (written, renumber) =>
        written.map((each) => ({ ...each, seq: renumber(each.seq) })),
    })
  }

  async deliver(origin: string, deliveries: readonly port.Delivery[]): Promise<port.Delivered[]> {
    const key = markKey(origin)
    const mark = await this.#server.keyspace.data(key)
    const engine = { get: (asked: string) => (asked === key ? mark : undefined) }
    const run = new Deliveries(engine, this.#server.clock)
    return this.#server.committer.submit({
      paths: deliveries.map(({ path }) => path),
      run: (group) => run.run(group, origin, deliveries),
    })
  }

  merge(entries: readonly Entry[], source: port.MergeSource): Promise<port.Merged> {
    return this.#server.committer.submit({
      paths: entries.map(({ path }) => path),
      fenced: true,
      run: (group) => {
        const merged = group.merge(entries, source)
        this.#server.ledger.keepCheckpoints(group, source.checkpoints ?? [])
        return merged
      },
      numbered: (merged, renumber) => ({
        ...merged,
        contests: merged.contests.map((each) => ({ ...each, seq: renumber(each.seq) })),
        beaten: merged.beaten.map(({ entry, by }) => ({
          entry,
          by: { ...by, seq: renumber(by.seq) },
        })),
      }),
    })
  }

  watch(listener: (commit: port.Commit) => void): () => void {
    return this.#server.follower.watch(listener)
  }

  async changesAfter(seq: number, limit: number): Promise<port.FeedPage> {
    this.#assertOpen()
    const recent = this.#server.follower.recent(seq, limit)
    if (recent !== undefined) return recent
    const newest = this.seq
    const { changes, last } = await this.#server.keyspace.changes(seq, newest, limit)
    return { changes, upTo: last ? newest : changes.at(-1)!.seq }
  }

  async digest(key: string): Promise<Digest> {
    this.#assertOpen()
    return this.#server.digests.of(key)
  }

  hashed(key: string, from: string, to: string, limit: number): Promise<port.HashedPage> {
    return hashedPage(this.#server.keyspace, key, { from, to, limit })
  }

  checkpoint(peer: string, key: string): port.Position | undefined {
    return this.#server.ledger.checkpoint(peer, key)
  }

  saveCheckpoints(checkpoints: readonly port.Checkpoint[]): Promise<void> {
    return this.#keep((group) => this.#server.ledger.keepCheckpoints(group, checkpoints))
  }

  acknowledged(peer: string, key: string): port.Acknowledgement | undefined {
    return this.#server.ledger.acknowledged(peer, key)
  }

  wasAcknowledged(path: string, seq: number): boolean {
    return this.#server.ledger.wasAcknowledged(path, seq)
  }

  hear(heard: port.Heard): void {
    this.#server.ledger.hear(heard)
  }

  saveAcknowledgements(acknowledgements: readonly port.Acknowledgement[]): Promise<void> {
    return this.#keep((group) => {
      const { ledger } = this.#server
      for (const each of acknowledgements) group.keep(ledger.acknowledgementOp(each))
      group.afterwards(() => ledger.setAcknowledgements(acknowledgements))
    })
  }

  async notes(prefix: string): Promise<Required<port.Note>[]> {
    const notes: Required<port.Note>[] = []
    for await (const chunk of this.#server.keyspace.scan(
      layout.prefixRange(layout.noteKey(prefix)),
    )) {
      for (const [key, value] of chunk) notes.push({ name: key.slice(1), value })
    }
    return notes
  }

  saveNotes(notes: readonly port.Note[]): Promise<void> {
    return this.#keep((group) => {
      for (const { name, ...note } of notes) group.keep({ key: layout.noteKey(name), ...note })
    })
  }

  knows(position: port.Position): boolean {
    return this.#server.history.knows(position)
  }

  remembers(position: port.Position): boolean {
    return this.#server.history.remembers(position)
  }

  async renewEpoch(): Promise<void> {
    this.#assertOpen()
    await this.#server.history.renew(this.#term())
  }

  collect(rule: port.CollectionRule): Promise<number> {
    const server = this.#server
    return new Collection({
      engine: server.keyspace,
      ledger: server.ledger,
      // Others may change them until the group is committed.
      get horizons() {
        return server.remains.horizons
      },
      submit: (run, paths) => server.submitFenced(run, paths),
    }).run(rule)
  }

  horizons(): readonly port.Horizon[] {
    return this.#server.remains.horizons.list()
  }

  raiseHorizons(horizons: readonly Pick<port.Horizon, 'key' | 'stamp'>[]): Promise<void> {
    return this.#keep((group) => {
      takeHorizonsOver(group, this.#server.remains.horizons, horizons)
      for (const { stamp } of horizons) this.#server.clock.observe(stamp)
    })
  }

  async withheld(limit: number): Promise<port.Withheld[]> {
    const withheld: port.Withheld[] = []
    for await (const chunk of this.#server.keyspace.scan({ ...layout.prefixRange('w'), limit })) {
      for (const [, value] of chunk) withheld.push(unpackWithheld(value))
    }
    return withheld
  }

  get withheldCount(): number {
    return this.#server.remains.count
  }

  resolveWithheld(paths: readonly string[], how: 'release' | 'drop'): Promise<number> {
    return this.#server.submitFenced(
      (group) => paths.filter((path) => group.resolve(path, how)).length,
      paths,
    )
  }

  time(): bigint {
    return this.#server.clock.time()
  }

  correctClock(offsetNs: bigint): void {
    this.#server.clock.correct(offsetNs)
    this.#server.shelf.recheck()
  }

  restamp(): Promise<number> {
    return restamp({
      keyspace: this.#server.keyspace,
      clock: this.#server.clock,
      watch: (listener) => this.watch(listener),
      knowledge: {
        nodeId: this.nodeId,
        acknowledged: (path, seq) => this.wasAcknowledged(path, seq),
      },
      renew: (mark) => this.#server.history.renew(this.#term(), mark),
      submit: (work) => this.#server.committer.submit(work),
    })
  }

  async aside(limit: number): Promise<Entry[]> {
    const paths = await this.#server.shelf.list(limit)
    const records = await this.#server.keyspace.heldMany(paths)
    return records.flatMap((held) => held?.entry ?? [])
  }

  overruled(limit: number): Promise<Entry[]> {
    return this.#server.shelf.overruled(limit)
  }

  close(): Promise<void> {
    return this.#server.close()
  }

  #assertOpen(): void {
    if (this.#server.closed) throw skerryError('STORE_CLOSED')
  }

  /** @throws SKERRY_LEASE_LOST */
  #term(): string {
    const { term } = this.#server.lease
    if (term === undefined) throw skerryError('LEASE_LOST')
    return term
  }

  #keep(run: (group: Group) => void): Promise<void> {
    return this.#server.committer.submit({ paths: [], fenced: true, run })
  }
}
