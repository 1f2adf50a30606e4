/** The most paths of which it is remembered that the peer does not show them. */
const MAX_PATHS = 1000

/** Which of this node's changes the peer has but does not show its readers: it keeps them aside, or withholds them. */
export class NotShown {
  /** Each path with the newest change that the peer said so of; of the paths, those said last. */
  readonly #paths = new Map<string, number>()
  /** Up to this number, a path may have been dropped from the list. */
  #floor = 0

  /** The peer, having acknowledged up to `upTo`, does not show what it has at the paths. */
  note(paths: readonly string[], upTo: number): void {
    for (const path of paths) {
      this.#paths.delete(path)
      this.#paths.set(path, upTo)
      if (this.#paths.size > MAX_PATHS) this.#dropOldest()
    }
  }

  /** True if one of these changes may be among them. */
  hides(changes: ReadonlyMap<string, number>): boolean {
    for (const seq of changes.values()) if (seq <= this.#floor) return true
    for (const [path, upTo] of this.#paths) {
      const seq = changes.get(path)
      if (seq !== undefined && seq <= upTo) return true
    }
    return false
  }

  #dropOldest(): void {
    const [path, upTo] = this.#paths.entries().next().value!
    this.#paths.delete(path)
    this.#floor = Math.max(this.#floor, upTo)
  }
}
