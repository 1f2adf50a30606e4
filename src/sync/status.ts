import { NS_PER_MS } from '../core/env.ts'
import { offsetMs } from './clocks.ts'
import type { Dialer } from './dialer.ts'
import type { Link } from './link.ts'
import type { KnownPeer } from './known.ts'
import type { KeyLag } from './lag.ts'
import type { RefusedEntry } from './refused.ts'
import type { RepairProgress } from './repairs.ts'

/** What goes on with one peer. */
export interface LinkStatus {
  /** The peer's id; undefined before it has introduced itself. */
  readonly peer: string | undefined
  /** The address, if this node opened the link. */
  readonly url: string | undefined
  readonly leads: boolean
  /** Both sides have agreed what they share, and changes flow. */
  readonly open: boolean
  readonly keys: readonly string[]
  /** How many numbers of this node's feed the peer has yet to acknowledge, of whatever key; at 0 it has all. */
  readonly unacknowledged: number
  /** Shared keys that the repair has not finished. */
  readonly unrepaired: readonly string[]
  readonly repairing: RepairProgress | undefined
  /**
   * Shared keys under which the peer holds back what this node has from before, if it may undo deletes: from the start
   * of a link under a new epoch until the first repair is done and the peer has all that was merged here by then.
   */
  readonly doubted: readonly string[]
  /** The peer's clock minus this node's, in milliseconds, measured every 10 s; undefined before that was done once. */
  readonly clockOffsetMs: number | undefined
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly refused: { readonly count: number; readonly named: readonly RefusedEntry[] }
}

/** An address that no link reaches now. */
export interface WaitingStatus {
  readonly url: string
  readonly leads: boolean
  readonly failures: number
  readonly lastError: string | undefined
}

/** A node that this one has been linked with. */
export interface PeerStatus {
  readonly peer: string
  readonly linked: boolean
  /** False if it keeps its data in memory only: nothing waits for it. */
  readonly durable: boolean
  /** True if an operator has said that it won't come back. */
  readonly forgotten: boolean
  /** When it was linked last, or forgotten: milliseconds since the epoch. */
  readonly sinceMs: number
  readonly keys: readonly string[]
  /**
   * What it lacks of each key, as it was counted last; empty if nothing waits for it: it is forgotten, or it is away
   * and keeps its data in memory only.
   */
  readonly lag: readonly KeyLag[]
}

/** What goes on between this node and all others. */
export interface SyncStatus {
  readonly nodeId: string
  readonly epoch: string
  readonly run: string
  readonly seq: number
  readonly keys: readonly string[]
  readonly links: readonly LinkStatus[]
  readonly waiting: readonly WaitingStatus[]
  readonly peers: readonly PeerStatus[]
  /** Tombstones that went since the node started, and why the last round ended early, if it did. */
  readonly collection: { readonly collected: number; readonly lastError: string | undefined }
  /** Versions that may undo a delete, which wait for an operator to decide. */
  readonly withheld: number
  /** Versions overruled, since the node started, by others whose writers can't have known of them. */
  readonly conflicts: number
  /** Writes that wait until enough nodes have them. */
  readonly waitingCommits: number
}

export function peerStatus(known: KnownPeer, linked: boolean, lag: readonly KeyLag[]): PeerStatus {
  const { nodeId, durable, forgotten, since, keys } = known
  const sinceMs = Number(since / NS_PER_MS)
  return { peer: nodeId, linked, durable, forgotten, sinceMs, keys, lag }
}

export function linkStatus(link: Link, dialer: Dialer | undefined): LinkStatus {
  const { session, peer, clockOffsetNs, bytesSent, bytesReceived } = link
  return {
    peer: peer?.nodeId,
    url: dialer?.url,
    leads: dialer?.leads === true,
    open: session?.open === true,
    keys: session?.keys ?? [],
    unacknowledged: session?.unacknowledged ?? 0,
    unrepaired: session?.unrepaired ?? [],
    repairing: session?.repairing,
    doubted: session?.doubted ?? [],
    clockOffsetMs: clockOffsetNs === undefined ? undefined : offsetMs(clockOffsetNs),
    bytesSent,
    bytesReceived,
    refused: session?.refused ?? { count: 0, named: [] },
  }
}
