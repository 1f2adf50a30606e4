import { readEntry, unpack } from '../core/codec.ts'
import { type Entry, stampOf } from '../core/entry.ts'
import { type CancelTimer, type Env, NS_PER_MS } from '../core/env.ts'
import type { HybridClock } from '../core/hlc.ts'
import type { Engine } from './engine.ts'
import type { Group } from './group.ts'
import { ASIDE_KEY_PATH, prefixRange } from './layout.ts'
import { MAX_OVERRULED } from './store.ts'

/** The longest wait in one go: clocks may be corrected meanwhile. */
const MAX_WAIT_MS = 3_600_000

/** How long a release that failed waits before it is tried again. */
const RETRY_MS = 1000

/** How many overruled versions are listed before the list is cut again. */
const TRIM_AFTER = 1000

/** The most versions that are shown to readers in one request. */
const RELEASE_BATCH = 1000

/** Runs a request on the next group of the store; it looks at these paths. */
type Submit = <T>(run: (group: Group) => T, paths: readonly string[]) => Promise<T>

/** Watches over versions kept aside for their stamps, and has each released when its time comes. */
export class AsideShelf {
  readonly #env: Env
  readonly #engine: Pick<Engine, 'scan'>
  readonly #clock: HybridClock
  readonly #submit: Submit
  /** Versions listed since the list was cut to its bound. */
  #listed = 0
  #soonest: bigint | undefined
  #cancel: CancelTimer | undefined
  #closed = false

  /** @param submit runs a request on the store's next group */
  constructor(env: Env, engine: Pick<Engine, 'scan'>, clock: HybridClock, submit: Submit) {
    this.#env = env
    this.#engine = engine
    this.#clock = clock
    this.#submit = submit
  }

  /** Notes what the group has put aside, now that it is durable. */
  follow(group: Group): void {
    this.#listed += group.overruled
    // A list that could not be cut now is cut when it has grown again, or at the next start.
    if (this.#listed >= TRIM_AFTER) this.trim().catch(() => undefined)
    for (const { entry, shown } of group.records.values()) {
      if (shown === undefined) continue
      this.#expect(stampOf(entry))
    }
  }

  /** Looks at the clock again, now that it was corrected. */
  recheck(): void {
    if (this.#soonest !== undefined) this.#wait(this.#soonest)
  }

  /** Releases what is due, and waits for what comes next. */
  async review(): Promise<void> {
    // From here on follow() notes what is put aside meanwhile, which the scan may miss.
    this.#soonest = undefined
    const range = { ...prefixRange('a'), limit: RELEASE_BATCH }
    const due: string[] = []
    let next: bigint | undefined
    for await (const chunk of this.#engine.scan(range)) {
      for (const [key] of chunk) {
        const stamp = BigInt(`0x${key.slice(1, ASIDE_KEY_PATH)}`)
        if (!this.#clock.isAhead(stamp)) due.push(key.slice(ASIDE_KEY_PATH))
        else next ??= stamp
      }
    }
    if (this.#closed) return
    if (due.length > 0) {
      await this.#submit((group) => due.forEach((path) => group.release(path)), due)
      // More may be due, and if the clock was put back meanwhile some of these are not any more.
      return this.review()
    }
    if (next !== undefined) this.#expect(next)
  }

  /** The versions kept aside, soonest first. */
  async list(limit: number): Promise<string[]> {
    const paths: string[] = []
    for await (const chunk of this.#engine.scan({ ...prefixRange('a'), limit })) {
      for (const [key] of chunk) paths.push(key.slice(ASIDE_KEY_PATH))
    }
    return paths
  }

  /** Versions that were kept aside until a later write overruled them, oldest first. */
  async overruled(limit: number): Promise<Entry[]> {
    const entries: Entry[] = []
    for await (const chunk of this.#engine.scan({ ...prefixRange('o'), limit })) {
      for (const [, value] of chunk) entries.push(readEntry(unpack(value)))
    }
    return entries
  }

  /** Cuts the list of overruled versions to its bound: the oldest go. */
  async trim(): Promise<void> {
    this.#listed = 0
    const keys: string[] = []
    for await (const chunk of this.#engine.scan(prefixRange('o'))) {
      for (const [key] of chunk) keys.push(key)
    }
    const old = keys.slice(0, -MAX_OVERRULED)
    if (old.length === 0 || this.#closed) return
    await this.#submit((group) => old.forEach((key) => group.keep({ key })), [])
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
  }

  #expect(stamp: bigint): void {
    if (this.#soonest === undefined || stamp < this.#soonest) this.#wait(stamp)
  }

  #wait(stamp: bigint): void {
    this.#soonest = stamp
    const ms = Number((stamp - this.#clock.horizon()) / NS_PER_MS) + 1
    this.#reviewIn(Math.min(Math.max(ms, 0), MAX_WAIT_MS))
  }

  #reviewIn(delayMs: number): void {
    if (this.#closed) return
    this.#cancel?.()
    this.#cancel = this.#env.setTimer(delayMs, () => {
      // A failed write leaves the versions aside; a later review finds them again.
      this.review().catch(() => this.#reviewIn(RETRY_MS))
    })
  }
}
