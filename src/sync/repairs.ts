import type { Hash } from '../core/entry.ts'
import type { CancelTimer, Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import type { DigestScope } from '../store/digest.ts'
import type { HashedEntry, Store } from '../store/store.ts'
import { answerCompare, answerItems } from './answers.ts'
import type { Compare, Compared, Entries, Items, Message, Push, Pushed } from './messages.ts'
import { type Brought, Repair, type RepairLink } from './repair.ts'
import { Requests } from './requests.ts'

/** How far the repair of a shared key has come, in entries. */
export interface RepairProgress {
  readonly key: string
  readonly done: number
  readonly total: number
}

/** What the repairs of a link need of its session. */
export interface RepairsSession {
  readonly store: Store
  readonly env: Env
  readonly keys: readonly string[]
  readonly intervalMs: number
  send(message: Message): void
  failed(error: unknown): void
  /** Merges what a repair brought. */
  merge(brought: Brought, key: string): Promise<void>
  /** True of a tombstone that the peer has acknowledged. */
  isSettled(hashed: HashedEntry, key: string): boolean
  /** Both sides hold the same under the key. */
  repaired(key: string): Promise<void>
}

/** The repairs of one link, of whichever side drives them. */
export class Repairs {
  readonly #session: RepairsSession
  readonly #requests: Requests
  /** Keys whose two sides may differ in what no stream will carry. */
  readonly #open = new Set<string>()
  /** Keys whose repair is under way. */
  readonly #active = new Set<string>()
  #progress: RepairProgress | undefined
  #cancel: CancelTimer = () => undefined
  #closed = false

  constructor(session: RepairsSession) {
    this.#session = session
    this.#requests = new Requests((message) => session.send(message))
  }

  /** Keys that both sides have yet to agree on. */
  get open(): ReadonlySet<string> {
    return this.#open
  }

  /** True if no repair is under way, so that nothing read for one is on its way. */
  get idle(): boolean {
    return this.#active.size === 0
  }

  get progress(): RepairProgress | undefined {
    return this.#progress
  }

  /** The key is to be repaired before it counts as in step. */
  need(key: string): void {
    this.#open.add(key)
  }

  /** Drives the repair of the keys that need it, and of all keys again after a while. */
  drive(): void {
    this.#drive([...this.#open])
  }

  close(reason: string): void {
    this.#closed = true
    this.#cancel()
    this.#requests.close(skerryError('LINK_CLOSED', reason))
  }

  /** What the peer answers to this side's questions. */
  answered(answer: Compared | Entries | Pushed): void {
    this.#requests.answered(answer)
  }

  compare(message: Compare, key: string): Promise<Message> {
    this.#active.add(key)
    return answerCompare(this.#session.store, key, message)
  }

  items(message: Items, key: string): Promise<Message> {
    const hash: Hash = this.#session.env.hash
    const isSettled = (hashed: HashedEntry): boolean => this.#session.isSettled(hashed, key)
    return answerItems(this.#session.store, key, message, { hash, isSettled })
  }

  async push(message: Push, key: string): Promise<Message> {
    await this.#session.merge(message, key)
    return { kind: 'pushed', id: message.id }
  }

  /** A repair of the key is done, on this side and the other. */
  async done(key: string): Promise<void> {
    this.#active.delete(key)
    await this.#session.repaired(key)
    this.#open.delete(key)
  }

  #drive(keys: readonly string[]): void {
    this.#driveAll(keys)
      .then(() => {
        if (this.#closed) return
        const { env, intervalMs } = this.#session
        const delayMs = intervalMs * (0.5 + env.random())
        this.#cancel = env.setTimer(delayMs, () => this.#drive(this.#session.keys))
      })
      .catch((error: unknown) => this.#session.failed(error))
  }

  async #driveAll(keys: readonly string[]): Promise<void> {
    const { store, env } = this.#session
    for (const key of keys) {
      // Once the streams carry tombstones, those that one side has collected are no difference.
      const scope: DigestScope = this.#open.has(key) ? 'all' : 'live'
      const shared = { key, index: this.#session.keys.indexOf(key), scope }
      this.#active.add(key)
      await new Repair(store, this.#repairLink(key), env.hash, shared).run()
      this.#progress = undefined
      this.#session.send({ kind: 'repaired', key: shared.index })
      await this.done(key)
    }
  }

  #repairLink(key: string): RepairLink {
    return {
      compare: (question) =>
        this.#requests.ask('compared', (id) => ({ ...question, kind: 'compare', id })),
      items: (question) =>
        this.#requests.ask('entries', (id) => ({ ...question, kind: 'items', id })),
      push: (question) => this.#requests.ask('pushed', (id) => ({ ...question, kind: 'push', id })),
      merge: (brought) => this.#session.merge(brought, key),
      isSettled: (hashed) => this.#session.isSettled(hashed, key),
      progress: (done, total) => (this.#progress = { key, done, total }),
    }
  }
}
