/** The deletes that clients and operators asked for: no node deletes anything else. */
export class Asked {
  /** How many are not told of yet: by the node's name, and the path. */
  readonly #deletes = new Map<string, Map<string, number>>()
  /** Paths on which an operator decided, which may be to delete. */
  readonly #decided = new Set<string>()

  /** A client of the node asked for a delete, which is about to be done. */
  delete(node: string, path: string): void {
    let deletes = this.#deletes.get(node)
    if (deletes === undefined) this.#deletes.set(node, (deletes = new Map<string, number>()))
    deletes.set(path, (deletes.get(path) ?? 0) + 1)
  }

  /** An operator decided on the path, here or elsewhere. */
  decided(path: string): void {
    this.#decided.add(path)
  }

  /** The node has deleted the path; false if nobody asked it to. */
  done(node: string, path: string): boolean {
    if (this.#decided.has(path)) return true
    const deletes = this.#deletes.get(node)
    const asked = deletes?.get(path)
    if (asked === undefined) return false
    if (asked === 1) deletes!.delete(path)
    else deletes!.set(path, asked - 1)
    return true
  }

  /** A run of the node is over: what it was asked for and has not done by now it won't do. */
  ended(node: string): void {
    this.#deletes.delete(node)
  }
}
