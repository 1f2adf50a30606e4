import type { FastifyInstance } from 'fastify'
import { join } from 'node:path'
import type { Registry } from 'prom-client'
import type { Env } from '../../core/env.ts'
import type { CoordinatorStatus } from '../../events/coordinator.ts'
import { adminOnly } from '../access/access.ts'
import type { BackupPart } from '../data/backup.ts'
import { eventMetrics } from '../events/metrics.ts'
import { openEventNode, type EventNode } from '../events/node.ts'
import { resolveServerEvents, type ServerEventsOptions } from '../events/options.ts'
import type { PeerHeaders } from '../access/credentials.ts'
import type { PeerTls } from '../access/tls.ts'
import { type Logger, silent } from '../log.ts'
import { Streams } from '../events/streams.ts'
import { clusterMetrics } from './metrics.ts'
import { Membership, type MembershipStatus } from './membership.ts'
import { resolveServerCluster, type ServerClusterOptions } from './options.ts'
import { clusterRoutes } from './routes.ts'

/** What a node of a cluster is made of. */
export interface ClusterNodeParts {
  readonly env: Env
  readonly logger: Logger | undefined
  readonly id: string
  /** Directory of the node's data; undefined: in memory. */
  readonly data: string | undefined
  /** What it shows to other nodes. */
  readonly headers: PeerHeaders
  /** The same over TLS. */
  readonly tls: PeerTls | undefined
  readonly cluster: ServerClusterOptions | undefined
  /** Undefined: no events. */
  readonly events: ServerEventsOptions | undefined
}

/** How the parts of a cluster's node are; what is not configured is left out. */
export interface ClusterNodeStatus {
  readonly cluster: MembershipStatus
  readonly events?: CoordinatorStatus
}

/** A server's part in a cluster: its membership and, if configured, its events. */
export class ClusterNode {
  readonly membership: Membership
  readonly events: EventNode | undefined
  readonly #streams: Streams

  /** Use {@link openClusterNode}. */
  constructor(membership: Membership, events: EventNode | undefined, env: Env) {
    this.membership = membership
    this.events = events
    this.#streams = new Streams(env)
  }

  /** Adds the routes under `/_skerry/cluster` and `/_skerry/events`, and metrics of both. */
  serve(app: FastifyInstance, metrics: Registry): void {
    clusterMetrics(metrics, this.membership)
    if (this.events) eventMetrics(metrics, this.events.coordinator)
    void app.register(async (scope) => {
      scope.addHook('onRequest', adminOnly)
      void scope.register(clusterRoutes(this.membership, this.#streams))
      this.events?.routes(scope, this.#streams)
    })
  }

  /** Begins to join. @param url where the node listens */
  start(url: string): Promise<void> {
    return this.membership.start(url)
  }

  status(): ClusterNodeStatus {
    const events = this.events && { events: this.events.coordinator.status() }
    return { cluster: this.membership.status(), ...events }
  }

  /** What it keeps on its disks besides the store, as the bytes of a backup. */
  backup(): BackupPart[] {
    const registry = this.membership.backup()
    const events = this.events?.backup() ?? []
    return registry === undefined ? events : [...events, ['cluster', registry]]
  }

  /** Takes the node out of the ring: it is about to stop. */
  stepAside(): Promise<void> {
    return this.membership.stepAside()
  }

  /** Ends what would never end by itself. */
  endStreams(): void {
    this.#streams.close()
  }

  /** Once no request is in flight: puts end, workers hand over, the registry is closed. */
  async close(): Promise<void> {
    await this.events?.close()
    await this.membership.close()
  }
}

/**
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 * @throws SKERRY_DATA_DIR_IN_USE, SKERRY_DATA_DIR_UNREADABLE
 */
export async function openClusterNode(parts: ClusterNodeParts): Promise<ClusterNode | undefined> {
  const { env, logger = silent, id, data, headers, tls } = parts
  if (parts.cluster === undefined && parts.events === undefined) return undefined
  const options = resolveServerCluster(parts.cluster ?? {}, id)
  const keptIn = parts.events && resolveServerEvents(parts.events, env)
  const shared = { env, logger, headers, tls }
  const events =
    keptIn && (await openEventNode({ ...shared, id, options: keptIn, directory: data }))
  try {
    const directory = data === undefined ? undefined : join(data, 'cluster')
    const joined = (cluster: Parameters<EventNode['follow']>[0]) => events?.follow(cluster)
    return new ClusterNode(new Membership({ ...shared, options, directory, joined }), events, env)
  } catch (error) {
    await events?.close()
    throw error
  }
}
