import { skerryError } from '../../src/core/errors.ts'
import { Ledger } from '../../src/cluster/ledger.ts'
import type { LedgerState } from '../../src/cluster/ledger.ts'
import type {
  Change,
  ClaimAnswer,
  CommitAnswer,
  Head,
  Leadership,
  Notice,
  Proposal,
  Registry,
  Right,
  Session,
  SessionAnswer,
  Snapshot,
} from '../../src/cluster/registry.ts'
import type { Host, World } from './world.ts'

const CALL_TIMEOUT_MS = 400

/** How unkind the way to the registry is. */
export interface RegistryFaults {
  /** Of a request or an answer that gets lost. */
  loss: number
  /** Of one that takes long, perhaps longer than the caller waits. */
  slow: number
}

/** The server side: one ledger, and a copy that is behind by the lag of replication. */
export class RegistryServer {
  readonly world: World
  readonly faults: RegistryFaults = { loss: 0, slow: 0 }
  readonly clients = new Set<RegistryClient>()
  readonly cut = new Set<string>()
  readonly #LedgerClass: typeof Ledger
  ledger: Ledger
  up = true
  #copy: LedgerState
  #runs = 1
  #wallOffsetMs = 1_700_000_000_000

  constructor(world: World, slots: number, lagMs: number, LedgerClass: typeof Ledger) {
    this.world = world
    this.#LedgerClass = LedgerClass
    this.ledger = new LedgerClass('run-1', () => this.#nowMs(), true)
    this.ledger.agreeOnSlots(slots)
    this.#copy = structuredClone(this.ledger.state)
    const replicate = (): void => {
      if (this.up) this.#copy = structuredClone(this.ledger.state)
      world.after(lagMs, replicate)
    }
    world.after(lagMs, replicate)
  }

  stepWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** The server is gone; after `downMs` a copy that lags behind takes over. */
  failOver(downMs: number): void {
    if (!this.up) return
    this.up = false
    this.world.after(downMs, () => {
      const state = structuredClone(this.#copy)
      this.ledger = new this.#LedgerClass(`run-${++this.#runs}`, () => this.#nowMs(), true, state)
      this.up = true
      this.world.note(`failover ${state.version}`)
    })
  }

  #nowMs(): number {
    return Math.floor(this.world.now + this.#wallOffsetMs)
  }
}

/** One process's registry: every verb is a request over an unkind network. */
export class RegistryClient implements Registry {
  readonly #server: RegistryServer
  readonly #host: Host
  readonly #listeners = new Set<(notice: Notice) => void>()

  constructor(server: RegistryServer, host: Host) {
    this.#server = server
    this.#host = host
    server.clients.add(this)
  }

  open(): Promise<void> {
    return this.#call(() => undefined)
  }
  async close(): Promise<void> {
    this.#server.clients.delete(this)
  }
  head(): Promise<Head> {
    return this.#call((ledger) => ledger.head())
  }
  read(): Promise<Snapshot> {
    return this.#call((ledger) => ledger.read())
  }
  changesAfter(run: string, version: number): Promise<Change[] | undefined> {
    return this.#call((ledger) => ledger.changesAfter(run, version))
  }
  commit(proposal: Proposal): Promise<CommitAnswer> {
    return this.#call((ledger) => ledger.commit(proposal))
  }
  restore(snapshot: Snapshot): Promise<void> {
    return this.#call((ledger) => ledger.restore(snapshot))
  }
  addKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number> {
    return this.#call((ledger) => ledger.addKeys(keys))
  }
  removeKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number> {
    return this.#call((ledger) => ledger.removeKeys(keys))
  }
  keysIn(slots: readonly number[]): Promise<Map<number, string[]>> {
    return this.#call((ledger) => ledger.keysIn(slots))
  }
  campaign(monitor: string, seen: Leadership): Promise<number | undefined> {
    return this.#call((ledger) => ledger.campaign(monitor, seen))
  }
  lead(term: number): Promise<boolean> {
    return this.#call((ledger) => ledger.lead(term))
  }
  resign(term: number): Promise<void> {
    return this.#call((ledger) => ledger.resign(term))
  }
  endRecovery(term: number, run: string): Promise<void> {
    return this.#call((ledger) => ledger.endRecovery(term, run))
  }
  openSession(session: string, worker: string): Promise<void> {
    return this.#call((ledger) => ledger.openSession(session, worker))
  }
  beatSession(session: string): Promise<SessionAnswer> {
    return this.#call((ledger) => ledger.beatSession(session))
  }
  sessions(): Promise<Session[]> {
    return this.#call((ledger) => ledger.sessions())
  }
  fence(term: number, session: Session): Promise<boolean> {
    return this.#call((ledger) => ledger.fence(term, session))
  }
  closeSession(session: string): Promise<void> {
    return this.#call((ledger) => ledger.closeSession(session))
  }
  claim(session: string, version: number, slots: readonly number[]): Promise<ClaimAnswer> {
    return this.#call((ledger) => ledger.claim(session, version, slots))
  }
  release(session: string, version: number, slots: readonly number[]): Promise<boolean> {
    return this.#call((ledger) => ledger.release(session, version, slots))
  }
  reassert(session: Omit<Session, 'beat'>, rights: readonly Right[]): Promise<number[] | 'closed'> {
    return this.#call((ledger) => ledger.reassert(session, rights))
  }
  rights(): Promise<Map<number, string>> {
    return this.#call((ledger) => ledger.rights())
  }

  publish(notice: Notice): Promise<void> {
    return this.#call(() => {
      for (const client of this.#server.clients) client.#receive(notice)
    })
  }

  subscribe(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #receive(notice: Notice): void {
    if (this.#lost()) return
    this.#host.after(this.#delayMs(), () => {
      for (const listener of this.#listeners) listener(notice)
    })
  }

  #call<T>(verb: (ledger: Ledger) => T): Promise<T> {
    const { world } = this.#server
    return new Promise<T>((resolve, reject) => {
      this.#host.after(CALL_TIMEOUT_MS, () => {
        reject(skerryError('REGISTRY_UNAVAILABLE', 'no answer in time'))
      })
      if (this.#silent()) return
      world.after(this.#delayMs(), () => {
        if (this.#lost()) return
        // The answer is a value of its own: nothing is shared between processes.
        const answer = structuredClone(verb(this.#server.ledger))
        if (this.#lost()) return
        this.#host.after(this.#delayMs(), () => resolve(answer))
      })
    })
  }

  /** A process that is gone sends nothing any more. */
  #silent(): boolean {
    return this.#host.crashed || this.#lost()
  }

  #lost(): boolean {
    const { up, cut, faults, world } = this.#server
    return !up || cut.has(this.#host.name) || world.chance(faults.loss)
  }

  #delayMs(): number {
    const { world, faults } = this.#server
    return world.chance(faults.slow) ? world.between(5, 1_000) : world.between(0.2, 3)
  }
}
