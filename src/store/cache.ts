/** A cache of bounded size that drops what was used longest ago. */
export class LruCache<Value> {
  readonly #maxSize: number
  readonly #items = new Map<string, { value: Value; size: number }>()
  #size = 0

  /** @param maxSize the most that the sizes of all items may add up to */
  constructor(maxSize: number) {
    this.#maxSize = maxSize
  }

  get(key: string): Value | undefined {
    const item = this.#items.get(key)
    if (item === undefined) return undefined
    this.#items.delete(key)
    this.#items.set(key, item)
    return item.value
  }

  set(key: string, value: Value, size: number): void {
    this.delete(key)
    this.#items.set(key, { value, size })
    this.#size += size
    for (const [oldest] of this.#items) {
      if (this.#size <= this.#maxSize) return
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const item = this.#items.get(key)
    if (item === undefined) return
    this.#items.delete(key)
    this.#size -= item.size
  }
}
