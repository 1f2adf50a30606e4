import { messageOf, skerryErrorFrom } from '../core/errors.ts'

/** What a hook that failed was. */
export interface HookFailure {
  /** Such as `write` or `onChange`. */
  readonly hook: string
  readonly path: string
  readonly error: unknown
}

/** Runs the functions of filters; what they throw concerns one request and nobody else. */
export class Hooks {
  readonly #report: (failure: HookFailure) => void

  constructor(report: (failure: HookFailure) => void) {
    this.#report = report
  }

  /**
   * Asks a hook that decides about a request.
   * @throws SKERRY_FILTER_REFUSED if it throws
   */
  ask<T>(hook: string, path: string, run: () => T): T {
    try {
      const answer = run()
      if (isPromise(answer)) {
        answer.catch(() => undefined)
        throw new TypeError('it returned a promise, and must answer at once')
      }
      return answer
    } catch (error) {
      throw this.#refusal(hook, path, error)
    }
  }

  /**
   * The same for a hook that may take its time.
   * @throws SKERRY_FILTER_REFUSED
   */
  async wait(hook: string, path: string, run: () => unknown): Promise<void> {
    try {
      await run()
    } catch (error) {
      throw this.#refusal(hook, path, error)
    }
  }

  /** Tells a hook of what is done already: whatever it throws is only logged. */
  tell(hook: string, path: string, run: () => unknown): void {
    try {
      const answer = run()
      if (isPromise(answer)) {
        answer.catch((error: unknown) => this.#report({ hook, path, error }))
      }
    } catch (error) {
      this.#report({ hook, path, error })
    }
  }

  #refusal(hook: string, path: string, error: unknown): Error {
    this.#report({ hook, path, error })
    return skerryErrorFrom(error, 'FILTER_REFUSED', hook, path, messageOf(error))
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise
}
