import type { ListedEntry, Listing } from './listing.ts'

/** A write that a node has acknowledged. */
export interface Write {
  readonly path: string
  /** The node that took it. */
  readonly by: string
  readonly kind: 'created' | 'edited' | 'deleted'
  /**
   * When it was stamped, in nanoseconds: not before the first and not after the second. A value
   * shows its stamp, so both are the same; a deletion leaves nothing to show it.
   */
  readonly stamp: readonly [bigint, bigint]
  /** The value as JSON; undefined in a deletion. */
  readonly data?: string
}

/** What became of the writes to one path. */
export interface Outcome {
  readonly path: string
  /**
   * The newest write, which every node shows; none if some node shows anything else. Deletions made
   * at the same time are one outcome.
   */
  readonly standing: readonly Write[]
  readonly overruled: readonly Write[]
}

/** Every acknowledged write of the demo, and what must come of them: per path, the newest stands. */
export class Journal {
  readonly #writes = new Map<string, Write[]>()
  #size = 0

  /** How many writes were acknowledged. */
  get size(): number {
    return this.#size
  }

  add(write: Write): void {
    const before = this.#writes.get(write.path) ?? []
    this.#writes.set(write.path, [...before, write])
    this.#size++
  }

  /** What became of each path, according to what the nodes show. */
  outcomes(listings: readonly Listing[]): Outcome[] {
    return Array.from(this.#writes, ([path, writes]) => {
      const standing = newest(writes).filter((write) =>
        listings.every(({ entries }) => shows(entries.get(path), write)),
      )
      return { path, standing, overruled: writes.filter((write) => !standing.includes(write)) }
    })
  }

  /** Paths that a node shows although nobody wrote them. */
  unknown(listings: readonly Listing[]): string[] {
    return listings.flatMap(({ entries }) =>
      [...entries.keys()].filter((path) => !this.#writes.has(path)),
    )
  }
}

/** The newest write; more than one only if their stamps can't be told apart. */
function newest(writes: readonly Write[]): Write[] {
  const latest = writes.map(({ stamp: [from] }) => from).reduce((a, b) => (a > b ? a : b))
  return writes.filter(({ stamp: [, to] }) => to >= latest)
}

function shows(entry: ListedEntry | undefined, { data, stamp: [stamp] }: Write): boolean {
  if (data === undefined || entry === undefined) return data === undefined && entry === undefined
  return entry.stamp === stamp && JSON.stringify(entry.data) === data
}
