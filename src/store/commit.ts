import { messageOf, skerryError, skerryErrorFrom } from '../core/errors.ts'
import type { Group } from './group.ts'

/** The most requests that wait for the disk; more are refused. */
const MAX_QUEUED = 100_000

/** The most requests that one sync to the disk makes durable together. */
const MAX_GROUP = 1024

interface Request {
  readonly run: (group: Group) => unknown
  readonly resolve: (result: never) => void
  readonly reject: (error: unknown) => void
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
    while (this.#waiting.length > 0) {
      const requests = this.#waiting.splice(0, MAX_GROUP)
      await this.#commit(requests)
    }
    this.#draining = undefined
  }

  async #commit(requests: readonly Request[]): Promise<void> {
    const group = this.#target.begin()
    const settled: (() => void)[] = []
    const accepted: Request[] = []
    for (const request of requests) {
      try {
        const result = group.attempt(request.run)
        settled.push(() => request.resolve(result as never))
        accepted.push(request)
      } catch (error) {
        request.reject(error)
      }
    }
    try {
      if (!group.isEmpty) await this.#target.commit(group)
    } catch (error) {
      const failure = skerryErrorFrom(error, 'WRITE_FAILED', messageOf(error))
      for (const request of accepted) request.reject(failure)
      return
    }
    for (const settle of settled) settle()
  }
}
