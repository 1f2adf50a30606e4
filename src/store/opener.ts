import type { Env } from '../core/env.ts'
import type { HistoryPolicy } from './archive/policy.ts'
import type { Store } from './store.ts'

/** What a store gets from the node that it serves. */
export interface StoreNode {
  /** The node's id: 1 to 64 of `A-Za-z0-9_.-`. Default: the one kept in the store, or a new random one. */
  readonly nodeId?: string
  /** How far ahead a peer's stamp may be before its entry is kept aside. Default 60,000 ms. */
  readonly maxClockDriftMs?: number
  /** What of the past to keep; a store that can't must have no `history`. */
  readonly history?: HistoryPolicy
}

/** Where a node keeps its entries, if not in a directory or in memory. */
export interface StoreOpener {
  /** Opens the store, or makes one. Whoever opens it closes it. */
  open(env: Env, node: StoreNode): Promise<Store>
}
