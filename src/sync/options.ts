import type { Env } from '../core/env.ts'
import type { Contest, Store } from '../store/store.ts'
import type { SyncEvent } from './event.ts'
import type { PivotPeers } from './pivot/peers.ts'
import type { Transport } from './transport.ts'
import type { Secrets } from './trust/secrets.ts'

export const DEFAULT_REPAIR_INTERVAL_MS = 600_000

export const DEFAULT_COLLECT_INTERVAL_MS = 60_000

/**
 * The least that `tombstoneTtlMs` may be: longer than a link stands that has gone silent, since nothing is doubted
 * that comes when it is heard from again. No delete may be forgotten meanwhile.
 */
export const MIN_TOMBSTONE_TTL_MS = 60_000

/** The default of `tombstoneTtlMs`: 30 days. */
export const DEFAULT_TOMBSTONE_TTL_MS = 2_592_000_000

/** Two versions of a path whose writers can't have known of each other, as far as a node can tell. */
export type Conflict = Pick<Contest, 'winner' | 'loser'>

/** How a node keeps in step with others. */
export interface SyncOptions {
  readonly store: Store
  readonly env: Env
  readonly transport: Transport
  /** What to share: paths, globs or `**`. Default: everything. */
  readonly keys?: readonly string[]
  /** Address of the leader, whose clock is the reference. */
  readonly leader?: string
  /** What is shared with the leader. Default: `keys`. */
  readonly leaderKeys?: readonly string[]
  /** Further leaders, each of some of the keys. */
  readonly branches?: readonly { readonly url: string; readonly keys: readonly string[] }[]
  /** Addresses of further nodes to link with. */
  readonly peers?: readonly string[]
  /** Secrets that links are sealed with; who has none of them gets no link. Default: links are not sealed. */
  readonly secrets?: Secrets
  /** How long after a repair the next one checks all keys, give or take half of it. Default 600,000 ms. */
  readonly repairIntervalMs?: number
  /** How long between two looks for tombstones that may go, give or take half of it. Default 60,000 ms. */
  readonly collectIntervalMs?: number
  /**
   * After so long a tombstone goes though a peer has not acknowledged it. Default 2,592,000,000 ms: 30 days; a node
   * takes no less than {@link MIN_TOMBSTONE_TTL_MS}.
   */
  readonly tombstoneTtlMs?: number
  /** Peers of the pivot protocol that share keys of the store. Default: those noted in it. */
  readonly pivotPeers?: PivotPeers
  /** How far clocks may be apart before that is told. Default 60,000 ms. */
  readonly maxClockDriftMs?: number
  /** Called when one of two versions that were written apart overrules the other, once that is durable. */
  readonly onConflict?: (conflict: Conflict) => void
  /** Called of what whoever runs the node wants to know. */
  readonly onEvent?: (event: SyncEvent) => void
}
