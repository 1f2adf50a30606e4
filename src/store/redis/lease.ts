import type { Head, Lease as Seen } from './head.ts'
import type { Keyspace } from './keyspace.ts'

/** A beat, or a look at the other's, comes so many times in the time of a lease. */
const BEATS = 3

/** What the lease needs of its store. */
export interface LeaseHost {
  readonly server: string
  /** An id for the run that begins if the lease is won. */
  newRun(): string
  /** The head as it was read with each beat. */
  beaten(head: Head | undefined): Promise<void>
  /** The lease was won: gets ready to use it. */
  won(run: string): Promise<void>
  /** From now on the lease may be used. */
  ready(): void
  lost(): void
  failed(error: unknown): void
}

/**
 * Which server runs links and collection. The lease is a counter that its holder raises: whoever wants to take it
 * over has seen the same count for a whole lease by its own monotonic clock; the holder counts from the moment
 * that it sent its last beat. So no wall clock matters, and the term in each script is the fence.
 */
export class Lease {
  readonly #keyspace: Keyspace
  readonly #host: LeaseHost
  readonly #leaseMs: number
  #term: string | undefined
  #holds = false
  #seen: { readonly lease: Seen; readonly sinceMs: number } | undefined
  #beat: NodeJS.Timeout | undefined
  #expiry: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #closed = false

  constructor(keyspace: Keyspace, leaseMs: number, host: LeaseHost) {
    this.#keyspace = keyspace
    this.#leaseMs = leaseMs
    this.#host = host
  }

  /** The term, while this server holds the lease. */
  get term(): string | undefined {
    return this.#term
  }

  /** True once this server is ready to use it. */
  get holds(): boolean {
    return this.#holds
  }

  /** Takes the lease if nobody has it, and keeps looking from now on. */
  async open(head: Head): Promise<void> {
    if (head.lease.holder === '') await this.#campaign(head.lease)
    this.#schedule()
  }

  /** Looks at once. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    return this.#looking
  }

  /** Gives the lease up, for others to take it at once. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#beat)
    clearTimeout(this.#expiry)
    await this.#looking
    const term = this.#term
    this.#term = undefined
    this.#holds = false
    if (term === undefined) return
    const given = [this.#host.server, term, this.#keyspace.channel]
    // If Redis can't be told, others wait for the lease to run out.
    await this.#keyspace.script('skerryResign', given).catch(() => undefined)
  }

  #schedule(): void {
    if (this.#closed) return
    clearTimeout(this.#beat)
    this.#beat = setTimeout(() => {
      this.look()
        .catch((error: unknown) => this.#host.failed(error))
        .finally(() => this.#schedule())
    }, this.#leaseMs / BEATS).unref()
  }

  async #look(): Promise<void> {
    const { server } = this.#host
    const sentMs = performance.now()
    const head = await this.#keyspace.beat(server, this.#term ?? '')
    if (this.#closed) return
    await this.#host.beaten(head)
    if (head === undefined) return
    const { lease } = head
    if (this.#term !== undefined) {
      if (lease.holder === server && lease.term === this.#term) this.#extend(sentMs)
      else this.#lose()
    } else if (lease.holder === '' || this.#isSilent(lease)) await this.#campaign(lease)
  }

  /** True if the holder's count has stood still for a whole lease. */
  #isSilent(lease: Seen): boolean {
    const known = this.#seen?.lease
    const same =
      known?.holder === lease.holder && known.term === lease.term && known.beat === lease.beat
    if (!same) this.#seen = { lease, sinceMs: performance.now() }
    return performance.now() - this.#seen!.sinceMs >= this.#leaseMs
  }

  async #campaign({ holder, term, beat }: Seen): Promise<void> {
    const { server } = this.#host
    const run = this.#host.newRun()
    const sentMs = performance.now()
    const given = [server, holder, term, beat, run]
    const won = String(await this.#keyspace.script('skerryCampaign', given))
    if (won === '0' || this.#closed) return
    this.#term = won
    this.#extend(sentMs)
    try {
      await this.#host.won(run)
      if (this.#term === won) this.#holds = true
    } catch (error) {
      this.#lose()
      throw error
    }
    if (this.#holds) this.#host.ready()
  }

  #extend(sentMs: number): void {
    clearTimeout(this.#expiry)
    const leftMs = sentMs + this.#leaseMs - performance.now()
    this.#expiry = setTimeout(() => this.#lose(), Math.max(0, leftMs)).unref()
  }

  #lose(): void {
    clearTimeout(this.#expiry)
    if (this.#term === undefined) return
    this.#term = undefined
    this.#holds = false
    this.#seen = undefined
    this.#host.lost()
  }
}
