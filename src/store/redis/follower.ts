import { type Client, connect, newClient } from '../../redis/connection.ts'
import { Feed } from '../feed.ts'
import { type Held, visible } from '../layout.ts'
import type { Change, Commit, FeedPage } from '../store.ts'
import type { Point } from './head.ts'
import type { Keyspace } from './keyspace.ts'
import type { ResolvedRedisOptions } from './options.ts'
import { type Step, unpackSteps } from './steps.ts'

/** How long a commit may wait for one before it, which may still be on its way. */
const GAP_MS = 50

/** The most commits that wait for one before them; beyond, the feed is read. */
const MAX_WAITING = 1000

/** A commit as the script told of it. */
export interface Reached {
  readonly from: Point
  readonly to: Point
  /** Undefined if the message could not carry them. */
  readonly steps: readonly Step[] | undefined
  /** To be done in the turn in which listeners are told, before them. */
  readonly afterwards?: () => void
}

/** What the follower needs of its store. */
export interface FollowerHost {
  /** This server's id: what it commits itself it takes from the answer. */
  readonly server: string
  /** The epoch whose numbers this server follows. */
  epoch(): string
  /** The record of a path that this server still knows, if it does. */
  known(path: string): Held | undefined
  /** A step is now seen. */
  seen(step: Step): void
  /** All steps up to the point are seen. */
  reached(point: Point): void
  /** Steps were missed, up to the point that is now reached. */
  missed(): void
  /** A commit of this server was heard of before its answer came, or though none came. */
  heardOwn(commit: number, reached: Omit<Reached, 'steps'>): void
  /** The epoch or the lease has changed. */
  turned(what: 'epoch' | 'lease'): void
  /** Something could not be read; it is tried again at the next beat. */
  failed(error: unknown): void
}

/**
 * Tells this server's listeners of each commit, whoever made it, in order and without gaps. Messages carry the
 * changes; where one is missing, the feed is read by sequence number instead.
 */
export class Follower {
  readonly #keyspace: Keyspace
  readonly #host: FollowerHost
  readonly #subscriber: Client
  readonly #timeoutMs: number
  readonly #waiting = new Map<string, Reached>()
  readonly #feed = new Feed(0)
  #at: Point = { seq: 0, released: 0 }
  #reading: Promise<void> | undefined
  #readAgain = false
  #gap: NodeJS.Timeout | undefined
  #closed = false

  constructor(keyspace: Keyspace, options: ResolvedRedisOptions, host: FollowerHost) {
    this.#keyspace = keyspace
    this.#host = host
    this.#timeoutMs = options.timeoutMs
    this.#subscriber = newClient(options.connection)
    this.#subscriber.on('messageBuffer', (_channel: Buffer, message: Buffer) => this.#hear(message))
  }

  /** Begins at a point; listeners are told of what comes after it. */
  async open(at: Point): Promise<void> {
    this.#restart(at)
    await connect(this.#subscriber, this.#timeoutMs)
    await this.#subscriber.subscribe(this.#keyspace.channel)
    // Messages were missed while it was away; it subscribes again by itself.
    this.#subscriber.on('ready', () => this.catchUpSoon())
    await this.catchUp()
  }

  get seq(): number {
    return this.#at.seq
  }

  /** The oldest change that is still in memory. */
  get oldest(): number {
    return this.#feed.oldest
  }

  get at(): Point {
    return this.#at
  }

  watch(listener: (commit: Commit) => void): () => void {
    return this.#feed.watch(listener)
  }

  /** A page of the changes after `seq`, if memory still has all of them. */
  recent(seq: number, limit: number): FeedPage | undefined {
    return this.#feed.after(seq, limit)
  }

  /** Takes a commit; it is told of when all before it are. */
  take(reached: Reached): void {
    const { from, to } = reached
    // A commit of nothing but bookkeeping has no place in the order.
    if (isSame(from, to) || isWithin(to, this.#at)) return reached.afterwards?.()
    if (!isSame(from, this.#at) || this.#reading !== undefined) {
      this.#await(reached)
      this.#gap ??= setTimeout(() => this.#lookForGap(), GAP_MS).unref()
      return
    }
    this.#publish(reached)
    this.#takeWaiting()
  }

  /** Reads what the feed has beyond what was told. */
  catchUp(): Promise<void> {
    this.#readAgain = true
    this.#reading ??= this.#readOn().finally(() => {
      this.#reading = undefined
      this.#takeWaiting()
    })
    return this.#reading
  }

  /** The same, in the background. */
  catchUpSoon(): void {
    if (!this.#closed) this.catchUp().catch((error: unknown) => this.#host.failed(error))
  }

  /** Goes on from another point: what was there may be gone. */
  restartAt(at: Point): void {
    this.#waiting.clear()
    this.#restart(at)
    this.#host.missed()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#gap)
    this.#subscriber.disconnect()
  }

  #restart(at: Point): void {
    this.#at = at
    this.#feed.restart(at.seq)
  }

  #hear(message: Buffer): void {
    const end = message.indexOf('\n')
    const [what, ...parts] = message.toString('latin1', 0, end).split(' ')
    if (what === 'epoch' || what === 'lease') return this.#host.turned(what)
    const [fromSeq, fromReleased, seq, released] = parts.slice(0, 4).map(Number)
    const [server, commit, epoch] = parts.slice(4)
    const from = { seq: fromSeq!, released: fromReleased! }
    const to = { seq: seq!, released: released! }
    if (server === this.#host.server) return this.#host.heardOwn(Number(commit), { from, to })
    // Numbers of another history: this server is late to learn of it, or it is that of a master that was deposed.
    if (epoch !== this.#host.epoch()) return this.#host.turned('epoch')
    const payload = message.subarray(end + 1)
    try {
      this.take({
        from,
        to,
        steps: payload.length === 0 ? undefined : unpackSteps(payload, from.seq),
      })
    } catch (error) {
      this.#host.failed(error)
      this.catchUpSoon()
    }
  }

  #await(reached: Reached): void {
    const key = keyOf(reached.from)
    if (!this.#waiting.has(key)) this.#waiting.set(key, reached)
    if (this.#waiting.size <= MAX_WAITING) return
    for (const { afterwards } of this.#waiting.values()) afterwards?.()
    this.#waiting.clear()
  }

  #takeWaiting(): void {
    for (;;) {
      const next = this.#waiting.get(keyOf(this.#at))
      if (next === undefined || this.#reading !== undefined) break
      this.#waiting.delete(keyOf(this.#at))
      this.#publish(next)
    }
    for (const [key, { to, afterwards }] of this.#waiting) {
      if (!isWithin(to, this.#at)) continue
      this.#waiting.delete(key)
      afterwards?.()
    }
    if (this.#waiting.size > 0) this.#gap ??= setTimeout(() => this.#lookForGap(), GAP_MS).unref()
  }

  #lookForGap(): void {
    this.#gap = undefined
    const at = this.#at
    // If this process was busy, the message may lie in its socket: that is read first.
    setImmediate(() => {
      if (this.#waiting.size > 0 && this.#at === at) this.catchUpSoon()
      else this.#takeWaiting()
    })
  }

  #publish({ to, steps, afterwards }: Reached): void {
    if (steps === undefined) return this.catchUpSoon()
    this.#at = to
    for (const step of steps) this.#host.seen(step)
    this.#host.reached(to)
    for (const { change, collected } of steps) {
      if (collected) this.#feed.drop(change.entry.path, change.seq)
    }
    afterwards?.()
    const changes = steps.flatMap(({ change, collected }) => (collected ? [] : [change]))
    if (changes.length > 0) this.#feed.publish({ changes, seq: to.seq })
  }

  async #readOn(): Promise<void> {
    while (this.#readAgain) {
      this.#readAgain = false
      const from = this.#at
      // Told all at once: the last page is of one moment, and what changed since an earlier one is in it.
      const records = new Map<string, Held>()
      for (let seq = from.seq; ;) {
        const page = await this.#keyspace.changes(seq, Infinity)
        for (const held of page.changes) records.set(held.entry.path, held)
        // What it remembers may be all there is of the lost: it is kept until the new epoch is known.
        if (page.seq < from.seq || page.epoch !== this.#host.epoch()) {
          if (this.#at === from) this.#host.turned('epoch')
          break
        }
        seq = page.changes.at(-1)?.seq ?? page.seq
        if (!page.last) continue
        const to = { seq: page.seq, released: page.released }
        if (to.released > from.released) {
          for (const held of await this.#released(from)) records.set(held.entry.path, held)
        }
        if (!this.#closed && this.#at === from && !isSame(from, to)) {
          this.#tell([...records.values()], to)
        }
        break
      }
    }
  }

  /** What was released since, as far as it is still known; a release that is read twice does no harm. */
  async #released({ released }: Point): Promise<Held[]> {
    const paths = await this.#keyspace.releasedAfter(released)
    const records = await this.#keyspace.heldMany(paths)
    return records.filter((held) => held !== undefined && held.shown === undefined) as Held[]
  }

  /** Tells of records that were read instead of heard of. */
  #tell(records: readonly Held[], to: Point): void {
    const changes = records.map((held) => this.#changeTo(held))
    this.#restart(to)
    this.#host.missed()
    if (changes.length > 0) this.#feed.publish({ changes, seq: to.seq })
  }

  #changeTo(held: Held): Change {
    const { entry, seq, from } = held
    const after = visible(held)
    const known = visible(this.#host.known(entry.path))
    // Listeners take a change that leaves nothing to see for none if nothing was seen before; what was is not known.
    const before = after === undefined && held.shown === undefined ? (known ?? entry) : known
    return { seq, entry, before, after, from }
  }
}

/** The same point. */
function isSame(a: Point, b: Point): boolean {
  return a.seq === b.seq && a.released === b.released
}

function isWithin(a: Point, b: Point): boolean {
  return a.seq <= b.seq && a.released <= b.released
}

function keyOf({ seq, released }: Point): string {
  return `${seq} ${released}`
}
