import type { CancelTimer, Env } from '../core/env.ts'
import { skerryError, type SkerryError } from '../core/errors.ts'
import type { Engine } from '../store/engine.ts'
import { Emitter } from './emitter.ts'
import {
  IntervalCalendar,
  isIntervalLength,
  type Interval,
  type IntervalLength,
} from './interval.ts'
import { keyAt, keyTimeMs, wallMs } from './key.ts'
import { Records } from './records.ts'
import {
  eventText,
  sameEvent,
  type Answer,
  type EventStorage,
  type ReplicaPage,
  type ReplicaRange,
  type ReplicaStore,
} from './storage.ts'

/** Options of an event log. */
export interface EventLogOptions {
  readonly env: Env
  /** Length of a consolidation interval; default `P1D`. */
  readonly interval?: IntervalLength | undefined
  /**
   * An interval is announced as closed so many milliseconds after it stopped taking events, by
   * when the puts that were on their way have ended everywhere; default 10,000. It has to cover a
   * coordinator's `putTimeoutMs` and the difference of the clocks.
   */
  readonly closeGraceMs?: number | undefined
}

/** An interval of the log and how it stands. */
export interface IntervalStatus extends Interval {
  readonly state: 'open' | 'closing' | 'closed'
}

/** What an event log emits. */
export interface EventLogEvents {
  /** No event will be accepted any more with a key in this interval: it can be exported. */
  intervalClosed: [interval: Interval]
  /** Closing an interval failed; it is tried again. */
  error: [error: unknown]
}

const EVENTS = 'log/'
const CLOSED = 'closed/upto'

/** Most characters of events in one page, which bounds what a scan holds in memory. */
const PAGE_CHARACTERS = 1 << 20

/**
 * The events of one node, in the order of their keys and divided into consolidation intervals:
 * the storage to hand to `createCoordinator`. The current and the previous interval take events;
 * a closed one is read-only but for replicas of events that were accepted while it was open.
 */
export class EventLog extends Emitter<EventLogEvents> implements EventStorage, ReplicaStore {
  readonly #env: Env
  readonly #records: Records
  readonly #calendar: IntervalCalendar
  readonly #graceMs: number
  #closedUpTo: string
  #cancel: CancelTimer | undefined
  #isClosed = false

  /** Use {@link openEventLog}. */
  constructor(records: Records, options: EventLogOptions) {
    super()
    const { env, interval = 'P1D', closeGraceMs = 10_000 } = options
    if (!isIntervalLength(interval)) {
      throw skerryError('OPTION_INVALID', 'interval', interval, 'P1D, PT3H, PT1H, PT15M or PT5M')
    }
    if (!(closeGraceMs >= 0)) {
      throw skerryError('OPTION_INVALID', 'closeGraceMs', closeGraceMs, 'it is below 0')
    }
    this.#env = env
    this.#records = records
    this.#calendar = new IntervalCalendar(interval)
    this.#graceMs = closeGraceMs
    this.#closedUpTo = records.get(CLOSED) ?? ''
  }

  /** Announces what closed since the last run, and watches the clock from here on. */
  async open(): Promise<void> {
    await this.#rotate()
    this.#watch()
  }

  /** Stops watching the clock. The engine stays open. */
  close(): void {
    this.#isClosed = true
    this.#cancel?.()
  }

  /**
   * Stores an event, durably by the time of the answer.
   * @throws (or calls back with) SKERRY_EVENTS_KEY_INVALID, SKERRY_EVENTS_KEY_OUT_OF_WINDOW,
   *   SKERRY_EVENTS_CONFLICT
   */
  put(key: string, event: unknown): Promise<void>
  put(key: string, event: unknown, callback: Answer): void
  put(key: string, event: unknown, callback?: Answer): Promise<void> | undefined {
    const stored = this.#put(key, event)
    if (!callback) return stored
    void stored.then(
      () => callback(),
      (error: SkerryError) => callback(error),
    )
    return undefined
  }

  /** The event under a key. */
  async get(key: string): Promise<unknown> {
    const text = await this.readReplica(key)
    return text === undefined ? undefined : (JSON.parse(text) as unknown)
  }

  checkReplica(key: string, text: string): void {
    const open = this.#openInterval()
    if (keyTimeMs(key) === undefined) throw skerryError('EVENTS_KEY_INVALID', key)
    if (key < open.from || key >= open.below) {
      throw skerryError('EVENTS_KEY_OUT_OF_WINDOW', key, open.from, open.below)
    }
    this.#assertSame(key, text)
  }

  async writeReplica(key: string, text: string): Promise<void> {
    if (keyTimeMs(key) === undefined) throw skerryError('EVENTS_KEY_INVALID', key)
    const { below } = this.#openInterval()
    if (key >= below) throw skerryError('EVENTS_KEY_OUT_OF_WINDOW', key, keyAt(0), below)
    this.#assertSame(key, text)
    if (this.#records.get(EVENTS + key) !== undefined) return
    await this.#records.write([{ key: EVENTS + key, value: text }])
  }

  async readReplica(key: string): Promise<string | undefined> {
    return this.#records.get(EVENTS + key)
  }

  async rangeReplicas(range: ReplicaRange): Promise<ReplicaPage> {
    const { from, below = LAST, limit, digests = false } = range
    const bounds = { from: EVENTS + from, below: EVENTS + below, limit: limit + 1 }
    const found = await this.#records.range(bounds)
    const rows: [string, string][] = []
    let characters = 0
    for (const [key, text] of found.slice(0, limit)) {
      if (characters > PAGE_CHARACTERS) break
      characters += text.length
      rows.push([key.slice(EVENTS.length), digests ? this.#env.hash(text) : text])
    }
    return { rows, more: rows.length < found.length }
  }

  /** Every interval in which this node has events, in order, from the key `from` on. */
  async *intervals(from = ''): AsyncGenerator<IntervalStatus, void> {
    for (;;) {
      const { rows } = await this.rangeReplicas({ from, limit: 1 })
      const [first] = rows
      if (!first) return
      const interval = this.#calendar.of(first[0])
      yield { ...interval, state: this.#stateOf(interval) }
      from = interval.below
    }
  }

  /** The interval that a key belongs to. @throws SKERRY_EVENTS_KEY_INVALID */
  intervalOf(key: string): IntervalStatus {
    const interval = this.#calendar.of(key)
    return { ...interval, state: this.#stateOf(interval) }
  }

  async #put(key: string, event: unknown): Promise<void> {
    const text = eventText(event)
    this.checkReplica(key, text)
    await this.writeReplica(key, text)
  }

  /** A contradiction is one even while the first event is on its way to the disk. */
  #assertSame(key: string, text: string): void {
    const held = this.#records.latest(EVENTS + key)
    if (held !== undefined && !sameEvent(held, text)) throw skerryError('EVENTS_CONFLICT', key)
  }

  /** What takes events now; an interval that was closed once stays so if the clock goes back. */
  #openInterval(): Interval {
    const { from, below } = this.#calendar.openAt(wallMs(this.#env))
    return { from: from > this.#closedUpTo ? from : this.#closedUpTo, below }
  }

  #stateOf({ below }: Interval): IntervalStatus['state'] {
    if (below <= this.#closedUpTo) return 'closed'
    return below <= this.#openInterval().from ? 'closing' : 'open'
  }

  /** Closes what has to be closed by now, and announces it. */
  async #rotate(): Promise<void> {
    const upTo = this.#calendar.openAt(wallMs(this.#env) - this.#graceMs).from
    if (upTo <= this.#closedUpTo) return
    const closing: Interval[] = []
    for await (const interval of this.intervals(this.#closedUpTo)) {
      if (interval.below <= upTo) closing.push(interval)
      else break
    }
    await this.#records.write([{ key: CLOSED, value: upTo }])
    this.#closedUpTo = upTo
    for (const { from, below } of closing) this.emit('intervalClosed', { from, below })
  }

  #watch(): void {
    if (this.#isClosed) return
    const waitMs = this.#calendar.untilNextMs(wallMs(this.#env) - this.#graceMs)
    this.#cancel = this.#env.setTimer(Math.min(waitMs, MAX_WAIT_MS), () => {
      void this.#rotate()
        .catch((error: unknown) => this.emit('error', error))
        .finally(() => this.#watch())
    })
  }
}

/**
 * Opens the event log that `engine` holds. The engine is for events only; a coordinator needs
 * another one for its hints.
 * @throws SKERRY_OPTION_INVALID
 * @example
 * const log = await openEventLog(await openLevelEngine('data/events'), { env, interval: 'PT1H' })
 * const coordinator = new Coordinator(log, { env })
 */
export async function openEventLog(engine: Engine, options: EventLogOptions): Promise<EventLog> {
  const log = new EventLog(new Records(engine), options)
  await log.open()
  return log
}

/** A character above every one in a key. */
const LAST = '~'

/** The wall clock may be set while a timer runs, so it is looked at again before long. */
const MAX_WAIT_MS = 60_000
