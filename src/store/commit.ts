import { messageOf, skerryError, skerryErrorFrom } from '../core/errors.ts'
import type { Group } from './group.ts'

/** The most requests that wait for the disk; more are refused. */
const MAX_QUEUED = 100_000

/** The most requests, and characters of paths and data, that one sync makes durable together. */
const MAX_GROUP = 1024
const MAX_GROUP_CHARACTERS = 16 * 1024 * 1024

interface Request {
  readonly run: (group: Group) => unknown
  readonly resolve: (result: never) => void
  readonly reject: (error: unknown) => void
}

interface Accepted {
  readonly request: Request
  readonly result: unknown
}

/** What the queue needs of its store. */
export interface CommitTarget {
  /** An empty group on top of what is durable. */
  begin(): Group
  /** Makes the group durable, in one atomic step, and then shows it to readers and listeners. */
  commit(group: Group): Promise<void>
}

/**
 * Group commit: while one group is on its way to the disk, further requests gather for the next, so
 * that many writers share the cost of one sync.
 */
export class CommitQueue {
  readonly #target: CommitTarget
  #waiting: Request[] = []
  #draining: Promise<void> | undefined
  #closed = false

  constructor(target: CommitTarget) {
    this.#target = target
  }

  /**
   * Runs a request as part of the next group; resolves to its result once the group is durable.
   * @throws SKERRY_STORE_CLOSED, SKERRY_STORE_BUSY, SKERRY_WRITE_FAILED, or what the request throws
   */
  submit<T>(run: (group: Group) => T): Promise<T> {
    if (this.#closed) return Promise.reject(skerryError('STORE_CLOSED'))
    if (this.#waiting.length >= MAX_QUEUED) return Promise.reject(skerryError('STORE_BUSY'))
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run, resolve, reject })
      this.#draining ??= this.#drain()
    })
  }

  /** Refuses further requests and finishes those that wait. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#draining
  }

  async #drain(): Promise<void> {
    // Requests made in the same turn as the first one share its group.
    await Promise.resolve()
    while (this.#waiting.length > 0) await this.#commit()
    this.#draining = undefined
  }

  async #commit(): Promise<void> {
    const group = this.#target.begin()
    const accepted = this.#gather(group)
    try {
      if (!group.isEmpty) await this.#target.commit(group)
    } catch (error) {
      const failure = skerryErrorFrom(error, 'WRITE_FAILED', messageOf(error))
      for (const { request } of accepted) request.reject(failure)
      return
    }
    for (const { request, result } of accepted) request.resolve(result as never)
  }

  /** Runs the requests that wait, as many as a group may hold; those that throw are answered. */
  #gather(group: Group): Accepted[] {
    const accepted: Accepted[] = []
    let taken = 0
    for (const request of this.#waiting) {
      if (taken === MAX_GROUP || group.characters >= MAX_GROUP_CHARACTERS) break
      taken++
      try {
        accepted.push({ request, result: group.attempt(request.run) })
      } catch (error) {
        request.reject(error)
      }
    }
    if (taken === this.#waiting.length) this.#waiting = []
    else this.#waiting.splice(0, taken)
    return accepted
  }
}
