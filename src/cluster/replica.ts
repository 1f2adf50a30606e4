import type { Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import type { Dealer } from './dealer.ts'
import { eventsBetween } from './event.ts'
import type { ClusterEvent } from './event.ts'
import type { Head, Registry } from './registry.ts'
import { advance, planFor, viewOf } from './view.ts'
import type { Draft, View } from './view.ts'

/** Attempts of one change while others change the cluster too. */
const ATTEMPTS_MAX = 100
/** Between two attempts: up to this, growing with the attempts. */
const BACKOFF_MAX_MS = 200
/** Waiting for the end of a recovery costs less of an attempt: it takes a lease or two. */
const RECOVERY_COST = 0.2

/** This process's copy of members and table, kept in step with the registry. */
export class Replica {
  readonly #env: Env
  readonly #registry: Registry
  readonly #deal: Dealer
  readonly #onEvent: (event: ClusterEvent) => void
  readonly #onView: (view: View) => void
  /** What the latest snapshot could not be read for: told once. */
  #faults: ReadonlySet<string> = new Set()
  #view: View = { run: '', version: 0, members: new Map(), owners: [] }
  #head: Head | undefined
  #refreshing: Promise<Head> | undefined

  constructor(
    env: Env,
    registry: Registry,
    deal: Dealer,
    on: { event: (event: ClusterEvent) => void; view: (view: View) => void },
  ) {
    this.#env = env
    this.#registry = registry
    this.#deal = deal
    this.#onEvent = on.event
    this.#onView = on.view
  }

  get view(): View {
    return this.#view
  }

  /** What the registry said last; undefined before the first time. */
  get head(): Head | undefined {
    return this.#head
  }

  /** Reads everything anew, without events: what is there at the start did not happen now. */
  async load(): Promise<void> {
    this.#head = await this.#registry.head()
    const snapshot = await this.#registry.read()
    this.#reportFaults(snapshot.faults)
    this.#view = viewOf(snapshot)
    this.#onView(this.#view)
  }

  /** Catches up with the registry. Calls at the same time share one catching up. */
  async refresh(): Promise<Head> {
    this.#refreshing ??= this.#catchUp().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  /**
   * Changes the cluster: `draft` says from the newest view what to change, or that there is nothing
   * to. Tried again as long as others change something in between.
   *
   * @param term of the leader, for what only it may do.
   * @returns false if the term is over
   * @throws SKERRY_CLUSTER_CONTENDED, SKERRY_REGISTRY_UNAVAILABLE, and what `draft` throws
   */
  async change(draft: (view: View) => Draft | undefined, term?: number): Promise<boolean> {
    for (let attempts = 1; attempts <= ATTEMPTS_MAX;) {
      // A catching up that began before this call may be too old.
      await this.#refreshing
      await this.refresh()
      const wanted = draft(this.#view)
      if (wanted === undefined) return true
      const plan = planFor(this.#view, wanted, this.#deal)
      const proposal = {
        base: this.#view.version,
        ...plan,
        ...(term === undefined ? {} : { term }),
      }
      const answer = await this.#registry.commit(proposal)
      if (answer === 'deposed') return false
      if (answer === 'done') {
        await this.#registry.publish({ type: 'changed' })
        await this.#refreshing
        await this.refresh()
        return true
      }
      attempts += answer === 'recovering' ? RECOVERY_COST : 1
      await this.#pause(answer === 'recovering' ? ATTEMPTS_MAX : attempts)
    }
    throw skerryError('CLUSTER_CONTENDED', ATTEMPTS_MAX)
  }

  async #catchUp(): Promise<Head> {
    let head = await this.#registry.head()
    const { run, version } = this.#view
    if (head.run !== run && head.recovering && head.version < version) {
      const members = [...this.#view.members.values()]
      const snapshot = { ...this.#view, run: head.run, members, faults: [] }
      await this.#registry.restore(snapshot)
      head = await this.#registry.head()
    }
    if (head.run !== run || head.version !== version) await this.#follow(head.run === run)
    this.#head = head
    return head
  }

  async #follow(sameRun: boolean): Promise<void> {
    const { run, version } = this.#view
    const changes = sameRun ? await this.#registry.changesAfter(run, version) : undefined
    if (changes) {
      for (const change of changes) this.#show(advance(this.#view, change))
      return
    }
    const snapshot = await this.#registry.read()
    this.#reportFaults(snapshot.faults)
    this.#show(viewOf(snapshot))
  }

  #show(view: View): void {
    const before = this.#view
    this.#view = view
    this.#onView(view)
    for (const event of eventsBetween(before, view)) this.#onEvent(event)
  }

  #reportFaults(faults: readonly Error[]): void {
    const before = this.#faults
    this.#faults = new Set(faults.map(({ message }) => message))
    for (const error of faults) {
      if (!before.has(error.message)) this.#onEvent({ type: 'error', nodeId: '', error })
    }
  }

  async #pause(attempts: number): Promise<void> {
    const delayMs = Math.min(BACKOFF_MAX_MS, 2 ** attempts) * this.#env.random()
    await new Promise<void>((resolve) => void this.#env.setTimer(delayMs, resolve))
  }
}
