import type { Peer } from './peers.ts'
import type { ReplicaPage, ReplicaRange } from './storage.ts'

/** An event on its way to a peer. */
export interface Replica {
  readonly key: string
  /** The event's JSON text. */
  readonly text: string
  /** The peer this copy stands in for, if the receiver is a substitute. */
  readonly onBehalfOf?: string | undefined
}

/**
 * Carries replicas to peers and reads them back. Every call fails, sooner or later, when the peer
 * does not answer; the coordinator's own deadlines don't wait for that.
 */
export interface PeerTransport {
  /** Fulfilled once the peer has the event durably. Rejected with SKERRY_EVENTS_CONFLICT if it holds another one under that key. */
  put(peer: Peer, replica: Replica): Promise<void>
  /** The event's JSON text, if the peer has it. */
  get(peer: Peer, key: string): Promise<string | undefined>
  range(peer: Peer, range: ReplicaRange): Promise<ReplicaPage>
}
