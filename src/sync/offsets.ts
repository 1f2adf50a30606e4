/** Clock offsets of the peers, theirs minus ours, in nanoseconds. */
export class ClockOffsets {
  readonly #offsets = new Map<string, bigint>()
  #leader: string | undefined

  /** Notes the offset of a peer's clock. */
  note(nodeId: string, offset: bigint, leads: boolean): void {
    this.#offsets.set(nodeId, offset)
    if (leads) this.#leader = nodeId
  }

  /**
   * By how much to correct this node's clock: the offset of its leader; else the median of its
   * peers' and its own (which is 0), so that a single bad clock among few decides nothing.
   */
  correction(): bigint {
    const leader = this.#leader === undefined ? undefined : this.#offsets.get(this.#leader)
    if (leader !== undefined) return leader
    const sorted = [...this.#offsets.values(), 0n].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    const upper = sorted[Math.floor(sorted.length / 2)]!
    const lower = sorted[Math.floor((sorted.length - 1) / 2)]!
    // Between two that disagree, the one nearer to this node's own clock.
    return magnitude(lower) <= magnitude(upper) ? lower : upper
  }
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}
