import type { Dialer } from './dialer.ts'
import type { Link } from './link.ts'
import type { RefusedEntry, RepairProgress } from './session.ts'

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
  /** How many of this node's changes the peer has yet to make durable. */
  readonly lag: number
  /** Shared keys that the repair has not finished. */
  readonly unrepaired: readonly string[]
  readonly repairing: RepairProgress | undefined
  /** The peer's clock minus this node's, in milliseconds. */
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

/** What goes on between this node and all others. */
export interface SyncStatus {
  readonly nodeId: string
  readonly epoch: string
  readonly run: string
  readonly seq: number
  readonly keys: readonly string[]
  readonly links: readonly LinkStatus[]
  readonly waiting: readonly WaitingStatus[]
}

const NS_PER_MS = 1e6

export function linkStatus(
  link: Link,
  dialer: Dialer | undefined,
  offsetNs: bigint | undefined,
): LinkStatus {
  const { session, peer, bytesSent, bytesReceived } = link
  return {
    peer: peer?.nodeId,
    url: dialer?.url,
    leads: dialer?.leads === true,
    open: session?.open === true,
    keys: session?.keys ?? [],
    lag: session?.lag ?? 0,
    unrepaired: session?.unrepaired ?? [],
    repairing: session?.repairing,
    clockOffsetMs: offsetNs === undefined ? undefined : Number(offsetNs) / NS_PER_MS,
    bytesSent,
    bytesReceived,
    refused: session?.refused ?? { count: 0, named: [] },
  }
}
