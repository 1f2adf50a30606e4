/** What a peer said it has, and its own sequence number as it said so. */
interface Said {
  readonly upTo: number
  readonly seq: number
}

/**
 * When an acknowledgement is settled: the peer has the change, and whatever older version it may have sent
 * before has arrived here. Only then may a tombstone go, or what is still on its way would undo it.
 */
export class Acknowledged {
  #latest: Said
  #waiting: Said | undefined
  #settled: number

  /** @param start up to where the peer has this store's feed as the stream begins */
  constructor(start: number) {
    this.#latest = { upTo: start, seq: 0 }
    this.#settled = start
  }

  /** Up to where the peer has made changes durable. */
  get latest(): number {
    return this.#latest.upTo
  }

  /** Up to where that is settled. */
  get settled(): number {
    return this.#settled
  }

  /** The peer has merged up to `upTo`; its own newest change is number `seq`. */
  note(upTo: number, seq: number): void {
    if (upTo >= this.#latest.upTo) this.#latest = { upTo, seq }
    this.#waiting ??= this.#latest
  }

  /** All of the peer's feed up to `merged` is durable here, and no repair is under way. */
  settle(merged: number): void {
    if (this.#waiting === undefined || this.#waiting.seq > merged) return
    this.#settled = this.#waiting.upTo
    this.#waiting = this.#latest.upTo > this.#settled ? this.#latest : undefined
    if (this.#waiting !== undefined) this.settle(merged)
  }
}
