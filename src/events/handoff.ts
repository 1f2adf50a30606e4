import type { Env } from '../core/env.ts'
import type { Hint, Hints } from './hints.ts'
import { wallMs } from './key.ts'
import { isConflict } from './attempt.ts'

/** What handing over needs of the coordinator. */
export interface HandoffHost {
  readonly env: Env
  readonly hints: Hints
  readonly hintWindowMs: number
  readonly hintsPerSecond: number
  /** Carries a kept copy to the node it was kept for. */
  deliver(target: string, hint: Hint): Promise<void>
  /** The node has the event now. */
  delivered(target: string, keys: readonly string[]): Promise<void>
  /** The hint is older than the window. */
  expired(target: string, hint: Hint): Promise<void>
  /** The node holds another event under that key. */
  refused(target: string, hint: Hint): Promise<void>
  isClosed(): boolean
}

/** Hints handed over at a time; after each page the throttle has its say. */
const PAGE = 64

/**
 * Hands kept copies over to peers that are back: page by page, and no faster than the throttle
 * allows. What was handed over is forgotten page by page too, so an interruption costs at most
 * one page over again, and over again is harmless: same key, same event.
 *
 * After Cassandra's HintsDispatcher.
 */
export class Handoff {
  readonly #host: HandoffHost
  readonly #running = new Map<string, Promise<number>>()

  constructor(host: HandoffHost) {
    this.#host = host
  }

  /** Hands over everything kept for `target`, until it fails. @returns how many copies it took */
  run(target: string): Promise<number> {
    const running = this.#running.get(target)
    if (running) return running
    const started = this.#drain(target).finally(() => this.#running.delete(target))
    this.#running.set(target, started)
    return started
  }

  /** Fulfilled once nothing is being handed over. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values())
  }

  async #drain(target: string): Promise<number> {
    const { hints, env, hintsPerSecond } = this.#host
    let taken = 0
    let after: string | undefined
    while (!this.#host.isClosed()) {
      const page = await hints.page(target, after, PAGE)
      const last = page.at(-1)
      if (!last) break
      const { keys, failed } = await this.#deliver(target, page)
      taken += keys.length
      if (keys.length > 0) {
        await hints.remove(target, keys)
        await this.#host.delivered(target, keys)
      }
      if (failed || page.length < PAGE) break
      after = last.key
      const pauseMs = (page.length * 1_000) / hintsPerSecond
      await new Promise<void>((resolve) => env.setTimer(pauseMs, resolve))
    }
    return taken
  }

  async #deliver(target: string, page: readonly Hint[]) {
    const nowMs = wallMs(this.#host.env)
    const keys: string[] = []
    let failed = false
    await Promise.all(
      page.map(async (hint) => {
        if (nowMs - hint.sinceMs > this.#host.hintWindowMs) {
          await this.#host.expired(target, hint)
          return
        }
        try {
          await this.#host.deliver(target, hint)
          keys.push(hint.key)
        } catch (error) {
          if (isConflict(error)) await this.#host.refused(target, hint)
          else failed = true
        }
      }),
    )
    return { keys, failed }
  }
}
