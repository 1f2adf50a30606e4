/**
 * The order of one client's writes: those to one path happen one after the other, as they came, and a write to a
 * glob after all before it and before all that follow. Others run side by side, and share a sync to the disk.
 */
export class TurnOrder {
  /** The last write to each path that is not over yet. */
  readonly #last = new Map<string, Promise<unknown>>()
  #barrier: Promise<unknown> = Promise.resolve()

  /** Runs a write to one path in its turn. */
  run<T>(path: string, write: () => Promise<T>): Promise<T> {
    const turn = this.#last.get(path) ?? this.#barrier
    const running = turn.then(write, write)
    this.#last.set(path, running)
    const over = (): void => {
      if (this.#last.get(path) === running) this.#last.delete(path)
    }
    running.then(over, over)
    return running
  }

  /** Runs what concerns many paths alone. */
  runAlone<T>(write: () => Promise<T>): Promise<T> {
    const running = Promise.allSettled([this.#barrier, ...this.#last.values()]).then(write)
    this.#last.clear()
    this.#barrier = running.catch(() => undefined)
    return running
  }
}
