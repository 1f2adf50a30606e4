import type { CommitAsked, CommitPlace } from '../core/commitment.ts'
import { skerryError } from '../core/errors.ts'
import type { Store } from '../store/store.ts'
import type { SyncStatus } from '../sync/status.ts'
import type { Sync } from '../sync/sync.ts'

/**
 * The links of the node, while this server is the one to run them. Where several servers share a store, one of
 * them does; whenever that changes, links begin anew or end.
 */
export class Links {
  readonly #store: Store
  readonly #make: () => Sync
  readonly #failed: (error: unknown) => void
  #sync: Sync
  #running = false
  #stopped = false
  /** The end of what ran before. */
  #ending: Promise<void> = Promise.resolve()
  #unwatch: () => void = () => undefined

  /** @param failed what could not be ended in order */
  constructor(store: Store, make: () => Sync, failed: (error: unknown) => void) {
    this.#store = store
    this.#make = make
    this.#failed = failed
    this.#sync = make()
  }

  /** True if this server runs them. */
  get running(): boolean {
    return this.#running
  }

  status(): SyncStatus {
    return this.#sync.status()
  }

  /** Has it counted what peers lack, see `Sync.measureLag`; only the server that runs the links can tell. */
  async measureLag(): Promise<void> {
    if (this.#running) await this.#sync.measureLag()
  }

  /** Runs the links from now on, whenever this server is the one to do so. */
  start(): void {
    if (this.#store.lead === undefined) this.#run()
    else this.#unwatch = this.#store.lead((leads) => (leads ? this.#run() : this.#end()))
  }

  /** Takes a channel that another node has opened. */
  accept(...[channel, sharing]: Parameters<Sync['accept']>): void {
    if (this.#running) this.#sync.accept(channel, sharing)
    else channel.close('another server of this node runs its links')
  }

  /**
   * Has the cluster go on without a node, see `Sync.forget`.
   * @throws SKERRY_LEASE_LOST if another server runs the links
   */
  async forget(nodeId: string): Promise<void> {
    if (!this.#running) throw skerryError('LEASE_LOST')
    await this.#sync.forget(nodeId)
  }

  /**
   * Takes a place for a write that is to wait for other nodes, see `Sync.reserve`.
   * @throws SKERRY_LEASE_LOST if another server runs the links, and so is the one to hear of it
   */
  async reserve(asked: CommitAsked): Promise<CommitPlace> {
    if (!this.#running && this.#store.lead !== undefined) throw skerryError('LEASE_LOST')
    return this.#sync.reserve(asked)
  }

  /** Ends all links, in order. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#unwatch()
    this.#end()
    await this.#ending
  }

  #run(): void {
    if (this.#running || this.#stopped) return
    this.#running = true
    // Links of before must have ended: what they still merge belongs to their time.
    const ended = this.#ending
    void ended.then(() => {
      if (this.#running && this.#ending === ended) this.#sync.start()
    })
  }

  #end(): void {
    if (!this.#running) return
    this.#running = false
    const sync = this.#sync
    this.#sync = this.#make()
    this.#ending = Promise.all([this.#ending, sync.stop()]).then(
      () => undefined,
      (error: unknown) => this.#failed(error),
    )
  }
}
