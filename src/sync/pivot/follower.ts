import type { Entry } from '../../core/entry.ts'
import type { CancelTimer, Env } from '../../core/env.ts'
import { messageOf, SkerryError } from '../../core/errors.ts'
import { matches } from '../../core/path.ts'
import type { Change, Store } from '../../store/store.ts'
import { backoffMs } from '../backoff.ts'
import { type KeyLag, LagSurvey, type Standing } from '../lag.ts'
import { peerName } from './address.ts'
import type { HttpClient } from './http.ts'
import type { PivotKey } from './keys.ts'
import type { PivotPeers } from './peers.ts'
import { Outbox, type Undeliverable } from './outbox.ts'
import { Puller } from './pull.ts'
import { Remote } from './remote.ts'
import type { RemovedEntries } from './removed.ts'

/** Reads bring a node to look for news no more often than this. */
const READ_PAUSE_MS = 1000

/** The most undeliverable versions that a status names. */
const MAX_NAMED = 20

/** What a follower needs. */
export interface FollowerOptions {
  readonly env: Env
  readonly http: HttpClient
  /** The leader's base address. */
  readonly url: string
  /** The keys that it leads. */
  readonly keys: readonly PivotKey[]
  readonly peers: PivotPeers
  readonly removedOf: (store: Store) => RemovedEntries
  readonly own: () => string | undefined
  /** How often the leader is asked for news, though it did not say that it has any. */
  readonly pollIntervalMs: number
  /** Whether to come into step at the start, rather than at the first sign of news. */
  readonly syncAtStart: boolean
  readonly changed: () => void
}

/** How one key of a follower is. */
export interface FollowedKey {
  readonly key: string
  readonly lastEntry: bigint | undefined
  /** The leader has lost what it had, and gets it again. */
  readonly rewound: boolean
  /** How often that was found, since the start. */
  readonly rewinds: number
  /** What of this node's writes the leader has yet to get, as it was counted last. */
  readonly lag: KeyLag
  /** Entries of the leader's list that could not be taken. */
  readonly refused: number
  readonly undeliverable: { readonly count: number; readonly named: readonly Undeliverable[] }
}

/** How a node is towards one leader. */
export interface FollowerStatus {
  readonly leader: string
  /** False while a native link does all this. */
  readonly active: boolean
  /** True if the last look at the leader came to its end, and nothing went wrong. */
  readonly healthy: boolean
  /** When that was: nanoseconds of wall time; 0 before the first look. */
  readonly lastCheck: bigint
  readonly failures: number
  readonly lastError: string | undefined
  readonly keys: readonly FollowedKey[]
}

interface Followed {
  readonly key: PivotKey
  readonly outbox: Outbox
  readonly puller: Puller
  /** The leader has to be looked at before anything is pushed. */
  behind: boolean
  /** That list, until all that waited has been pushed. */
  listed: ReadonlyMap<string, Entry> | undefined
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The node's side: keeps the keys of one leader in step with it. Nothing local ever waits for it. */
export class Follower {
  readonly url: string
  readonly #options: FollowerOptions
  readonly #followed: readonly Followed[]
  readonly #survey: LagSurvey
  /** The keys to look at for news, and who waits for that. */
  #wanted = new Map<Followed, Waiter[]>()
  #cancel: CancelTimer = () => undefined
  #running: Promise<void> | undefined
  #isActive = false
  #isOpen = false
  /** Whether the own clock was ahead is to be looked at before anything goes out. */
  #isClockDue = true
  #failures = 0
  #lastError: string | undefined
  #lastCheck = 0n
  #lastReadMs = -Infinity
  #stopped = false

  constructor(options: FollowerOptions) {
    const { env, http, url, own, keys, removedOf } = options
    this.#options = options
    this.url = url
    const leader = peerName(url)
    const remote = new Remote(http, url, own)
    this.#followed = keys.map((key) => {
      const push = (_key: PivotKey, entry: Entry) => remote.push(entry)
      const hidden = (): void => void (this.#isClockDue = true)
      const outbox = new Outbox({ env, leader, push, hidden }, key)
      const removed = removedOf(key.store)
      const puller = new Puller({ key, remote, leader, outbox, removed })
      return { key, outbox, puller, behind: true, listed: undefined }
    })
    this.#survey = new LagSurvey(env, () =>
      this.#isFollowed ? this.#followed.map((followed) => this.#standing(followed)) : [],
    )
  }

  /** Reads what was kept. */
  async open(): Promise<void> {
    for (const { outbox, puller } of this.#followed) {
      await outbox.open()
      await puller.open()
    }
    this.#isOpen = true
  }

  /** Begins, or goes on, to keep in step by this protocol. */
  activate(): void {
    if (this.#isActive || this.#stopped) return
    this.#isActive = true
    this.#startOver()
    if (this.#options.syncAtStart) this.#wake()
    else this.#schedule(this.#options.pollIntervalMs)
    this.#options.changed()
  }

  /** Lets a native link do it from now on. */
  async suspend(): Promise<void> {
    if (this.#isActive) {
      this.#isActive = false
      this.#cancel()
      this.#release(undefined)
      this.#options.changed()
    }
    // By the link it acknowledges what it has, and counts by that.
    await this.#options.peers.drop(peerName(this.url))
  }

  /** Takes what a commit changed in a store. */
  follow(store: Store, changes: readonly Change[]): void {
    const leader = peerName(this.url)
    let news = false
    for (const change of changes) {
      if (change.from === leader) continue
      const followed = this.#covering(store, change.entry.path)
      if (followed === undefined) continue
      followed.outbox.note(change)
      news = true
    }
    if (news && this.#isActive && this.#failures === 0) this.#wake()
  }

  /** Looks for news of a key, or of all; resolves once what the leader had at this moment is here. */
  async pull(path?: string): Promise<void> {
    if (!this.#isActive || this.#stopped) return
    const asked = this.#followed.filter(({ key }) => path === undefined || key.path === path)
    const pulled = asked.map(
      (followed) =>
        new Promise<void>((resolve, reject) => {
          const waiters = this.#wanted.get(followed) ?? []
          this.#wanted.set(followed, [...waiters, { resolve, reject }])
        }),
    )
    this.#wake()
    await Promise.all(pulled)
  }

  /** Compares everything with the leader's, both ways. */
  async synchronize(): Promise<void> {
    this.#startOver()
    await this.pull()
  }

  /** Somebody reads the path: look for news, once in a while; the read itself does not wait. */
  beforeRead(store: Store, path: string): void {
    const nowMs = this.#options.env.monotonicMs()
    if (!this.#isActive || this.#failures > 0 || this.#running !== undefined) return
    if (nowMs - this.#lastReadMs < READ_PAUSE_MS) return
    const followed = this.#covering(store, path)
    if (followed === undefined) return
    this.#lastReadMs = nowMs
    this.#want(followed)
    this.#wake()
  }

  /** Tries once more what the leader refused. */
  retry(): void {
    for (const { outbox } of this.#followed) outbox.retry()
    this.#wake()
  }

  get status(): FollowerStatus {
    return {
      leader: this.url,
      active: this.#isActive,
      healthy: this.#lastCheck > 0n && this.#lastError === undefined,
      lastCheck: this.#lastCheck,
      failures: this.#failures,
      lastError: this.#lastError,
      keys: this.#followed.map(({ key, outbox, puller }) => {
        const undeliverable = [...outbox.undeliverable]
        return {
          key: key.path,
          lastEntry: puller.lastEntry,
          rewound: puller.isRewound,
          rewinds: puller.rewinds,
          lag: this.#lagOf({ key, outbox }),
          refused: puller.refused,
          undeliverable: { count: undeliverable.length, named: undeliverable.slice(0, MAX_NAMED) },
        }
      }),
    }
  }

  /** Counts what the leader has yet to get, unless that was done a moment ago. */
  measureLag(): Promise<void> {
    return this.#survey.measure()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel()
    await this.#running
    this.#release(undefined)
  }

  /** True also while nobody knows yet, after a start, by which protocol the leader is to be followed now. */
  get #isFollowed(): boolean {
    return this.#isActive || this.#options.peers.has(peerName(this.url))
  }

  #standing({ key, outbox }: Pick<Followed, 'key' | 'outbox'>): Standing {
    const peer = peerName(this.url)
    return { store: key.store, peer, key: key.path, position: outbox.cursor }
  }

  #lagOf(followed: Pick<Followed, 'key' | 'outbox'>): KeyLag {
    if (!this.#isFollowed) return { key: followed.key.path, entries: 0, seconds: 0, more: false }
    const { again } = followed.outbox
    const lag = this.#survey.of(this.#standing(followed))
    const seconds = Math.max(lag.seconds, again.seconds)
    return { ...lag, entries: lag.entries + again.entries, seconds }
  }

  #covering(store: Store, path: string): Followed | undefined {
    return this.#followed.find(({ key }) => key.store === store && matches(key.path, path))
  }

  #want(followed: Followed): void {
    if (!this.#wanted.has(followed)) this.#wanted.set(followed, [])
  }

  #wake(): void {
    if (this.#running !== undefined || this.#stopped || !this.#isActive || !this.#isOpen) return
    this.#cancel()
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (this.#failures === 0 && this.#hasWork()) this.#wake()
    })
  }

  #hasWork(): boolean {
    return this.#wanted.size > 0 || this.#followed.some(({ outbox }) => !outbox.isEmpty)
  }

  async #run(): Promise<void> {
    const { pollIntervalMs, env } = this.#options
    try {
      await this.#meet()
      await this.#mindClock()
      await this.#round()
      await this.#mindClock()
      this.#note(undefined)
      this.#schedule(pollIntervalMs)
    } catch (error) {
      this.#fallBehind()
      this.#failures++
      this.#release(error)
      this.#note(messageOf(error))
      this.#schedule(backoffMs(this.#failures, env.random()))
    }
  }

  /** The leader answers nothing before it is known that it holds what is shared. */
  async #meet(): Promise<void> {
    const { peers, keys } = this.#options
    await peers.heard(peerName(this.url), keys)
  }

  #startOver(): void {
    for (const { puller } of this.#followed) puller.startOver()
    this.#fallBehind()
  }

  /** Something went wrong: what the leader did meanwhile is to be known before anything goes out. */
  #fallBehind(): void {
    for (const followed of this.#followed) followed.behind = true
    this.#isClockDue = true
  }

  /** What this node stamped with a clock gone wild is put right before anybody sees it. */
  async #mindClock(): Promise<void> {
    if (!this.#isClockDue) return
    this.#isClockDue = false
    const stores = new Set(this.#followed.map(({ key }) => key.store))
    for (const store of stores) await store.restamp()
  }

  /** Until there is nothing more to fetch or push; what goes wrong with one key holds up no other. */
  async #round(): Promise<void> {
    let refusal: SkerryError | undefined
    const failed = new Set<Followed>()
    const attempt = async (followed: Followed, step: () => Promise<void>): Promise<void> => {
      if (failed.has(followed)) return
      try {
        await step()
      } catch (error) {
        if (!(error instanceof SkerryError && error.code === 'SKERRY_PEER_REFUSED')) throw error
        failed.add(followed)
        refusal ??= error
      }
    }
    for (let more = true; more && !this.#stopped && this.#isActive;) {
      for (const followed of this.#followed) await attempt(followed, () => this.#pull(followed))
      const pushing = this.#followed.filter((one) => !one.outbox.isEmpty && !failed.has(one))
      for (const followed of pushing) await attempt(followed, () => this.#push(followed))
      more = pushing.length > 0 || [...this.#wanted.keys()].some((one) => !failed.has(one))
    }
    for (const { outbox } of this.#followed) await outbox.save()
    if (refusal !== undefined) throw refusal
    this.#failures = 0
  }

  async #pull(followed: Followed): Promise<void> {
    const waiters = this.#wanted.get(followed)
    if (waiters === undefined && !followed.behind) return
    this.#wanted.delete(followed)
    const always = followed.behind
    // Whoever wants another look meanwhile gets one; if this one fails, all are behind.
    followed.behind = false
    try {
      const listed = await followed.puller.pull(always)
      if (always) followed.listed = listed
    } catch (error) {
      for (const { reject } of waiters ?? []) reject(error)
      throw error
    }
    for (const { resolve } of waiters ?? []) resolve()
  }

  async #push(followed: Followed): Promise<void> {
    await followed.outbox.drain(followed.listed)
    if (!followed.outbox.isEmpty) return
    followed.listed = undefined
    // What was lost there is there again: the next pull makes sure.
    if (followed.puller.isRewound) this.#want(followed)
  }

  #note(error: string | undefined): void {
    const changed = error !== this.#lastError || this.#lastCheck === 0n
    this.#lastCheck = this.#options.env.now()
    this.#lastError = error
    if (changed) this.#options.changed()
  }

  /** Lets go of those who wait. */
  #release(error: unknown): void {
    const wanted = this.#wanted
    this.#wanted = new Map()
    for (const { resolve, reject } of [...wanted.values()].flat()) {
      if (error === undefined) resolve()
      else reject(error)
    }
  }

  #schedule(delayMs: number): void {
    if (this.#stopped || !this.#isActive) return
    this.#cancel()
    this.#cancel = this.#options.env.setTimer(delayMs, () => {
      for (const followed of this.#followed) {
        this.#want(followed)
        followed.outbox.retryTransient()
      }
      this.#wake()
    })
  }
}
