import type { Entry } from '../core/entry.ts'
import type { CancelTimer, Env } from '../core/env.ts'
import { isGlob, matches } from '../core/path.ts'
import type { Commit, Store } from '../store/store.ts'
import { type Contents, EntryContents, ListContents } from './contents.ts'
import { FilteredContents } from './filtered.ts'
import type { Rules } from './rules.ts'
import { type Subscriber, Subscription } from './subscription.ts'
import { View } from './view.ts'

/** A view that nobody watches is kept for so long, for a subscriber that comes back after a short cut. */
const LINGER_MS = 30_000

/** The most views kept that nobody watches; the one longest alone goes first. */
const MAX_LINGERING = 64

/** How many watch a path or glob. */
export interface PatternSubscribers {
  readonly pattern: string
  readonly subscribers: number
}

/** The live views of a store: one for each pattern that somebody watches. */
export class Live {
  readonly #store: Store
  readonly #env: Env
  readonly #rules: Rules
  readonly #byPath = new Map<string, View>()
  readonly #byGlob = new Map<string, View>()
  readonly #lingering = new Map<View, CancelTimer>()
  readonly #unwatch: () => void
  readonly #versionSuffix: string
  #lastVersion = 0n
  #collapses = 0

  constructor(store: Store, env: Env, rules: Rules) {
    this.#store = store
    this.#rules = rules
    this.#env = env
    // Versions of another run or node are never mistaken for this one's.
    this.#versionSuffix = env.hash(store.run).slice(0, 8)
    this.#unwatch = store.watch((commit) => this.#commit(commit))
  }

  /** How many patterns have a view now. */
  get size(): number {
    return this.#byPath.size + this.#byGlob.size
  }

  /** How often a slow subscriber got a snapshot in the place of patches. */
  get collapses(): number {
    return this.#collapses
  }

  /** How many watch what. */
  *subscriptions(): Iterable<PatternSubscribers> {
    for (const views of [this.#byPath, this.#byGlob]) {
      for (const { pattern, subscribers } of views.values()) {
        if (subscribers > 0) yield { pattern, subscribers }
      }
    }
  }

  /** See `State.watch`. */
  watch(pattern: string, subscriber: Subscriber, version: string | undefined): Subscription {
    const view = this.#views(pattern).get(pattern) ?? this.#open(pattern)
    this.#lingering.get(view)?.()
    this.#lingering.delete(view)
    const subscription = new Subscription(view, subscriber, this.#env)
    view.join(subscription, version)
    return subscription
  }

  /** Ends every subscription. */
  close(): void {
    this.#unwatch()
    for (const view of [...this.#byPath.values(), ...this.#byGlob.values()]) {
      this.#drop(view)
      view.end('stopped')
    }
  }

  #views(pattern: string): Map<string, View> {
    return isGlob(pattern) ? this.#byGlob : this.#byPath
  }

  #open(pattern: string): View {
    const view = new View(pattern, {
      nextVersion: () => this.#nextVersion(),
      contents: (...shown) => this.#contents(...shown),
      abandoned: (abandoned) => this.#linger(abandoned),
      collapsed: () => this.#collapses++,
    })
    this.#views(pattern).set(pattern, view)
    // The view follows the feed from this very turn on, and the listing shows this turn or a later one.
    this.#rules
      .beforeRead(pattern)
      .then(() => this.#store.list(pattern))
      .then((listing) => view.fill(listing))
      .catch(() => this.#fail(view))
    return view
  }

  #contents(pattern: string, entries: readonly Entry[]): Contents {
    const make = (shown: readonly Entry[]): Contents =>
      isGlob(pattern) ? new ListContents(shown) : new EntryContents(shown[0])
    const reader = this.#rules.reader(pattern)
    return reader === undefined ? make(entries) : new FilteredContents(reader, entries, make)
  }

  #linger(view: View): void {
    if (this.#views(view.pattern).get(view.pattern) !== view) return
    const [longest] = this.#lingering.keys()
    if (longest !== undefined && this.#lingering.size >= MAX_LINGERING) this.#drop(longest)
    this.#lingering.set(
      view,
      this.#env.setTimer(LINGER_MS, () => this.#drop(view)),
    )
  }

  #drop(view: View): void {
    this.#lingering.get(view)?.()
    this.#lingering.delete(view)
    const views = this.#views(view.pattern)
    if (views.get(view.pattern) === view) views.delete(view.pattern)
  }

  #commit({ changes, seq }: Commit): void {
    if (this.size === 0) return
    const touched = new Map<View, Map<string, Entry | undefined>>()
    for (const { entry, before, after } of changes) {
      // What is kept aside changes nothing that readers see.
      if (before === after) continue
      const { path } = entry
      const note = (view: View): void => {
        let noted = touched.get(view)
        if (noted === undefined) touched.set(view, (noted = new Map<string, Entry | undefined>()))
        noted.set(path, after)
      }
      const exact = this.#byPath.get(path)
      if (exact !== undefined) note(exact)
      for (const [glob, view] of this.#byGlob) if (matches(glob, path)) note(view)
    }
    for (const [view, noted] of touched) {
      try {
        view.change(seq, noted)
      } catch {
        this.#fail(view)
      }
    }
  }

  /** Gives up a view that can't be read or put together, too large perhaps; never the write that showed it. */
  #fail(view: View): void {
    this.#drop(view)
    view.end('failed')
  }

  /** Nanoseconds at which the version came up, or just above the last one, and then who says so. */
  #nextVersion(): string {
    const now = this.#env.now()
    this.#lastVersion = now > this.#lastVersion ? now : this.#lastVersion + 1n
    return this.#lastVersion.toString(16).padStart(16, '0') + this.#versionSuffix
  }
}
