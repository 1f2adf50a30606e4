/**
 * A cache of bounded size that drops what has not been used for long: what is used moves to a young
 * generation, and once that holds half of the bound, the old one is dropped and it takes its place.
 *
 * A single map in order of use would drop the very oldest, but finding it costs a Map's iterator a walk
 * over all it has deleted.
 */
export class GenerationCache<Value> {
  readonly #halfSize: number
  #young = new Map<string, Item<Value>>()
  #old = new Map<string, Item<Value>>()
  #youngSize = 0

  /** @param maxSize the most that the sizes of all items may add up to */
  constructor(maxSize: number) {
    this.#halfSize = maxSize / 2
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young.value
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old.value, old.size)
    return old?.value
  }

  /** Takes the value in, unless it alone would fill half of the cache. */
  set(key: string, value: Value, size: number): void {
    const young = this.#young.get(key)
    if (young !== undefined && this.#youngSize + size - young.size <= this.#halfSize) {
      this.#youngSize += size - young.size
      young.value = value
      young.size = size
      return
    }
    this.delete(key)
    if (size > this.#halfSize) return
    if (this.#youngSize + size > this.#halfSize) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngSize = 0
    }
    this.#young.set(key, { value, size })
    this.#youngSize += size
  }

  delete(key: string): void {
    this.#youngSize -= this.#young.get(key)?.size ?? 0
    this.#young.delete(key)
    this.#old.delete(key)
  }

  /** How many items it holds. */
  get count(): number {
    return this.#young.size + this.#old.size
  }
}

interface Item<Value> {
  value: Value
  size: number
}
