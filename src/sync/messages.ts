import type { Entry } from '../core/entry.ts'
import type { Position } from '../store/store.ts'

/** The link protocol that this version speaks. Peers agree on the highest that both know. */
export const PROTOCOL = 1
/** The oldest link protocol that this version still speaks. */
export const OLDEST_PROTOCOL = 1

/** The first message each way: who speaks, and what it offers to share. */
export interface Hello {
  readonly kind: 'hello'
  readonly oldest: number
  readonly newest: number
  readonly nodeId: string
  readonly epoch: string
  readonly run: string
  readonly durable: boolean
  readonly keys: readonly string[]
  /** Wall time of the sender in nanoseconds, as corrected by its own leader or peers: nodes of before go by it. */
  readonly clock: bigint
  /** Bytes of changes that the sender of the hello lets travel unacknowledged. */
  readonly window: number
  /** Epochs of the sender before this one that ended without any loss, newest first. */
  readonly formerly: readonly string[]
}

/** How far the sender has merged the receiver's feed, a position for each shared key, in order. */
export interface Resume {
  readonly kind: 'resume'
  /** Of an epoch that the receiver has left they cover nothing: it looks whether it was there. */
  readonly positions: readonly (Position | undefined)[]
  /** The furthest point at which the receiver was seen; left out by nodes that don't note it. */
  readonly seen?: Position | undefined
}

/** Where the sender's stream starts, and for which shared keys it takes up where it left off. */
export interface Stream {
  readonly kind: 'stream'
  readonly start: number
  readonly resumed: readonly boolean[]
  /** For each shared key the highest stamp of a tombstone that the sender has collected. */
  readonly horizons: readonly bigint[]
  /** For each shared key whether the sender doubts what the receiver offers: it may undo deletes. */
  readonly doubted: readonly boolean[]
}

/** The sender's changes after `since` up to `upTo`, as far as the receiver shares and lacks them. */
export interface Changes {
  readonly kind: 'changes'
  readonly since: number
  readonly upTo: number
  readonly entries: readonly Entry[]
  /**
   * Places of the sender's own writes from before the link that somebody has acknowledged: they may be deleted
   * since. Left out where there are none.
   */
  readonly heard?: readonly number[] | undefined
}

/** The sender has made the receiver's changes durable, up to here. */
export interface Ack {
  readonly kind: 'ack'
  readonly upTo: number
  /** The sender's own newest sequence number. */
  readonly seq: number
  /** Paths of the changes acknowledged whose versions the sender's readers don't see. */
  readonly aside: readonly string[]
}

/** Asks for a pong; tells the sender's wall clock. */
export interface Ping {
  readonly kind: 'ping'
  readonly clock: bigint
}

/** The answer to ping. */
export interface Pong {
  readonly kind: 'pong'
  /** The sender's wall clock. */
  readonly clock: bigint
  /** The same as corrected by its own leader or peers; left out by nodes that don't tell. */
  readonly time?: bigint | undefined
}

/** Digests of the children of some nodes of the tree of a shared key (of the root itself at level 0). */
export interface Compare {
  readonly kind: 'compare'
  readonly id: number
  /** Which shared key, by its place in the list. */
  readonly key: number
  readonly level: number
  /** True if tombstones are left out, as they go at their own time on each node. */
  readonly live: boolean
  readonly parents: readonly number[]
  readonly sums: Uint8Array
}

/** The answer to compare: the nodes that differ, each with how many entries the answerer has there. */
export interface Compared {
  readonly kind: 'compared'
  readonly id: number
  readonly differing: readonly (readonly [index: number, count: number])[]
}

/** What the sender has between two path hashes; see `repair.ts` for the items. */
export interface Items {
  readonly kind: 'items'
  readonly id: number
  readonly key: number
  readonly from: string
  readonly to: string
  readonly items: Uint8Array
}

/** The answer to items: versions the asker lacks, and path hashes of those the answerer lacks, up to `upTo`. */
export interface Entries {
  readonly kind: 'entries'
  readonly id: number
  readonly entries: readonly Entry[]
  readonly wanted: readonly string[]
  readonly upTo: string
  /** Places in `entries` of the sender's own writes that nobody has acknowledged. */
  readonly fresh: readonly number[]
  /** The sender's newest sequence number, once it had read these; left out by nodes that don't tell. */
  readonly seq?: number | undefined
}

/** Versions that the receiver lacks. */
export interface Push {
  readonly kind: 'push'
  readonly id: number
  readonly key: number
  readonly entries: readonly Entry[]
  /** Places in `entries` of the sender's own writes that nobody has acknowledged. */
  readonly fresh: readonly number[]
  /** The sender's newest sequence number, once it had read these; left out by nodes that don't tell. */
  readonly seq?: number | undefined
}

/** The answer to push: they are durable. */
export interface Pushed {
  readonly kind: 'pushed'
  readonly id: number
}

/** The shared key is repaired, both ways. */
export interface Repaired {
  readonly kind: 'repaired'
  readonly key: number
}

/**
 * The sender has taken over the receiver's horizons: whatever it merges from this sequence number on was
 * held against them.
 */
export interface Settled {
  readonly kind: 'settled'
  readonly key: number
  readonly seq: number
  /** The horizon that it took over; left out by nodes that don't tell. */
  readonly stamp?: bigint | undefined
}

/** The sender's horizon has risen by deletes that the receiver may lack: that takes it over, or it stays doubted. */
export interface HorizonRaised {
  readonly kind: 'horizon'
  readonly key: number
  readonly stamp: bigint
}

/** Nodes that an operator has said won't come back, each with when that was. */
export interface Forget {
  readonly kind: 'forget'
  readonly nodes: readonly (readonly [nodeId: string, since: bigint])[]
}

/** Why the sender ends the link. */
export interface Bye {
  readonly kind: 'bye'
  readonly code: string
  readonly message: string
}

export type Message =
  | Hello
  | Resume
  | Stream
  | Changes
  | Ack
  | Ping
  | Pong
  | Compare
  | Compared
  | Items
  | Entries
  | Push
  | Pushed
  | Repaired
  | Bye
  | Settled
  | HorizonRaised
  | Forget
