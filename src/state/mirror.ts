import { Copy } from '../core/copy.ts'
import { skerryError, type SkerryError } from '../core/errors.ts'
import { membersIn } from '../core/json.ts'
import type { Value } from '../core/value.ts'
import type { Watched } from '../core/watch.ts'
import type { EndReason, Frame } from './subscription.ts'

/** Is told of what a listener threw. */
export type ListenerFailed = (pattern: string, error: unknown) => void

/**
 * What a path or glob holds, as plain values, for all who watch it in this process. It takes each frame at once and
 * keeps the newest value only, so nothing ever waits in it, however slow its watchers are.
 */
export class Mirror implements Watched<SkerryError> {
  readonly pattern: string
  /** How many watches look at it. */
  watches = 0
  readonly #copy: Copy
  readonly #listenerFailed: ListenerFailed
  readonly #listeners = new Set<() => void>()
  #failure: SkerryError | undefined
  #ended = false

  constructor(pattern: string, listenerFailed: ListenerFailed) {
    this.pattern = pattern
    this.#copy = new Copy(pattern)
    this.#listenerFailed = listenerFailed
  }

  get value(): Value | undefined {
    return this.#copy.held?.value
  }

  get live(): boolean {
    return this.#copy.held !== undefined && !this.#ended
  }

  get failure(): SkerryError | undefined {
    return this.#failure
  }

  get ended(): boolean {
    return this.#ended
  }

  subscribe(listener: () => void): () => void {
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  take({ text }: Frame): void {
    this.#copy.take(membersIn(text))
    this.#tell()
  }

  /** Nothing comes any more. */
  end(reason: EndReason): void {
    this.#ended = true
    if (reason !== 'stopped') this.#failure = skerryError('WATCH_FAILED', this.pattern)
    this.#tell()
  }

  /** A listener that throws harms neither the write that it is told of nor the others. */
  #tell(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener()
      } catch (error) {
        this.#listenerFailed(this.pattern, error)
      }
    }
  }
}
