import { type Env, randomId } from '../../core/env.ts'
import type { Entry } from '../../core/entry.ts'
import { skerryError } from '../../core/errors.ts'
import { FORMAT } from '../layout.ts'
import { type Identity, inHistory, remembersRun, renewed, rewound } from '../identity.ts'
import type { Position } from '../store.ts'
import type { Follower } from './follower.ts'
import { formerText, type Head, parseHead, type Rewind, stampDigits } from './head.ts'
import type { Keyspace } from './keyspace.ts'

/** The most changes looked through at once for what Redis has lost. */
const LOST_PAGE = 1000

/** How a new epoch begins. */
interface Renewal {
  /** The epoch that ends. */
  readonly before: string
  /** The term of the lease if only its holder may do this, else empty. */
  readonly term: string
  readonly mark?: bigint | undefined
  readonly next: Identity
  /** True if all that Redis holds counts as acknowledged. */
  readonly all?: boolean
}

/** What a history needs of its store. */
export interface HistoryHost {
  readonly server: string
  readonly follower: Follower
  /** Looks whether Redis still is set to lose nothing. */
  checkDurability(): Promise<void>
  /** A new epoch has begun, with these entries lost that were acknowledged; `own` if this server asked for it. */
  renewed(head: Head, lost: readonly Entry[], own: boolean): void
}

/**
 * Makes the store on Redis if there is none.
 * @throws SKERRY_OPTION_INVALID if it belongs to another node
 */
export async function findOrMake(
  keyspace: Keyspace,
  env: Env,
  { nodeId, seq }: { readonly nodeId: string | undefined; readonly seq: number },
): Promise<Head> {
  const given = [FORMAT, nodeId ?? randomId(env), randomId(env), seq]
  const head = parseHead((await keyspace.script('skerryFound', given)) as (string | null)[])
  if (head === undefined) throw skerryError('CODEC_INVALID', 'what lies there is not a store')
  const known = head.identity.nodeId
  if (nodeId !== undefined && nodeId !== known) {
    const why = `the store on Redis belongs to node '${known}'; leave the id out, or name another store`
    throw skerryError('OPTION_INVALID', 'id', nodeId, why)
  }
  return head
}

/**
 * Who the store is and which history it lives through. A sequence lower than one that was seen, or another
 * Redis than the one that the epoch began on, may have lost something: a new epoch begins, by compare-and-set,
 * and what this server still knows of the lost is written again.
 */
export class History {
  readonly #keyspace: Keyspace
  readonly #env: Env
  readonly #host: HistoryHost
  #identity: Identity
  #run: string
  #turning: Promise<void> | undefined

  constructor(keyspace: Keyspace, env: Env, host: HistoryHost, identity: Identity) {
    this.#keyspace = keyspace
    this.#env = env
    this.#host = host
    this.#identity = identity
    this.#run = randomId(env)
  }

  get nodeId(): string {
    return this.#identity.nodeId
  }

  /** Changes up to here count as acknowledged. */
  get acknowledgedTo(): number {
    return this.#identity.acknowledgedTo
  }

  /** See `Store.formerly`. */
  get formerly(): readonly string[] {
    return this.#identity.formerly.map(({ epoch }) => epoch)
  }

  get epoch(): string {
    return this.#identity.epoch
  }

  /** The run of this server; it is one of the store's once the lease is won. */
  get run(): string {
    return this.#run
  }

  /** The lease was won under `run`. */
  began(run: string, { identity }: Head): void {
    this.#run = run
    this.#identity = identity
  }

  knows(position: Position): boolean {
    return inHistory(this.#identity, this.#host.follower.seq, position)
  }

  remembers(position: Position): boolean {
    return remembersRun(this.#identity, position)
  }

  /** True if the head fits what this server has seen. */
  fits(head: Head | undefined): boolean {
    if (head === undefined || !head.sameRedis || head.seq < this.#host.follower.seq) return false
    return head.identity.epoch === this.epoch
  }

  /** Looks at Redis, begins a new epoch if it must, and adopts the one that there is. */
  turn(): Promise<void> {
    this.#turning ??= this.#turn().finally(() => (this.#turning = undefined))
    return this.#turning
  }

  /**
   * Begins a new history.
   * @param mark what the clock's mark is to be, if it is to be another
   * @throws SKERRY_LEASE_LOST
   */
  async renew(term: string, mark?: bigint): Promise<void> {
    await this.#turning
    const before = this.epoch
    // Only stamps are lowered: then nothing was lost.
    const begin = mark === undefined ? rewound : renewed
    const next = begin(this.#env, this.#identity, this.#host.follower.seq + 1)
    const done = await this.#renew({ before, term, mark, next })
    if (!done && this.epoch === before) {
      await this.turn()
      if (this.epoch === before) throw skerryError('LEASE_LOST')
      return
    }
    const head = await this.#keyspace.head()
    if (head !== undefined && head.identity.epoch !== this.epoch) this.#adopt(head, true)
  }

  async #turn(): Promise<void> {
    const { follower } = this.#host
    const { seq } = follower
    let head = await this.#keyspace.head()
    head ??= await findOrMake(this.#keyspace, this.#env, { nodeId: this.nodeId, seq })
    if (!head.sameRedis || head.seq < seq) {
      await this.#host.checkDurability()
      const next = renewed(this.#env, head.identity, seq + 1)
      // Whatever peers said last may be lost with the rest: all there is counts as acknowledged.
      await this.#renew({
        before: head.identity.epoch,
        term: '',
        next: { ...next, formerly: [] },
        all: true,
      })
      head = (await this.#keyspace.head()) ?? head
    }
    if (head.identity.epoch !== this.epoch) this.#adopt(head, false)
  }

  async #renew({ before, term, mark, next, all }: Renewal): Promise<boolean> {
    const { server, follower } = this.#host
    const { epoch, runs, formerly, acknowledgedTo } = next
    const lowered = mark === undefined ? '' : stampDigits(mark)
    const given = [
      ...[before, epoch, runs.at(-1)!.id, follower.seq, term, server],
      ...[this.#keyspace.channel, lowered],
      ...[formerText(formerly), all === true ? '' : acknowledgedTo],
    ]
    return Number(await this.#keyspace.script('skerryRenew', given)) === 1
  }

  #adopt(head: Head, own: boolean): void {
    const lost = this.#lostSince(leftSince(head.rewinds, this.epoch))
    this.#identity = head.identity
    this.#run = head.identity.runs.at(-1)?.id ?? this.#run
    this.#host.renewed(head, lost, own)
  }

  /** The newest versions that this server has in memory and that Redis may have lost. */
  #lostSince(rewoundTo: number): Entry[] {
    const { follower } = this.#host
    const lost = new Map<string, Entry>()
    for (let seq = rewoundTo; seq < follower.seq;) {
      const page = follower.recent(seq, LOST_PAGE)
      // More was lost than memory holds: what there is of it is worth keeping all the same.
      if (page === undefined) {
        seq = Math.max(seq + 1, follower.oldest - 1)
        continue
      }
      for (const { entry } of page.changes) lost.set(entry.path, entry)
      seq = page.upTo
    }
    return [...lost.values()]
  }
}

/**
 * How much is left of what a server of that epoch has seen. Several epochs may have begun since, by servers that
 * had seen less: what they wrote under numbers that were given out before is not what was lost.
 */
function leftSince(rewinds: readonly Rewind[], epoch: string): number {
  const at = rewinds.findIndex((rewind) => rewind.epoch === epoch)
  return Math.min(...rewinds.slice(at + 1).map(({ to }) => to))
}
