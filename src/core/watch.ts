/** What a {@link Watch} looks at. */
export interface Watched<E extends Error = Error> {
  readonly value: unknown
  readonly live: boolean
  readonly failure: E | undefined
  /** True once nothing comes any more. */
  readonly ended: boolean
  /** Calls back after each change of one of the above. Returns how to stop that. */
  subscribe(listener: () => void): () => void
}

/**
 * A path or glob as it is now, and whenever it changes.
 *
 * As an async iterator it gives the newest value each time it is asked, and leaves out what came in between: a slow
 * reader costs no memory. Leaving the loop ends the watch, and the end of the watch, or of what it looks at, ends
 * the loop.
 *
 * @example
 * const watch = client.watch<User>('users/*')
 * for await (const users of watch) console.log(users.length)
 */
export class Watch<V, E extends Error = Error> implements AsyncIterable<V> {
  readonly #watched: Watched<E>
  readonly #ended: () => void
  readonly #stops = new Set<() => void>()
  #closed = false

  /** @param ended called once, when it is closed */
  constructor(watched: Watched<E>, ended: () => void) {
    this.#watched = watched
    this.#ended = ended
  }

  /** The newest value: a list for a glob, else an entry, or null where nothing is stored; undefined before it is known. */
  get value(): V | undefined {
    return this.#watched.value as V | undefined
  }

  /** True while the value is in step with the node; false while it is what was last known. */
  get live(): boolean {
    return this.#watched.live
  }

  /** Why the node does not show it, such as for want of rights; undefined if it does. */
  get failure(): E | undefined {
    return this.#watched.failure
  }

  /**
   * Calls back with each new value, and at once if there is one. Returns how to stop that.
   * @param failed called if the node does not show it
   */
  subscribe(listener: (value: V) => void, failed?: (error: E) => void): () => void {
    let seen: unknown
    const tell = (): void => {
      const { value, failure } = this.#watched
      if (failure !== undefined) failed?.(failure)
      else if (value !== undefined && value !== seen) listener((seen = value) as V)
    }
    const stop = this.listen(tell)
    tell()
    return stop
  }

  /** Calls back after each change, without the value, and not at once; for stores such as React's. */
  listen(listener: () => void): () => void {
    if (this.#closed) return () => undefined
    const unsubscribe = this.#watched.subscribe(listener)
    const stop = (): void => {
      unsubscribe()
      this.#stops.delete(stop)
    }
    this.#stops.add(stop)
    return stop
  }

  /** Ends it. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const stop of this.#stops) stop()
    this.#ended()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<V, void> {
    let seen: unknown
    let wake: () => void = () => undefined
    const stop = this.listen(() => wake())
    this.#stops.add(() => wake())
    try {
      while (!this.#closed) {
        const { value, failure, ended } = this.#watched
        if (failure !== undefined) throw failure
        if (value !== undefined && value !== seen) yield (seen = value) as V
        else if (ended) return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      stop()
      this.close()
    }
  }
}
