import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Env } from '../../core/env.ts'

/** Is told of an answer that has gone out, and how long after its request's head. */
export type Answered = (request: FastifyRequest, reply: FastifyReply, elapsedMs: number) => void

/** Follows the requests that are not answered yet, so that a stop can wait for them. */
export class InFlight {
  readonly #env: Env
  readonly #answered: Answered
  #count = 0
  #waiting: (() => void)[] = []

  constructor(env: Env, answered: Answered) {
    this.#env = env
    this.#answered = answered
  }

  /**
   * Follows a request until its answer has gone out, or nobody waits for it any more. One listener does for all:
   * a hook `onResponse` would have Fastify add two more to each request.
   */
  follow(request: FastifyRequest, reply: FastifyReply): void {
    this.#count++
    const startMs = this.#env.monotonicMs()
    // It comes once, after the last byte was handed over as well as when the other side has gone.
    reply.raw.on('close', () => {
      if (reply.raw.writableFinished) {
        this.#answered(request, reply, this.#env.monotonicMs() - startMs)
      }
      this.#count--
      if (this.#count === 0) for (const resolve of this.#waiting.splice(0)) resolve()
    })
  }

  /** Resolves when no request is in flight. */
  settled(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
