import type { CancelTimer, Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'

/** On how many nodes a write must be durable: this one, more than half, or all that share its path. */
export type CommitLevel = 'ONE' | 'QUORUM' | 'ALL'

/** All commit levels. */
export const COMMIT_LEVELS: readonly CommitLevel[] = ['ONE', 'QUORUM', 'ALL']

/** The most writes that wait for other nodes at the same time. */
export const MAX_WAITING_COMMITS = 10_000

/** Who has a write durably, or a newer one of its path. */
export interface Commitment {
  /** True if enough nodes have it. */
  readonly reached: boolean
  readonly committed: readonly string[]
  readonly missing: readonly string[]
}

/** A write as its commit is counted. */
export interface CommitAsked {
  readonly path: string
  readonly seq: number
  /** The nodes that count, this one among them. */
  readonly nodes: readonly string[]
  readonly level: CommitLevel
  readonly timeoutMs: number
}

interface Waiting extends CommitAsked {
  readonly had: Set<string>
  readonly resolve: (commitment: Commitment) => void
  readonly cancel: CancelTimer
}

/** How many of `nodes` a level asks for. */
export function neededFor(level: CommitLevel, nodes: number): number {
  if (level === 'ALL') return nodes
  return level === 'QUORUM' ? Math.floor(nodes / 2) + 1 : Math.min(1, nodes)
}

/**
 * Counts for each write that waits who has it by now. It knows nothing of links: it is told that a node may
 * have come further, and asks `has` of it.
 */
export class Commits {
  readonly #env: Env
  readonly #has: (nodeId: string, path: string, seq: number) => boolean
  readonly #waiting = new Set<Waiting>()

  /** @param has true if the node has the change of that number at the path, or a newer one */
  constructor(env: Env, has: (nodeId: string, path: string, seq: number) => boolean) {
    this.#env = env
    this.#has = has
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** @throws SKERRY_COMMITS_TOO_MANY if no further write can wait */
  assertRoom(): void {
    if (this.#waiting.size >= MAX_WAITING_COMMITS) {
      throw skerryError('COMMITS_TOO_MANY', MAX_WAITING_COMMITS)
    }
  }

  /** Resolves once enough nodes have it, or time has run out. */
  wait(asked: CommitAsked): Promise<Commitment> {
    return new Promise((resolve) => {
      const cancel = this.#env.setTimer(asked.timeoutMs, () => this.#answer(waiting))
      const waiting: Waiting = { ...asked, had: new Set(), resolve, cancel }
      this.#waiting.add(waiting)
      for (const node of asked.nodes) this.#look(waiting, node)
      this.#answerIfReached(waiting)
    })
  }

  /** The node has acknowledged more. */
  progressed(nodeId: string): void {
    for (const waiting of this.#waiting) {
      if (!waiting.nodes.includes(nodeId)) continue
      this.#look(waiting, nodeId)
      this.#answerIfReached(waiting)
    }
  }

  /** Answers all that still wait, as things stand. */
  stop(): void {
    for (const waiting of this.#waiting) this.#answer(waiting)
  }

  #look({ path, seq, had }: Waiting, nodeId: string): void {
    if (!had.has(nodeId) && this.#has(nodeId, path, seq)) had.add(nodeId)
  }

  #answerIfReached(waiting: Waiting): void {
    if (isReached(waiting)) this.#answer(waiting)
  }

  #answer(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return
    const { nodes, had, cancel, resolve } = waiting
    cancel()
    const committed = nodes.filter((node) => had.has(node))
    const missing = nodes.filter((node) => !had.has(node))
    resolve({ reached: isReached(waiting), committed, missing })
  }
}

function isReached({ level, nodes, had }: Waiting): boolean {
  return had.size >= neededFor(level, nodes.length)
}
