import type { Entry } from '../core/entry.ts'
import type { Listing } from '../store/store.ts'
import type { Changes, Contents } from './contents.ts'
import { History } from './history.ts'
import type { EndReason, Frame, SubscribedView, Subscription } from './subscription.ts'

/** What a view needs of what it belongs to. */
export interface ViewHost {
  /** A version that no view had before, and greater than all of them. */
  nextVersion(): string
  /** What the view shows of these entries, and of what becomes of them. */
  contents(pattern: string, entries: readonly Entry[]): Contents
  /** The last subscriber has gone. */
  abandoned(view: View): void
  /** A subscriber was too slow for patches. */
  collapsed(): void
}

/** What a snapshot has besides its data: names, signs and the version. */
const SNAPSHOT_CHARACTERS = 62

/** A change that came while the listing was on its way. */
interface EarlyChange {
  readonly seq: number
  readonly entry: Entry | undefined
}

/**
 * One pattern as its subscribers see it, shared by all of them: a listing of the store at a sequence number, and
 * then every commit after it. Each change becomes one frame for everybody. Plain reads never touch it.
 */
export class View implements SubscribedView {
  readonly pattern: string
  readonly #host: ViewHost
  readonly #subscriptions = new Set<Subscription>()
  /** Undefined until the listing is there. */
  #contents: Contents | undefined
  #early = new Map<string, EarlyChange>()
  readonly #history = new History()
  #seq = 0
  #version = ''
  #snapshot: Frame | undefined

  constructor(pattern: string, host: ViewHost) {
    this.pattern = pattern
    this.#host = host
  }

  /** How many watch. */
  get subscribers(): number {
    return this.#subscriptions.size
  }

  /** True if nobody watches. */
  get isAbandoned(): boolean {
    return this.#subscriptions.size === 0
  }

  /** Takes the listing, which the view was following the feed for since before it was asked for. */
  fill({ seq, entries }: Listing): void {
    this.#seq = seq
    const seen = new Map<string, Entry>(entries.map((entry) => [entry.path, entry]))
    for (const [path, early] of this.#early) {
      if (early.seq < seq) continue
      if (early.entry === undefined) seen.delete(path)
      else seen.set(path, early.entry)
    }
    this.#early.clear()
    this.#contents = this.#host.contents(this.pattern, [...seen.values()])
    this.#version = this.#host.nextVersion()
    for (const subscription of this.#subscriptions) subscription.catchUp()
  }

  /** Takes what a commit changed within the pattern. */
  change(seq: number, changes: Changes): void {
    if (this.#contents === undefined) {
      for (const [path, entry] of changes) this.#early.set(path, { seq, entry })
      return
    }
    // A version released from being kept aside comes under the number that the listing had, too.
    if (seq < this.#seq) return
    this.#seq = seq
    const operations = this.#contents.apply(changes)
    if (operations?.length === 0) return
    const previous = this.#version
    this.#version = this.#host.nextVersion()
    this.#snapshot = undefined
    const patch = this.#patch(operations, previous)
    if (patch === undefined) this.#history.clear()
    else this.#history.add(previous, patch, this.#worth)
    if (this.isAbandoned) return
    const frame = patch ?? this.snapshot()
    for (const subscription of this.#subscriptions) subscription.deliver(frame)
  }

  /**
   * Takes a subscriber, which then gets every change. First it gets nothing if it already has this version, the
   * patches that it missed if they are known and shorter than the whole, and otherwise a snapshot.
   * @param version what the subscriber has, from an earlier subscription
   */
  join(subscription: Subscription, version: string | undefined): void {
    this.#subscriptions.add(subscription)
    if (this.#contents === undefined || version === this.#version) return
    const missed = version === undefined ? undefined : this.#history.since(version, this.#worth)
    if (missed === undefined) subscription.catchUp()
    else for (const patch of missed) subscription.deliver(patch)
  }

  leave(subscription: Subscription): void {
    this.#subscriptions.delete(subscription)
    if (this.isAbandoned) this.#host.abandoned(this)
  }

  /** The whole as of now; put together once, however many ask for it. */
  collapsed(): void {
    this.#host.collapsed()
  }

  snapshot(): Frame {
    this.#snapshot ??= {
      text: `{"snapshot":true,"version":"${this.#version}","data":${this.#contents!.json()}}`,
    }
    return this.#snapshot
  }

  /** Ends every subscription. */
  end(reason: EndReason): void {
    for (const subscription of this.#subscriptions) subscription.end(reason)
  }

  /** About how many characters a snapshot has. */
  get #worth(): number {
    return this.#contents!.characters + SNAPSHOT_CHARACTERS
  }

  /** The patch from the previous version to this one, or undefined where the whole is shorter. */
  #patch(operations: readonly string[] | undefined, previous: string): Frame | undefined {
    const patch = operations?.join(',')
    if (patch === undefined || patch.length > this.#contents!.characters) return undefined
    const versions = `"version":"${this.#version}","previous":"${previous}"`
    return { text: `{"snapshot":false,${versions},"data":[${patch}]}` }
  }
}
