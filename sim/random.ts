/**
 * A small seeded random generator: sfc32 by Chris Doty-Humphrey (of PractRand), 128 bits of state, seeded
 * through splitmix32. Fast, passes the statistical tests, and the same on every machine.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    const next = splitMix32(seed)
    this.#a = next()
    this.#b = next()
    this.#c = next()
    for (let i = 0; i < 12; i++) this.next()
  }

  /** At least 0 and less than 1, in steps of 2^-32. */
  next(): number {
    return this.#word() / 0x1_0000_0000
  }

  /** A whole number, at least 0 and less than `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** Between the ends of the range. */
  within([low, high]: readonly [low: number, high: number]): number {
    return low + this.next() * (high - low)
  }

  /** True with the given probability; draws nothing if that is 0. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** A generator of its own: what it is asked for does not shift what this one yields. */
  fork(): Random {
    return new Random(this.#word())
  }

  #word(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }
}

/** Spreads a seed over as many words as are asked for, so that neighbouring seeds share nothing. */
function splitMix32(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let word = state ^ (state >>> 16)
    word = Math.imul(word, 0x21f0aaad)
    word ^= word >>> 15
    word = Math.imul(word, 0x735a2d97)
    return (word ^ (word >>> 15)) >>> 0
  }
}
