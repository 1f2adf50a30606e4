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

  /**
   * Has requests handled, and follows each until its answer has gone out, or nobody waits for it any more. Most are
   * answered at once: that costs them neither a listener nor a hook.
   */
  following(handle: RequestListener): RequestListener {
    return (request, response) => {
      const startMs = this.#env.monotonicMs()
      handle(request, response)
      if (isOut(response)) this.#answered(request, response, this.#env.monotonicMs() - startMs)
      else this.#follow(request, response, startMs)
    }
  }

  /** Resolves when no request is in flight. */
  settled(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #follow(request: IncomingMessage, response: ServerResponse, startMs: number): void {
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

/** True if the whole answer was handed to the operating system. */
function isOut({ writableEnded, socket }: ServerResponse): boolean {
  return writableEnded && socket?.writableLength === 0
}
