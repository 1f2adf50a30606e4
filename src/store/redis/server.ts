import { type Entry, stampOf } from '../../core/entry.ts'
import { type Env, randomId } from '../../core/env.ts'
import { DEFAULT_MAX_CLOCK_DRIFT_MS, HybridClock } from '../../core/hlc.ts'
import { AsideShelf } from '../aside.ts'
import type { Group } from '../group.ts'
import { Ledger } from '../ledger.ts'
import { Committer } from './committer.ts'
import { RedisDigests } from './digests.ts'
import { checkDurability } from './durability.ts'
import { Follower, type Reached } from './follower.ts'
import type { Head } from './head.ts'
import { History } from './history.ts'
import type { Keyspace } from './keyspace.ts'
import { Lease } from './lease.ts'
import type { ResolvedRedisOptions } from './options.ts'
import { Remains } from './remains.ts'
import { heldAfter, type Step } from './steps.ts'

/** What a store is made of when it opens. */
export interface Opened {
  readonly keyspace: Keyspace
  readonly options: ResolvedRedisOptions
  readonly env: Env
  readonly maxClockDriftMs: number | undefined
  readonly head: Head
  readonly durable: boolean
}

/**
 * One server of the node that all servers of a store on Redis are together: what it knows, follows, commits
 * and leads, wired to one another.
 */
export class NodeServer {
  /** Random; tells the servers of one node apart. */
  readonly id: string
  readonly keyspace: Keyspace
  readonly clock: HybridClock
  readonly history: History
  readonly committer: Committer
  readonly follower: Follower
  readonly lease: Lease
  readonly digests: RedisDigests
  readonly #env: Env
  readonly #options: ResolvedRedisOptions
  readonly #leaders = new Set<(leads: boolean) => void>()
  readonly remains: Remains
  #ledger: Ledger
  #shelf: AsideShelf
  #durable: boolean
  #available = true
  /** The newest number at the last beat: what has not come since then was missed. */
  #expected = 0
  /** What Redis has lost and this server still knows. */
  #lost: readonly Entry[] = []
  #closing: Promise<void> | undefined

  constructor({ keyspace, options, env, maxClockDriftMs, head, durable }: Opened) {
    this.id = randomId(env)
    this.#env = env
    this.#options = options
    this.keyspace = keyspace
    this.#durable = durable
    const drift = maxClockDriftMs ?? DEFAULT_MAX_CLOCK_DRIFT_MS
    this.clock = new HybridClock(() => env.now(), head.mark, drift)
    this.#ledger = new Ledger(head.identity.acknowledgedTo)
    this.remains = new Remains(keyspace)
    this.digests = new RedisDigests(keyspace, env.hash)
    this.follower = new Follower(keyspace, options, this.#followerHost())
    this.history = new History(keyspace, env, this.#historyHost(), head.identity)
    this.committer = new Committer(keyspace, this.#commitHost())
    this.lease = new Lease(keyspace, options.leaseMs, this.#leaseHost())
    this.#shelf = this.#newShelf()
  }

  /** True if Redis makes each write durable before it answers. */
  get durable(): boolean {
    return this.#durable
  }

  /** False while Redis does not answer. */
  get available(): boolean {
    return this.#available
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  /** What peers and this node have of each other; only the holder of the lease keeps it up to date. */
  get ledger(): Ledger {
    return this.#ledger
  }

  get shelf(): AsideShelf {
    return this.#shelf
  }

  /** See `Store.lead`. */
  lead(listener: (leads: boolean) => void): () => void {
    this.#leaders.add(listener)
    listener(this.lease.holds)
    return () => this.#leaders.delete(listener)
  }

  async begin(head: Head): Promise<void> {
    await this.follower.open({ seq: head.seq, released: head.released })
    this.keyspace.follow({
      back: () => this.#look(),
      failed: () => (this.#available = false),
    })
    if (!this.history.fits(head)) await this.history.turn()
    await this.remains.load()
    await this.lease.open(head)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#shelf.close()
    await this.committer.close()
    await this.lease.close()
    this.follower.close()
    this.keyspace.close()
  }

  /** Does what only the holder of the lease may do. */
  submitFenced<T>(run: (group: Group) => T, paths: readonly string[]): Promise<T> {
    return this.committer.submit({ paths, fenced: true, run })
  }

  #newShelf(): AsideShelf {
    const submit = this.submitFenced.bind(this)
    return new AsideShelf(this.#env, this.keyspace, this.clock, submit)
  }

  /** Looks at Redis at once; failing that, the next beat does. */
  #look(): void {
    if (this.#closing !== undefined) return
    this.lease.look().catch(() => (this.#available = false))
  }

  #commitHost(): ConstructorParameters<typeof Committer>[1] {
    return {
      server: this.id,
      clock: this.clock,
      seq: () => this.follower.seq,
      term: () => this.lease.term,
      context: () => ({
        nodeId: this.history.nodeId,
        epoch: this.history.epoch,
        hash: this.#env.hash,
        horizon: (path) => this.remains.horizons.at(path),
        withheld: (path) => this.remains.withheld(path),
        acknowledged: (path, seq) => this.ledger.wasAcknowledged(path, seq),
      }),
      remains: () => this.remains.version,
      remainsTurned: () => this.remains.load(),
      committed: (group, reached, remains) => this.#committed(group, reached, remains),
      turned: () => this.history.turn(),
    }
  }

  #committed(group: Group, reached: Reached, remains: number): void {
    const afterwards = (): void => {
      this.remains.apply(group, remains)
      group.finish()
      if (this.lease.holds) this.#shelf.follow(group)
    }
    this.follower.take({ ...reached, afterwards })
  }

  #followerHost(): ConstructorParameters<typeof Follower>[2] {
    return {
      server: this.id,
      epoch: () => this.history.epoch,
      known: (path) => this.committer.known(path),
      seen: (step) => this.#seen(step),
      reached: (point) => this.digests.reached(point),
      missed: () => this.digests.reset(),
      heardOwn: (commit, reached) => {
        if (!this.committer.heard(commit, reached)) {
          this.follower.take({ ...reached, steps: undefined })
        }
      },
      turned: () => this.#look(),
      // What failed is read again with the next beat.
      failed: () => undefined,
    }
  }

  #seen(step: Step): void {
    if (step.collected) {
      this.committer.collected(step.change.entry.path, step.change.seq)
    } else this.committer.note(heldAfter(step))
    this.clock.observe(stampOf(step.change.entry))
    this.digests.apply(step)
  }

  #historyHost(): ConstructorParameters<typeof History>[2] {
    return {
      server: this.id,
      follower: this.follower,
      checkDurability: async () => {
        const { client } = this.keyspace
        this.#durable = await checkDurability(client, this.#options.durability)
      },
      renewed: (head, lost, own) => this.#renewed(head, lost, own),
    }
  }

  #renewed(head: Head, lost: readonly Entry[], own: boolean): void {
    this.#ledger.clearCheckpoints()
    this.#ledger.raiseFloor(head.identity.acknowledgedTo)
    this.committer.forget()
    this.remains.forget()
    // Another server may have put right what was stamped by a clock gone wild.
    if (this.clock.isAhead(this.clock.mark)) this.clock.lower(head.mark)
    const { seq, released } = this.follower.at
    const at = { seq: Math.min(seq, head.seq), released: Math.min(released, head.released) }
    this.follower.restartAt(at)
    this.follower.catchUpSoon()
    this.#lost = [...this.#lost, ...lost]
    if (own || !this.lease.holds) return
    // Links that were greeted with the old epoch start over.
    this.#tellLeaders(false)
    this.#tellLeaders(true)
  }

  /** Writes again what Redis has lost; the newest version of each path wins, whoever has it. */
  async #restore(): Promise<void> {
    const lost = this.#lost
    if (lost.length === 0) return
    await this.committer.submit({
      paths: lost.map(({ path }) => path),
      run: (group) => group.merge(lost, { peer: '' }),
    })
    this.#lost = this.#lost.slice(lost.length)
  }

  #leaseHost(): ConstructorParameters<typeof Lease>[2] {
    return {
      server: this.id,
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
    if (!this.history.fits(head)) await this.history.turn()
    else if (this.follower.seq < this.#expected) await this.follower.catchUp()
    if (head !== undefined) this.#expected = head.seq
    if (head !== undefined && head.remains !== this.remains.version) await this.remains.load()
    await this.#restore()
    this.#available = true
  }

  async #won(run: string): Promise<void> {
    const head = await this.keyspace.head()
    if (head === undefined || !this.history.fits(head)) await this.history.turn()
    else this.history.began(run, head)
    await this.follower.catchUp()
    await this.remains.load()
    const floor = this.history.acknowledgedTo
    this.#ledger = await Ledger.load(this.keyspace, floor)
    this.#shelf = this.#newShelf()
    await this.#shelf.review()
    await this.#shelf.trim()
  }

  #tellLeaders(leads: boolean): void {
    for (const listener of [...this.#leaders]) listener(leads)
  }
}
