/** What is known of one event's replicas. */
export interface ReplicaCensus {
  readonly replicationFactor: number
  /** Nodes that have it. */
  readonly holders: readonly string[]
  /** Nodes that answered without having it, those that should have it first. */
  readonly lacking: readonly string[]
  /** Nodes that did not answer: they may have it. */
  readonly unknown: readonly string[]
}

/** What to do about it. */
export interface RepairPlan {
  /** Nodes to copy the event to. */
  readonly copies: readonly string[]
  /** Nodes that take the place of one that fails to take its copy. */
  readonly spares: readonly string[]
  /** Replicas that will certainly be missing even so. */
  readonly missing: number
  /** Replicas that may be there, on nodes that did not answer. */
  readonly unconfirmed: number
}

/**
 * Says which nodes an event has to be copied to. A node that does not answer may well have the
 * event, so it is given the benefit of the doubt: a short absence must not set off the copying of
 * everything. Once the node is dropped, the doubt is gone.
 */
export function planRepair(census: ReplicaCensus): RepairPlan {
  const { replicationFactor, holders, lacking, unknown } = census
  const wanted = Math.max(0, replicationFactor - holders.length)
  const unconfirmed = Math.min(wanted, unknown.length)
  const copies = lacking.slice(0, wanted - unconfirmed)
  const spares = copies.length === 0 ? [] : lacking.slice(copies.length)
  return { copies, spares, missing: wanted - unconfirmed - copies.length, unconfirmed }
}

/** What a sweep found and did. */
export interface RepairReport {
  /** Distinct events seen. */
  readonly events: number
  /** Copies made. */
  readonly copied: number
  /** Events still without all their replicas; they are listed with the reason. */
  readonly missing: number
  /** Events whose remaining replicas may be on nodes that did not answer. */
  readonly unconfirmed: number
  /** Events of which two nodes hold different contents. */
  readonly conflicts: number
  /** Ids of the nodes that did not answer. */
  readonly unreachable: readonly string[]
}
