import type { LocalNode, WriteNode } from './attempt.ts'
import { CommitTracker, requirements, type CommitLevel, type Requirement } from './commit.ts'
import type { ResolvedOptions } from './options.ts'
import type { PeerBook, PlacedPeer } from './peers.ts'
import { place } from './placement.ts'

/** Where the replicas of a put go, and how many of them its level waits for. */
export interface Plan {
  /** The nodes that are meant to have the event: this one first. */
  readonly intended: readonly [local: LocalNode, ...peers: WriteNode[]]
  /** Who stands in for them, best first. */
  readonly spares: readonly PlacedPeer[]
  readonly requirements: readonly Requirement[]
  readonly replicationFactor: number
  /** Whether there are nodes enough, and enough of them up. Else nothing is to be written. */
  readonly isPossible: boolean
}

/** Plans puts: the same key, level and peers give the same plan. */
export class Planner {
  readonly #options: ResolvedOptions
  readonly #peers: PeerBook
  readonly #local: LocalNode
  /** Plans that hold for every key, by level, as long as the peers are these. */
  readonly #plans = new Map<CommitLevel, Plan>()
  #planned: readonly PlacedPeer[] = []

  constructor(options: ResolvedOptions, peers: PeerBook, local: LocalNode) {
    this.#options = options
    this.#peers = peers
    this.#local = local
  }

  plan(key: string, level: CommitLevel): Plan {
    const { list } = this.#peers
    if (this.#planned !== list) {
      this.#plans.clear()
      this.#planned = list
    }
    return this.#plans.get(level) ?? this.#make(key, level)
  }

  #make(key: string, level: CommitLevel): Plan {
    const { replicationFactor, replicationStrategy } = this.#options
    const { list, up, size } = this.#peers
    const { replicas, spares } = place(key, list, replicationFactor - 1, replicationStrategy)
    const intended = [this.#local, ...replicas] as const
    const needs = requirements(level, intended, replicationFactor)
    const isEnough = intended.length >= replicationFactor || level === 'ONE'
    // When nobody is down, the intended nodes are always enough for any level.
    const isPossible = isEnough && (up.length === size || canReach(needs, [this.#local, ...up]))
    const plan = { intended, spares, requirements: needs, replicationFactor, isPossible }
    // Where everybody gets a copy the key chooses nothing.
    if (spares.length === 0) this.#plans.set(level, plan)
    return plan
  }
}

function canReach(needs: readonly Requirement[], nodes: readonly WriteNode[]): boolean {
  return new CommitTracker(needs, nodes).verdict !== 'failed'
}
