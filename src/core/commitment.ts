/** On how many nodes a write must be durable: one, more than half, or all that share its path. */
export type CommitLevel = 'ONE' | 'QUORUM' | 'ALL'

/** All commit levels. */
export const COMMIT_LEVELS: readonly CommitLevel[] = ['ONE', 'QUORUM', 'ALL']

/** How far a write is to have come before it is answered. */
export interface CommitAsked {
  readonly level: CommitLevel
  /** How long to wait for that. */
  readonly timeoutMs: number
}

/** Who has a write durably, or a newer one of its path. */
export interface Commitment {
  /** True if enough nodes have it. */
  readonly reached: boolean
  /** Ids of nodes that have it. */
  readonly committed: readonly string[]
  /** Nodes that count and are not known to have it: their ids, or the address of one that was never reached. */
  readonly missing: readonly string[]
}

/** A place among the writes that wait for other nodes, taken before anything is written. */
export interface CommitPlace {
  /**
   * Waits until enough nodes have these changes, or time runs out. Never rejects.
   * @param changes the number of the change at each path written
   */
  wait(changes: ReadonlyMap<string, number>): Promise<Commitment>
  /** Gives the place up, because nothing was written. */
  release(): void
}

/** Who knows which nodes have a write. */
export interface Committer {
  /** @throws SKERRY_COMMITS_TOO_MANY if no further write can wait */
  reserve(asked: CommitAsked): Promise<CommitPlace>
}

/** How many of `nodes` a level asks for. At least one, also where no node counts: then nothing is enough. */
export function neededFor(level: CommitLevel, nodes: number): number {
  if (level === 'ONE') return 1
  return level === 'QUORUM' ? Math.floor(nodes / 2) + 1 : Math.max(1, nodes)
}
