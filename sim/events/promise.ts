import { quorum, type CommitLevel } from '../../src/events/commit.ts'
import { PeerBook, type PeerLocation } from '../../src/events/peers.ts'
import { place, type ReplicationStrategy } from '../../src/events/placement.ts'

/** A put, with what its coordinator goes by. */
export interface PromisedPut {
  readonly key: string
  readonly level: CommitLevel
  readonly region: string
  /** The peers that the coordinator knows, as they stand from there. */
  readonly peers: ReadonlyMap<string, PeerLocation>
  readonly replicationFactor: number
  readonly replicationStrategy: ReplicationStrategy
}

/**
 * How many copies an acknowledgement of a LOCAL_QUORUM or EACH_QUORUM stands for, by region: the
 * majority of those placed there. Other levels don't look at regions.
 */
export function promisedCopies(put: PromisedPut): ReadonlyMap<string, number> {
  const { key, level, peers, replicationFactor, replicationStrategy } = put
  if (level !== 'LOCAL_QUORUM' && level !== 'EACH_QUORUM') return new Map()
  const book = new PeerBook()
  for (const [id, location] of peers) book.add({ id }, location)
  const { replicas } = place(key, book.list, replicationFactor - 1, replicationStrategy)
  const placed = new Map([[put.region, 1]])
  for (const { region = put.region } of replicas) placed.set(region, (placed.get(region) ?? 0) + 1)
  const promised = [...placed].map(([region, copies]) => [region, quorum(copies)] as const)
  return new Map(promised.filter(([region]) => level === 'EACH_QUORUM' || region === put.region))
}
