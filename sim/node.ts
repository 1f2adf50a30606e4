import { LocalStore } from '../src/store/local.ts'
import type { Engine } from '../src/store/engine.ts'
import type { Env } from '../src/core/env.ts'
import type { CommitAsked, Commitment, CommitPlace } from '../src/core/commitment.ts'
import type { Entry } from '../src/core/entry.ts'
import type { CollectionRule, Listing, Store, Write, Written } from '../src/store/store.ts'
import { SkerryError, messageOf } from '../src/core/errors.ts'
import { changesOf } from '../src/state/commitment.ts'
import { State, type StateOptions } from '../src/state/state.ts'
import type { SyncStatus } from '../src/sync/status.ts'
import type { Channel, Transport } from '../src/sync/transport.ts'
import { LONGEST_SILENCE_MS } from '../src/sync/wire.ts'
import type { Disk } from './disk.ts'
import { simulatedEnv, type WallClock } from './env.ts'
import type { History } from './history.ts'
import type { Network } from './network.ts'
import { override } from './override.ts'
import { Process } from './process.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** What links a node to others; `Sync`, or nothing for a node on its own. */
export interface Links {
  start(): void
  accept(channel: Channel): void
  stop(): Promise<void>
  forget(nodeId: string): Promise<void>
  reserve(asked: CommitAsked): Promise<CommitPlace>
  status(): SyncStatus
}

/** What a node is made of. */
export interface NodePlan {
  readonly name: string
  /** The id that it is started with; by default its name. Two nodes of one id are clones. */
  readonly id?: string
  readonly url: string
  readonly disk: Disk
  readonly clock: WallClock
  /** Makes the links of one run of the node. */
  readonly links?: (parts: { store: Store; env: Env; transport: Transport }) => Links
  /** Opens the store; a canary puts a broken one here. */
  readonly open?: (engine: Engine, env: Env, options: { nodeId: string }) => Promise<Store>
  /** Changes what its state stands on; a canary puts broken parts there. */
  readonly state?: (options: StateOptions) => StateOptions
}

/** What a node lives in. */
export interface Surroundings {
  readonly world: World
  readonly network: Network
  readonly history: History
}

/** How long a node that failed to start waits before the next try, as its supervisor has it. */
const RESTART_MS = 500

/** How long what a link carries may be on its way: no longer than it takes to find it dead. */
const ON_ITS_WAY_MS = LONGEST_SILENCE_MS

/** How many outdated changes its changelog lists before it is written anew: few, so that runs come to it often. */
const CHANGELOG_SLACK = 16

/** One whole node, with the very classes of the product, on simulated hardware. */
export class Node {
  readonly plan: NodePlan
  readonly #around: Surroundings
  readonly #random: Random
  #process: Process | undefined
  #store: Store | undefined
  /** The same as it was opened: questions to it are heard by nobody. */
  #opened: Store | undefined
  #links: Links | undefined
  #state: State | undefined
  /** When its links last took its version of a path for one that nobody had acknowledged, and its number. */
  readonly #unheard = new Map<string, { readonly seq: number; readonly atMs: number }>()

  constructor(plan: NodePlan, around: Surroundings) {
    this.plan = plan
    this.#around = around
    this.#random = around.world.random.fork()
    around.history.join(this)
  }

  get name(): string {
    return this.plan.name
  }

  get id(): string {
    return this.plan.id ?? this.plan.name
  }

  /** How it stands with its links, while it serves. */
  get status(): SyncStatus | undefined {
    return this.#links?.status()
  }

  get disk(): Disk {
    return this.plan.disk
  }

  knowsAcknowledged(path: string): boolean {
    const seq = this.disk.record(path)?.seq
    if (seq === undefined || this.#store === undefined) return false
    const said = this.#unheard.get(path)
    // What it offered as such may still be on its way when it learns better.
    if (said?.seq === seq && this.#around.world.nowMs < said.atMs + ON_ITS_WAY_MS) return false
    return this.#opened!.wasAcknowledged(path, seq)
  }

  /** True from its start to its end, paused or not. */
  get running(): boolean {
    return this.#process?.alive === true
  }

  /** True if it takes requests. */
  get serving(): boolean {
    return this.running && this.#store !== undefined && !this.paused
  }

  get paused(): boolean {
    return this.#process?.paused === true
  }

  /** The open store; only while it serves. */
  get store(): Store {
    return this.#store!
  }

  /** What those watch who subscribe in this run of the node; while it serves. */
  get state(): State | undefined {
    return this.#state
  }

  start(): void {
    if (this.running) return
    const { world } = this.#around
    const process = new Process(world, this.name)
    this.#process = process
    world.note(`${this.name} starts`)
    this.#boot(process).catch((error: unknown) => {
      if (!process.alive) return
      world.note(`${this.name} fails to start: ${messageOf(error)}`)
      this.crash(false)
      world.at(RESTART_MS, '', () => this.start())
    })
  }

  /** The process ends in the middle of whatever it does; `silently` if its machine goes too. */
  crash(silently: boolean): void {
    const process = this.#process
    if (!process?.alive) return
    this.#around.world.note(`${this.name} crashes`)
    process.kill()
    this.#around.history.kept(this, this.disk.crash())
    this.#around.network.abandon(process, silently)
    this.#store = undefined
    this.#links = undefined
    this.#state = undefined
  }

  /** Ends it in an orderly way; calls `done` when it has ended. */
  stop(done: () => void): void {
    const process = this.#process
    const store = this.#store
    const links = this.#links
    if (!process?.alive || store === undefined) return done()
    this.#around.world.note(`${this.name} stops`)
    this.#state?.close()
    this.#store = undefined
    this.#links = undefined
    this.#state = undefined
    const finish = async (): Promise<void> => {
      await links?.stop()
      await store.close()
      if (!process.alive) return
      process.kill()
      this.#around.history.kept(this, this.disk.crash())
      this.#around.network.abandon(process, false)
      this.#around.world.note(`${this.name} has stopped`)
      done()
    }
    finish().catch((error: unknown) => {
      this.#around.world.fail('stop', `${this.name} could not stop: ${messageOf(error)}`)
    })
  }

  /** The machine hangs: whatever comes waits. */
  pause(): void {
    this.#process?.pause()
  }

  resume(): void {
    this.#process?.resume()
  }

  /** The disk is lost, or an earlier copy of it put in its place; the node must not be running. */
  lose(replacement: () => void): void {
    replacement()
    this.#around.history.lost(this)
  }

  /** Writes, and holds the node to what it promises. `done` gets what was written. */
  write(writes: readonly Write[], done: (written: readonly Written[]) => void = () => {}): void {
    const process = this.#process!
    const { world, history } = this.#around
    const sinceMs = world.nowMs
    const checkLatency = this.#stopwatch('write', 2 * this.disk.options.writeMs[1])
    this.store.write(this.#noted(writes)).then(
      (written) => {
        if (!process.alive) return
        checkLatency()
        for (const { entry, changed } of written) {
          if (changed) history.acknowledgedWrite(this, entry!, sinceMs)
        }
        done(written)
      },
      (error: unknown) => this.#refused(process, 'write', error),
    )
  }

  /** Writes, and waits for other nodes; `done` gets what was written, and who has it. */
  commit(
    writes: readonly Write[],
    asked: CommitAsked,
    done: (written: readonly Written[], commitment: Commitment) => void,
  ): void {
    const process = this.#process!
    const links = this.#links!
    const { store } = this
    const sinceMs = this.#around.world.nowMs
    const work = async (): Promise<void> => {
      const place = await links.reserve(asked)
      const written = await store.write(this.#noted(writes))
      const commitment = await place.wait(changesOf(written))
      if (!process.alive) return
      for (const { entry, changed } of written) {
        if (changed) this.#around.history.acknowledgedWrite(this, entry!, sinceMs)
      }
      done(written, commitment)
    }
    work().catch((error: unknown) => this.#refused(process, 'commit', error))
  }

  /** The writes, of whose deletes the history hears. */
  #noted(writes: readonly Write[]): Write[] {
    return writes.map((write) => {
      const { path, decide } = write
      if (typeof path !== 'string') return write
      const noted: Write['decide'] = (held) => {
        const data = decide(held)
        if (data === null && held !== undefined) this.#around.history.deleting(this, path)
        return data
      }
      return { ...write, decide: noted }
    })
  }

  /** An operator says here that a node won't come back. */
  forget(nodeId: string, done: () => void): void {
    const process = this.#process!
    this.#links!.forget(nodeId).then(done, (error: unknown) =>
      this.#refused(process, 'forget', error),
    )
  }

  read(path: string, done: (entry: Entry | undefined) => void = () => {}): void {
    const process = this.#process!
    const checkLatency = this.#stopwatch('read', 0)
    this.store.read(path).then(
      (entry) => {
        if (!process.alive) return
        checkLatency()
        this.#around.history.read(this, path, entry)
        done(entry)
      },
      (error: unknown) => this.#refused(process, 'read', error),
    )
  }

  list(pattern: string, done: (listing: Listing) => void): void {
    const process = this.#process!
    this.store.list(pattern).then(
      (listing) => {
        if (process.alive) done(listing)
      },
      (error: unknown) => this.#refused(process, 'list', error),
    )
  }

  async #boot(process: Process): Promise<void> {
    const { world, network, history } = this.#around
    const { plan } = this
    const env = simulatedEnv(world, process, plan.clock, this.#random.fork())
    const open = plan.open ?? ((...args) => LocalStore.open(...args))
    const options = { nodeId: this.id, changelogSlack: CHANGELOG_SLACK }
    const opened = await open(this.disk.open(process), env, options)
    if (!process.alive) return
    const store = this.#witnessed(process, opened)
    this.#opened = opened
    this.#store = store
    store.watch((commit) => {
      if (process.alive) history.committed(this, commit)
    })
    this.#state = new State(plan.state?.({ store, env }) ?? { store, env })
    const links = plan.links?.({ store, env, transport: network.transport(process) })
    this.#links = links
    if (links === undefined) return
    network.listen(plan.url, { process, accept: (channel) => links.accept(channel) })
    links.start()
  }

  /** The store, of whose collections the history hears, and of what it offers as heard by nobody. */
  #witnessed(process: Process, opened: Store): Store {
    return override(opened, {
      collect: async (store, rule: CollectionRule) => {
        const { history } = this.#around
        const shared = [...rule.keys, ...store.horizons().map(({ key }) => key)]
        const remembered = rule.linked ? shared : []
        if (process.alive) history.collecting(this, remembered)
        const gone = await store.collect(rule)
        if (process.alive && gone > 0) history.collected(this, remembered)
        else if (process.alive) history.collecting(this, undefined)
        return gone
      },
      wasAcknowledged: (store, path: string, seq: number) => {
        const acknowledged = store.wasAcknowledged(path, seq)
        if (!acknowledged) this.#unheard.set(path, { seq, atMs: this.#around.world.nowMs })
        return acknowledged
      },
    })
  }

  /** Nothing but the node's own disk may hold up what a client asks of it. */
  #stopwatch(what: string, limitMs: number): () => void {
    const { world } = this.#around
    const process = this.#process!
    const { pauses } = process
    const startMs = world.nowMs
    return () => {
      const took = world.nowMs - startMs
      if (took <= limitMs + 0.01 || process.pauses > pauses) return
      world.fail('latency', `a ${what} on ${this.name} took ${took} ms, its disk ${limitMs}`)
    }
  }

  #refused(process: Process, what: string, error: unknown): void {
    const { world } = this.#around
    if (!process.alive) return
    const code = error instanceof SkerryError ? error.code : String(error)
    world.note(`${this.name} refuses a ${what}: ${code}`)
    const allowed = ['SKERRY_WRITE_FAILED', 'SKERRY_STORE_CLOSED']
    if (!allowed.includes(code)) world.fail('errors', `a ${what} on ${this.name} ended in ${code}`)
  }
}
