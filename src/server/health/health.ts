import type { FastifyInstance } from 'fastify'
import { skerryError } from '../../core/errors.ts'
import type { Store } from '../../store/store.ts'
import type { SyncStatus } from '../../sync/status.ts'
import type { CoordinatorStatus } from '../../events/coordinator.ts'
import type { MembershipStatus } from '../cluster/membership.ts'
import { adminOnly } from '../access/access.ts'
import type { pivotStatus } from '../pivot/status.ts'

/** What `GET /_skerry/status` says of this node. */
export interface NodeStatus {
  readonly id: string
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

/** The status of a store. */
export function storeStatus({ epoch, run, seq, durable }: Store) {
  return { epoch, run, seq, durable }
}

/** The routes by which operators and balancers ask how the node is. */
export function healthRoutes(app: FastifyInstance, status: () => NodeStatus): void {
  app.get('/healthz', { config: { open: true } }, async () => ({ status: 'ok' }))
  app.get('/readyz', { config: { open: true } }, async () => {
    if (!status().ready) throw skerryError('NOT_READY')
    return { status: 'ready' }
  })
  app.get('/_skerry/status', { onRequest: adminOnly }, async () => status())
}
