import type { FastifyInstance } from 'fastify'
import { skerryError } from '../../core/errors.ts'
import type { Store } from '../../store/store.ts'
import type { KeyLag } from '../../sync/lag.ts'
import { peerName } from '../../sync/pivot/address.ts'
import type { SyncStatus } from '../../sync/status.ts'
import type { CoordinatorStatus } from '../../events/coordinator.ts'
import type { MembershipStatus } from '../cluster/membership.ts'
import { adminOnly } from '../access/access.ts'
import type { pivotStatus } from '../pivot/status.ts'

/** What `GET /_skerry/status` says of this node. */
export interface NodeStatus {
  readonly id: string
  /** The version of Skerry that runs. */
  readonly version: string
  readonly url: string
  readonly ready: boolean
  readonly epoch: string
  readonly run: string
  /** The newest durable sequence number. */
  readonly seq: number
  readonly durable: boolean
  /** True if this server runs the links; false while another one that shares its store does. */
  readonly leads: boolean
  readonly uptimeMs: number
  /** Open WebSockets, links included. */
  readonly sockets: number
  /** Paths and globs that somebody watches. */
  readonly watched: number
  /** What is shared with other nodes, and how that goes. */
  readonly sync: SyncStatus
  /** The cluster this node is in, if any. */
  readonly cluster?: MembershipStatus
  /** How the events stand that this node puts, if it keeps any. */
  readonly events?: CoordinatorStatus
  /** Nodes and leaders of the pivot protocol. */
  readonly pivot: ReturnType<typeof pivotStatus>
}

/** What each peer lacks, by whatever protocol it is in step: nodes and leaders of pivot as `pivot:host:port`. */
export function peerLags({ sync, pivot }: NodeStatus): { peer: string; lag: readonly KeyLag[] }[] {
  return [
    ...sync.peers.map(({ peer, lag }) => ({ peer, lag })),
    ...pivot.nodes.map(({ address, lag }) => ({ peer: peerName(address), lag })),
    ...pivot.leaders
      .filter(({ active, keys }) => active || keys.some(({ lag }) => lag.entries > 0))
      .map(({ leader, keys }) => ({ peer: peerName(leader), lag: keys.map(({ lag }) => lag) })),
  ]
}

/** How a node or leader of the pivot protocol is. */
export interface PivotHealth {
  /** `pivot:host:port`. */
  readonly peer: string
  readonly healthy: boolean
  /** RFC 3339; null if it never was checked. */
  readonly lastCheck: string | null
}

/** The nodes that this one leads by the pivot protocol, and the leaders that it follows by it. */
export function pivotHealths({ pivot }: NodeStatus): PivotHealth[] {
  return [
    ...pivot.nodes.map(({ address, healthy, compatible, lastCheck }) => {
      return { peer: peerName(address), healthy: healthy && compatible, lastCheck }
    }),
    ...pivot.leaders
      .filter(({ active }) => active)
      .map(({ leader, healthy, lastCheck }) => ({ peer: peerName(leader), healthy, lastCheck })),
  ]
}

/** The status of a store. */
export function storeStatus({ epoch, run, seq, durable }: Store) {
  return { epoch, run, seq, durable }
}

/**
 * The routes by which operators and balancers ask how the node is.
 * @param fresh waits a moment for figures that are counted from time to time
 */
export function healthRoutes(
  app: FastifyInstance,
  status: () => NodeStatus,
  fresh: () => Promise<void>,
): void {
  app.get('/healthz', { config: { open: true } }, async () => ({ status: 'ok' }))
  app.get('/readyz', { config: { open: true } }, async () => {
    if (!status().ready) throw skerryError('NOT_READY')
    return { status: 'ready' }
  })
  app.get('/_skerry/status', { onRequest: adminOnly }, async () => {
    await fresh()
    return status()
  })
}
