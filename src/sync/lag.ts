import { sizeOf, stampOf } from '../core/entry.ts'
import { type Env, NS_PER_MS } from '../core/env.ts'
import { matches } from '../core/path.ts'
import type { Store } from '../store/store.ts'

/** The most changes that are looked at for one peer and key; a lag beyond is told as "at least". */
export const MAX_LAG_CHANGES = 10_000

/** The most changes that one look takes in, of all peers and keys together; each gets an equal share. */
export const MAX_LOOKED_CHANGES = 100_000

/** The most characters of paths and data that one look reads, shared alike. */
const MAX_LOOKED_CHARACTERS = 64 * 1024 * 1024

/** The most pairs of a peer and a key that are counted for; others are told as not counted. */
export const MAX_STANDINGS = 10_000

/** How many changes are read at a time. */
const PAGE_CHANGES = 256

/** Two looks are at least so far apart, however often somebody asks. */
export const LOOK_PAUSE_MS = 500

/** A look that took long is followed by a pause so many times as long, within {@link MAX_PAUSE_MS}. */
const PAUSE_FACTOR = 50

const MAX_PAUSE_MS = 60_000

/** How far a peer is behind with a key. */
export interface KeyLag {
  readonly key: string
  /** Paths with a change that the peer has yet to make durable: a path that changed often counts once. */
  readonly entries: number
  /** How long ago the oldest of these changes was written; 0 if there is none. */
  readonly seconds: number
  /** True if there may be more than was looked at: both figures are "at least" then. */
  readonly more: boolean
}

/** Up to where a peer has what a store's feed holds of a key. */
export interface Standing {
  readonly store: Store
  /** The peer's name in the feed: what came from it, it has. */
  readonly peer: string
  readonly key: string
  readonly position: number
}

/** What was found in the feed after a standing. */
interface Found {
  readonly epoch: string
  /** The position that it was counted from. */
  readonly position: number
  /** The peer lacks nothing up to here. */
  readonly start: number
  /** The feed was looked at up to here. */
  readonly upTo: number
  /** The number of the newest change that was counted. */
  readonly last: number
  readonly entries: number
  readonly oldest: bigint | undefined
}

/** How much one look may still read for a standing. */
interface Share {
  changes: number
  characters: number
}

/**
 * Counts, now and then, what of a store's feed its peers have yet to get: the feed is read from where each of them
 * has it. Writes pay nothing for that, and whoever asks gets what was counted last. How much a look reads is bounded,
 * and so is how often there is one.
 */
export class LagSurvey {
  readonly #env: Env
  readonly #standings: () => readonly Standing[]
  #found = new Map<string, Found>()
  #looking: Promise<void> | undefined
  #nextMs = -Infinity

  /** @param standings whom to count for */
  constructor(env: Env, standings: () => readonly Standing[]) {
    this.#env = env
    this.#standings = standings
  }

  /**
   * Brings the figures up to date, unless that was done a moment ago.
   * @throws what reading the feed throws; the figures stay as they were
   */
  measure(): Promise<void> {
    const beganMs = this.#env.monotonicMs()
    if (this.#looking === undefined && beganMs < this.#nextMs) return Promise.resolve()
    this.#looking ??= this.#look().finally(() => {
      const nowMs = this.#env.monotonicMs()
      const pauseMs = Math.min((nowMs - beganMs) * PAUSE_FACTOR, MAX_PAUSE_MS)
      this.#nextMs = nowMs + Math.max(pauseMs, LOOK_PAUSE_MS)
      this.#looking = undefined
    })
    return this.#looking
  }

  /** How far the peer is behind, as far as was looked: zero is only told without `more` if that is sure. */
  of(standing: Standing): KeyLag {
    const { store, key, position } = standing
    if (position >= store.seq) return { key, entries: 0, seconds: 0, more: false }
    const found = this.#known(standing)
    // All that was counted has arrived there.
    if (found === undefined || found.last <= position) {
      return { key, entries: 0, seconds: 0, more: (found?.upTo ?? 0) < store.seq }
    }
    const { entries, oldest, upTo } = found
    return { key, entries, seconds: this.#age(oldest), more: upTo < store.seq }
  }

  async #look(): Promise<void> {
    const standings = this.#standings().slice(0, MAX_STANDINGS)
    const before = this.#found
    this.#found = new Map()
    for (const standing of standings) {
      const known = before.get(nameOf(standing))
      if (known !== undefined) this.#found.set(nameOf(standing), known)
    }
    const due = standings.filter((standing) => this.#isDue(standing))
    const changes = Math.max(1, Math.floor(MAX_LOOKED_CHANGES / due.length))
    const characters = MAX_LOOKED_CHARACTERS / due.length
    for (const standing of due) {
      const share = { changes: Math.min(MAX_LAG_CHANGES, changes), characters }
      this.#found.set(nameOf(standing), await this.#count(standing, share))
    }
  }

  /** What was found, if it still tells anything of the peer's standing. */
  #known(standing: Standing): Found | undefined {
    const found = this.#found.get(nameOf(standing))
    const { store, position } = standing
    if (found === undefined || found.epoch !== store.epoch) return undefined
    // The peer was taken back.
    return position < found.position ? undefined : found
  }

  #isDue(standing: Standing): boolean {
    const { store, position } = standing
    if (position >= store.seq) return false
    const found = this.#known(standing)
    return found === undefined || found.upTo < store.seq || found.position !== position
  }

  async #count(standing: Standing, share: Share): Promise<Found> {
    const { store, peer, key, position } = standing
    const { epoch, seq } = store
    // Changes only ever get higher numbers, so what the peer lacked nothing of stays so.
    const from = Math.max(position, this.#known(standing)?.start ?? 0)
    let [start, upTo, last, entries] = [from, from, 0, 0]
    let oldest: bigint | undefined
    while (upTo < seq && share.changes > 0 && share.characters > 0) {
      const page = await store.changesAfter(upTo, Math.min(PAGE_CHANGES, share.changes))
      for (const change of page.changes) {
        share.changes--
        share.characters -= sizeOf(change.entry)
        if (change.from === peer || !matches(key, change.entry.path)) continue
        if (entries === 0) start = change.seq - 1
        entries++
        last = change.seq
        const stamp = stampOf(change.entry)
        if (oldest === undefined || stamp < oldest) oldest = stamp
      }
      if (page.changes.length === 0) share.changes--
      upTo = page.upTo
    }
    if (entries === 0) start = upTo
    return { epoch, position, start, upTo, last, entries, oldest }
  }

  /** A stamp from a clock that runs ahead is as good as now. */
  #age(oldest: bigint | undefined): number {
    if (oldest === undefined) return 0
    return Math.max(0, Number((this.#env.now() - oldest) / NS_PER_MS) / 1000)
  }
}

function nameOf({ peer, key }: Standing): string {
  return `${peer} ${key}`
}
