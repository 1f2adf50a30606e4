import { type CommitAsked, type Commitment, neededFor } from '../core/commitment.ts'
import type { CancelTimer, Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'

/** The most writes that wait for other nodes at the same time. */
export const MAX_WAITING_COMMITS = 10_000

/** Changes of one write whose paths the same nodes share. */
export interface CommitGroup {
  /** The nodes that count. */
  readonly nodes: readonly string[]
  /** The number of the change at each path. */
  readonly changes: ReadonlyMap<string, number>
}

/** A group as it is counted. */
interface Counted extends CommitGroup {
  /** The highest number of its changes. */
  readonly seq: number
  readonly had: Set<string>
}

interface Waiting extends CommitAsked {
  readonly groups: readonly Counted[]
  readonly resolve: (commitment: Commitment) => void
  readonly cancel: CancelTimer
}

/** True if the node has all these changes, `seq` being the highest number of them, or newer ones of their paths. */
export type Has = (nodeId: string, changes: ReadonlyMap<string, number>, seq: number) => boolean

/**
 * Counts for each write that waits who has it by now. It knows nothing of links: it is told that a node may
 * have come further, and asks of it.
 */
export class Commits {
  readonly #env: Env
  readonly #has: Has
  readonly #waiting = new Set<Waiting>()
  #reserved = 0
  #stopped = false

  constructor(env: Env, has: Has) {
    this.#env = env
    this.#has = has
  }

  /** How many writes wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Takes a place for a write that is to wait.
   * @returns what gives it up
   * @throws SKERRY_COMMITS_TOO_MANY if no further write can wait
   */
  reserve(): () => void {
    if (this.#reserved >= MAX_WAITING_COMMITS) {
      throw skerryError('COMMITS_TOO_MANY', MAX_WAITING_COMMITS)
    }
    this.#reserved++
    let held = true
    return () => {
      if (held) this.#reserved--
      held = false
    }
  }

  /** Resolves once enough nodes have it, time has run out, or it can't be reached at all. */
  wait({ level, timeoutMs }: CommitAsked, groups: readonly CommitGroup[]): Promise<Commitment> {
    return new Promise((resolve) => {
      const cancel = this.#env.setTimer(timeoutMs, () => this.#answer(waiting))
      const waiting: Waiting = { level, timeoutMs, groups: groups.map(counted), resolve, cancel }
      this.#waiting.add(waiting)
      for (const group of waiting.groups) for (const node of group.nodes) this.#look(group, node)
      if (this.#stopped || !isReachable(waiting)) this.#answer(waiting)
      else this.#answerIfReached(waiting)
    })
  }

  /** The node has acknowledged more. */
  progressed(nodeId: string): void {
    for (const waiting of this.#waiting) {
      for (const group of waiting.groups) {
        if (group.nodes.includes(nodeId)) this.#look(group, nodeId)
      }
      this.#answerIfReached(waiting)
    }
  }

  /** Answers all that still wait, as things stand; none waits from now on. */
  stop(): void {
    this.#stopped = true
    for (const waiting of this.#waiting) this.#answer(waiting)
  }

  #look({ changes, seq, had }: Counted, nodeId: string): void {
    if (!had.has(nodeId) && this.#has(nodeId, changes, seq)) had.add(nodeId)
  }

  #answerIfReached(waiting: Waiting): void {
    if (isReached(waiting)) this.#answer(waiting)
  }

  #answer(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return
    waiting.cancel()
    const { groups } = waiting
    const missing = new Set(
      groups.flatMap(({ nodes, had }) => nodes.filter((node) => !had.has(node))),
    )
    const nodes = new Set(groups.flatMap((group) => group.nodes))
    const committed = [...nodes].filter((node) => !missing.has(node))
    waiting.resolve({ reached: isReached(waiting), committed, missing: [...missing] })
  }
}

function counted(group: CommitGroup): Counted {
  let seq = 0
  for (const number of group.changes.values()) seq = Math.max(seq, number)
  return { ...group, seq, had: new Set() }
}

function isReached({ level, groups }: Waiting): boolean {
  return groups.every(({ nodes, had }) => had.size >= neededFor(level, nodes.length))
}

/** False if fewer nodes count than the level asks for, so that waiting is in vain. */
function isReachable({ level, groups }: Waiting): boolean {
  return groups.every(({ nodes }) => nodes.length >= neededFor(level, nodes.length))
}
