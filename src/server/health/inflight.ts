import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Env } from '../../core/env.ts'

/** Is told of an answer that has gone out, and how long after its request's head. */
export type Answered = (
  request: IncomingMessage,
  response: ServerResponse,
  elapsedMs: number,
) => void

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

  /** Has requests handled, and follows each until its answer has gone out, or nobody waits for it any more. */
  following(handle: RequestListener): RequestListener {
    return (request, response) => {
      this.#follow(request, response)
      handle(request, response)
    }
  }

  /** Resolves when no request is in flight. */
  settled(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #follow(request: IncomingMessage, response: ServerResponse): void {
    const startMs = this.#env.monotonicMs()
    this.#count++
    // It comes once, after the last byte was handed over as well as when the other side has gone.
    response.on('close', () => {
      if (response.writableFinished) {
        this.#answered(request, response, this.#env.monotonicMs() - startMs)
      }
      this.#count--
      if (this.#count === 0) for (const resolve of this.#waiting.splice(0)) resolve()
    })
  }
}
