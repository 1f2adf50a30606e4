/** How many replicas must be there before a put is acknowledged. */
export type CommitLevel = 'ONE' | 'QUORUM' | 'ALL' | 'LOCAL_QUORUM' | 'EACH_QUORUM'

/** Every commit level. */
export const COMMIT_LEVELS: readonly CommitLevel[] = [
  'ONE',
  'QUORUM',
  'ALL',
  'LOCAL_QUORUM',
  'EACH_QUORUM',
]

/** Whether a value names a commit level; levels are upper case, as alldata has them. */
export function isCommitLevel(value: unknown): value is CommitLevel {
  return (COMMIT_LEVELS as readonly unknown[]).includes(value)
}

/** The majority of `count`. */
export function quorum(count: number): number {
  return Math.floor(count / 2) + 1
}

/** What commit tracking has to know of a node. */
export interface ReplicaNode {
  readonly id: string
  /** `undefined` is the coordinator's own region. */
  readonly region: string | undefined
}

/** So many distinct nodes of those that it covers must have the event. */
export interface Requirement {
  readonly needed: number
  covers(node: ReplicaNode): boolean
}

/** The nodes that are meant to hold the replicas: the local one first. */
export type IntendedNodes = readonly [local: ReplicaNode, ...peers: ReplicaNode[]]

/**
 * What `level` asks of a placement.
 * ONE: the local store. QUORUM: ⌊RF/2⌋+1. ALL: every one of RF. LOCAL_QUORUM: a majority of the
 * replicas placed in the own region. EACH_QUORUM: a majority in every region that got replicas.
 *
 * @param replicationFactor RF, the local copy included
 */
export function requirements(
  level: CommitLevel,
  intended: IntendedNodes,
  replicationFactor: number,
): readonly Requirement[] {
  switch (level) {
    case 'ONE':
      return [{ needed: 1, covers: (node) => node.id === intended[0].id }]
    case 'QUORUM':
      return [{ needed: quorum(replicationFactor), covers: everywhere }]
    case 'ALL':
      return [{ needed: replicationFactor, covers: everywhere }]
    case 'LOCAL_QUORUM':
      return [inRegion(intended[0].region, intended)]
    case 'EACH_QUORUM':
      return [...new Set(intended.map(({ region }) => region))].map((region) =>
        inRegion(region, intended),
      )
  }
}

function everywhere(): boolean {
  return true
}

function inRegion(region: string | undefined, intended: IntendedNodes): Requirement {
  const covers = (node: ReplicaNode) => node.region === region
  return { needed: quorum(intended.filter(covers).length), covers }
}

/** `pending` as long as both other verdicts are possible. */
export type Verdict = 'pending' | 'acknowledged' | 'failed'

/** What is known of the nodes that a requirement covers. */
interface Counter {
  readonly requirement: Requirement
  acked: number
  /** Nodes that may yet have the event. */
  open: number
}

function counterOf(requirement: Requirement): Counter {
  return { requirement, acked: 0, open: 0 }
}

/**
 * Counts which nodes have an event and which never will, and says what that means. The verdict
 * depends on the sets alone, never on the order in which they grew: an acknowledgement needs
 * enough distinct nodes, a failure needs too few candidates that are still open.
 *
 * After Cassandra's AbstractWriteResponseHandler, with substitutes counted as candidates.
 */
export class CommitTracker {
  readonly #counters: readonly Counter[]

  /** @param candidates every node that may yet hold a replica, each once: intended and spares */
  constructor(requirements: readonly Requirement[], candidates: readonly ReplicaNode[]) {
    this.#counters = requirements.map(counterOf)
    for (const node of candidates) this.joined(node)
  }

  /** Another node may yet hold a replica. */
  joined(node: ReplicaNode): void {
    for (const counter of this.#counters) {
      if (counter.requirement.covers(node)) counter.open++
    }
  }

  /** The node has the event. To be called once for a node, and never after {@link lost}. */
  acked(node: ReplicaNode): void {
    for (const counter of this.#counters) {
      if (!counter.requirement.covers(node)) continue
      counter.acked++
      counter.open--
    }
  }

  /** The node refused. To be called once for a node, and never after {@link acked}. */
  lost(node: ReplicaNode): void {
    for (const counter of this.#counters) {
      if (counter.requirement.covers(node)) counter.open--
    }
  }

  get verdict(): Verdict {
    let acknowledged = true
    for (const { requirement, acked, open } of this.#counters) {
      if (acked + open < requirement.needed) return 'failed'
      if (acked < requirement.needed) acknowledged = false
    }
    return acknowledged ? 'acknowledged' : 'pending'
  }
}
