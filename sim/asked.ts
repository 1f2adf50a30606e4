/** The deletes that clients and operators asked for: no node deletes anything else. */
export class Asked {
  /** How many are not told of yet: by the node's name, and the path. */
  readonly #deletes = new Map<string, number>()
  /** Paths on which an operator decided, which may be to delete. */
  readonly #decided = new Set<string>()

  /** A client of the node asked for a delete, which is about to be done. */
  delete(node: string, path: string): void {
    const key = `${node} ${path}`
    this.#deletes.set(key, (this.#deletes.get(key) ?? 0) + 1)
  }

  /** An operator decided on the path, here or elsewhere. */
  decided(path: string): void {
    this.#decided.add(path)
  }

  /** The node has deleted the path; false if nobody asked it to. */
  done(node: string, path: string): boolean {
    if (this.#decided.has(path)) return true
    const key = `${node} ${path}`
    const asked = this.#deletes.get(key) ?? 0
    this.#deletes.set(key, asked - 1)
    return asked > 0
  }
}
