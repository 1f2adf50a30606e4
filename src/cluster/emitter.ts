import type { Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'

/** Events that wait for one slow reader, at most. */
const BUFFER_MAX = 10_000

type Typed = { readonly type: string }
/** The members of the union `E` that may have the type `T`, narrowed to it. */
type OfType<E extends Typed, T extends E['type']> = E extends { readonly type: infer U }
  ? T extends U
    ? E & { readonly type: T }
    : never
  : never
type Listener<E> = (event: E) => void

/**
 * Typed events, by listeners or by `for await`. It has the methods of Node's `EventEmitter` (so
 * `events.once(cluster, 'died')` works), but nobody who emits ever waits for or fails through
 * somebody who listens: a listener that throws shows as an `error` event, an `error` event that
 * nobody listens to is dropped.
 */
export class Emitter<E extends Typed> {
  readonly #env: Pick<Env, 'setTimer'>
  readonly #asError: (error: unknown) => E
  readonly #listeners = new Map<string, Set<Listener<E>>>()
  readonly #readers = new Set<Reader<E>>()

  /** @param asError wraps what a listener threw. */
  constructor(env: Pick<Env, 'setTimer'>, asError: (error: unknown) => E) {
    this.#env = env
    this.#asError = asError
  }

  /** Calls `listener` with every event of the type from now on; once for each, however often added. */
  on<T extends E['type']>(type: T, listener: Listener<OfType<E, T>>): this {
    const known = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, known.add(listener as Listener<E>))
    return this
  }

  /** Calls `listener` with the next event of the type only. */
  once<T extends E['type']>(type: T, listener: Listener<OfType<E, T>>): this {
    const heard: Listener<OfType<E, T>> = (event) => {
      this.off(type, heard)
      listener(event)
    }
    return this.on(type, heard)
  }

  /** Calls `listener` no more. */
  off<T extends E['type']>(type: T, listener: Listener<OfType<E, T>>): this {
    this.#listeners.get(type)?.delete(listener as Listener<E>)
    return this
  }

  /** The same as {@link on}. */
  addListener<T extends E['type']>(type: T, listener: Listener<OfType<E, T>>): this {
    return this.on(type, listener)
  }

  /** The same as {@link off}. */
  removeListener<T extends E['type']>(type: T, listener: Listener<OfType<E, T>>): this {
    return this.off(type, listener)
  }

  /**
   * All events from now on, until the emitter closes.
   * @throws SKERRY_EVENTS_OVERRUN while reading, if more than 10,000 wait to be read
   */
  events(): AsyncIterableIterator<E> {
    const reader = new Reader<E>(() => this.#readers.delete(reader))
    this.#readers.add(reader)
    return reader
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<E> {
    return this.events()
  }

  protected emit(event: E): void {
    for (const reader of this.#readers) reader.push(event)
    for (const listener of [...(this.#listeners.get(event.type) ?? [])]) {
      try {
        listener(event)
      } catch (error) {
        // A failing error listener has nobody left to tell but the process.
        if (event.type === 'error') this.#env.setTimer(0, () => rethrow(error))
        else this.emit(this.#asError(error))
      }
    }
  }

  /** Ends every `for await`; what was emitted before is still read. */
  protected close(): void {
    for (const reader of this.#readers) reader.end()
  }
}

function rethrow(error: unknown): never {
  throw error
}

/** One `for await` over the events. */
class Reader<E> implements AsyncIterableIterator<E> {
  readonly #detach: () => void
  readonly #waiting: E[] = []
  #wake: (() => void) | undefined
  #ended = false
  #overrun = false

  constructor(detach: () => void) {
    this.#detach = detach
  }

  push(event: E): void {
    if (this.#waiting.length < BUFFER_MAX) this.#waiting.push(event)
    else this.#overrun = true
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#detach()
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<E, undefined>> {
    for (;;) {
      const event = this.#waiting.shift()
      if (event !== undefined) return { done: false, value: event }
      if (this.#overrun) {
        this.end()
        throw skerryError('EVENTS_OVERRUN', BUFFER_MAX)
      }
      if (this.#ended) return { done: true, value: undefined }
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async return(): Promise<IteratorResult<E, undefined>> {
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
