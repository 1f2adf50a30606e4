import type { ServerResponse } from 'node:http'

/** Counts the requests that are not answered yet, so that a stop can wait for them. */
export class InFlight {
  #count = 0
  #waiting: (() => void)[] = []

  /** Follows a request until its answer has gone out, or nobody waits for it any more. */
  follow(response: ServerResponse): void {
    this.#count++
    // It comes once, after the last byte was handed over as well as when the other side has gone.
    response.on('close', () => {
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
