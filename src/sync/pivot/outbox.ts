import { pack, readCount, readText, readTuple, unpack } from '../../core/codec.ts'
import { type Entry, tombstone } from '../../core/entry.ts'
import type { Env } from '../../core/env.ts'
import { messageOf, SkerryError, skerryError } from '../../core/errors.ts'
import type { Placed } from '../../store/store.ts'
import { matches } from '../../core/path.ts'
import type { PivotKey } from './keys.ts'
import { isAside } from './receiver.ts'
import { isSameWrite } from './wire.ts'

/** A version that a leader refused, or may not get yet: not acknowledged, and not tried again by itself. */
export interface Undeliverable {
  readonly path: string
  readonly seq: number
  /**
   * The status that it was refused with; 0 if it is kept here because its stamp is too far ahead, 200 if the leader
   * has it and shows it to nobody.
   */
  readonly status: number
  readonly reason: string
  /** Nanoseconds of wall time. */
  readonly since: bigint
}

/** What came of a push: delivered, taken but not shown, or refused for good. What failed is thrown. */
export type Pushed =
  /** `deleted`: when the leader saw the path deleted, if that stands */
  | { readonly status: 'delivered'; readonly deleted: bigint | undefined }
  | { readonly status: 'hidden' }
  | { readonly status: 'refused'; readonly http: number; readonly reason: string }

/** The most versions that are listed as undeliverable; with more the outbox waits. */
export const MAX_UNDELIVERABLE = 10_000

/** How many of them are tried again at a time. */
const RETRIES = 256

const PAGE = 256
const PARALLEL = 8

/** What an outbox needs of its follower. */
export interface OutboxHost {
  readonly env: Env
  /** The leader's name in the feed. */
  readonly leader: string
  /** Sends a version to the leader; rejects if that failed and is to be tried again. */
  push(key: PivotKey, entry: Entry): Promise<Pushed>
  /** Called when the leader has taken a version and does not show it: the clock here may be ahead. */
  hidden(): void
}

/**
 * What a leader has yet to get of one key. It is nothing but the store's feed beyond a durable cursor: it
 * survives crashes, holds the newest version of each path only, and is never longer than the data.
 */
export class Outbox {
  readonly #host: OutboxHost
  readonly #key: PivotKey
  readonly #notes: string
  readonly #undeliverable = new Map<string, Undeliverable>()
  /** Paths to push although the cursor is beyond them. */
  readonly #again = new Set<string>()
  readonly #cursorNote: string
  /** Up to where the leader has everything, but for what is undeliverable. */
  #cursor = 0
  #savedCursor = 0
  /** Since when there are paths to push again. */
  #againSinceMs = 0

  constructor(host: OutboxHost, key: PivotKey) {
    this.#host = host
    this.#key = key
    this.#notes = `pivot/undeliverable/${host.leader} ${key.path} `
    this.#cursorNote = `pivot/cursor/${host.leader} ${key.path}`
  }

  /** Reads what was kept. */
  async open(): Promise<void> {
    const cursors = await this.#key.store.notes(this.#cursorNote)
    const cursor = cursors.find(({ name }) => name === this.#cursorNote)
    if (cursor !== undefined) this.#cursor = readCount(unpack(cursor.value), 'cursor')
    this.#savedCursor = this.#cursor
    for (const { name, value } of await this.#key.store.notes(this.#notes)) {
      const [seq, status, reason, since] = readTuple(unpack(value), 'undeliverable')
      const path = name.slice(this.#notes.length)
      this.#undeliverable.set(path, {
        path,
        seq: readCount(seq, 'sequence'),
        status: readCount(status, 'status'),
        reason: readText(reason, 'reason'),
        since: BigInt(since as bigint),
      })
    }
  }

  get cursor(): number {
    return this.#cursor
  }

  get undeliverable(): Iterable<Undeliverable> {
    return this.#undeliverable.values()
  }

  /** True if nothing waits to go out. */
  get isEmpty(): boolean {
    return this.#cursor >= this.#key.store.seq && this.#again.size === 0
  }

  /** How many paths wait although the cursor is beyond them, and for how long. */
  get again(): { entries: number; seconds: number } {
    const entries = this.#again.size
    const waitedMs = this.#host.env.monotonicMs() - this.#againSinceMs
    return { entries, seconds: entries === 0 ? 0 : waitedMs / 1000 }
  }

  /** Takes a change of the key: a version released from being kept aside is behind the cursor. */
  note(change: Placed): void {
    if (change.seq <= this.#cursor) this.pushAgain(change.entry.path)
  }

  /** Has the path pushed, whatever was acknowledged. */
  pushAgain(path: string): void {
    if (this.#again.size === 0) this.#againSinceMs = this.#host.env.monotonicMs()
    this.#again.add(path)
  }

  /** Tries everything undeliverable once more. */
  retry(): void {
    for (const path of this.#undeliverable.keys()) this.pushAgain(path)
  }

  /** True if the leader has acknowledged the version, as of the cursor at that time. */
  isAcknowledged({ seq, from, entry }: Placed, cursor: number): boolean {
    if (this.#undeliverable.get(entry.path)?.seq === seq) return false
    return from === this.#host.leader || seq <= cursor
  }

  /** Tries once more what may have been refused for a while only, in turns. */
  retryTransient(): void {
    let left = RETRIES
    for (const { path, status } of this.#undeliverable.values()) {
      if (status < 500 && status !== HIDDEN) continue
      if (left-- === 0) return
      this.pushAgain(path)
    }
  }

  /**
   * Pushes a stretch of what waits, of each path its newest version.
   * @param listed what the leader is known to hold, to leave out what it has
   * @throws what a push threw: the cursor stays before that change
   */
  async drain(listed: ReadonlyMap<string, Entry> | undefined): Promise<void> {
    const { store } = this.#key
    if (this.#cursor < store.seq) {
      const page = await store.changesAfter(this.#cursor, PAGE)
      const due = page.changes.filter(
        ({ entry, from }) => matches(this.#key.path, entry.path) && from !== this.#host.leader,
      )
      const failure = await this.#pushAll(due, listed)
      this.#cursor = failure === undefined ? page.upTo : failure.seq - 1
      if (due.length > 0) await this.#saveCursor()
      if (failure !== undefined) throw failure.error
    }
    const again = [...this.#again].slice(0, PAGE)
    const placed = await Promise.all(again.map((path) => store.placed(path)))
    const due = placed.filter((one) => one !== undefined)
    const failure = await this.#pushAll(due, listed)
    if (failure !== undefined) throw failure.error
    for (const path of again) this.#again.delete(path)
  }

  /** Keeps how far it has come, if no push has done so. */
  async save(): Promise<void> {
    if (this.#cursor > this.#savedCursor) await this.#saveCursor()
  }

  async #saveCursor(): Promise<void> {
    const seq = this.#cursor
    await this.#key.store.saveNotes([{ name: this.#cursorNote, value: pack(seq) }])
    this.#savedCursor = seq
  }

  /** Pushes several at a time; resolves to the oldest change that failed, if the leader seems unwell. */
  async #pushAll(
    due: readonly Placed[],
    listed: ReadonlyMap<string, Entry> | undefined,
  ): Promise<Failure | undefined> {
    const failures: Failure[] = []
    const queue = [...due]
    const work = async (): Promise<void> => {
      for (let placed = queue.shift(); placed !== undefined; placed = queue.shift()) {
        try {
          await this.#push(placed, listed)
        } catch (error) {
          failures.push({ placed, seq: placed.seq, error })
        }
        // No use in knocking for all that waits.
        if (failures.length >= PARALLEL) return
      }
    }
    await Promise.all(Array.from({ length: Math.min(PARALLEL, due.length) }, work))
    const isPathsOwn = failures.every(({ error }) => isRefusal(error))
    if (isPathsOwn && failures.length < Math.min(PARALLEL, due.length)) {
      for (const failure of failures) await this.#setAside(failure)
      return undefined
    }
    return failures.sort((a, b) => a.seq - b.seq)[0]
  }

  /** The leader fails with this path only: it is listed, and tried again from time to time. */
  async #setAside({ placed, error }: Failure): Promise<void> {
    const { entry, seq } = placed
    await this.#refused({ path: entry.path, seq, status: 500, reason: messageOf(error) })
  }

  async #push(placed: Placed, listed: ReadonlyMap<string, Entry> | undefined): Promise<void> {
    const { entry, seq } = placed
    const theirs = listed?.get(entry.path)
    if (theirs !== undefined && isSameWrite(theirs, entry)) return this.#delivered(entry.path)
    // Go leaders answer 500 to the delete of what they lack.
    if (listed !== undefined && theirs === undefined && entry.data === null) {
      return this.#delivered(entry.path)
    }
    const shown = await this.#key.store.read(entry.path)
    if (isAside(entry, shown)) {
      return this.#refused({ path: entry.path, seq, status: 0, reason: AHEAD })
    }
    const pushed = await this.#host.push(this.#key, entry)
    if (pushed.status === 'delivered') {
      if (pushed.deleted !== undefined) await this.#deleted(entry.path, pushed.deleted)
      return this.#delivered(entry.path)
    }
    if (pushed.status === 'hidden') {
      this.#host.hidden()
      return this.#refused({ path: entry.path, seq, status: HIDDEN, reason: UNSHOWN })
    }
    const { http: status, reason } = pushed
    await this.#refused({ path: entry.path, seq, status, reason })
  }

  async #deleted(path: string, at: bigint): Promise<void> {
    await this.#key.store.merge([tombstone(path, at, '')], { peer: this.#host.leader })
  }

  async #delivered(path: string): Promise<void> {
    if (!this.#undeliverable.delete(path)) return
    await this.#key.store.saveNotes([{ name: this.#notes + path }])
  }

  async #refused(refused: Omit<Undeliverable, 'since'>): Promise<void> {
    const { path, seq, status, reason } = refused
    if (this.#undeliverable.size >= MAX_UNDELIVERABLE && !this.#undeliverable.has(path)) {
      throw skerryError('LEADER_REFUSES', MAX_UNDELIVERABLE)
    }
    const known = this.#undeliverable.get(path)
    const since = known?.seq === seq ? known.since : this.#host.env.now()
    const value = pack([seq, status, reason, since])
    await this.#key.store.saveNotes([{ name: this.#notes + path, value }])
    // To the end, so that others are tried again before it.
    this.#undeliverable.delete(path)
    this.#undeliverable.set(path, { ...refused, since })
  }
}

interface Failure {
  readonly placed: Placed
  readonly seq: number
  readonly error: unknown
}

/** True if the leader answered, though not as it should. */
function isRefusal(error: unknown): boolean {
  return error instanceof SkerryError && error.code === 'SKERRY_PEER_REFUSED'
}

/** The status of what a leader took and does not show. */
const HIDDEN = 200

const UNSHOWN =
  'the leader has it and shows it to nobody: its stamp is ahead of the clock there, or it may undo a forgotten ' +
  'delete; see `skerry withheld` there'

const AHEAD = 'its stamp is too far ahead; it goes out when its time has come'
