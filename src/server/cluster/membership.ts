import { Cluster } from '../../cluster/cluster.ts'
import type { EmbeddedRegistry } from '../../cluster/embedded.ts'
import type { ClusterEvent, ClusterEventType } from '../../cluster/event.ts'
import { HttpProber } from '../../cluster/http.ts'
import type { Member } from '../../cluster/member.ts'
import type { Registry } from '../../cluster/registry.ts'
import type { ClusterStatus } from '../../cluster/status.ts'
import type { CancelTimer, Env } from '../../core/env.ts'
import { messageOf, skerryError } from '../../core/errors.ts'
import type { Logger } from '../log.ts'
import type { PeerHeaders } from '../access/credentials.ts'
import type { PeerTls } from '../access/tls.ts'
import { addressOf, type ResolvedServerCluster } from './options.ts'
import { distantRegistry, ownRegistry } from './registries.ts'

/** What a membership works with. */
export interface MembershipParts {
  readonly env: Env
  readonly logger: Logger
  readonly options: ResolvedServerCluster
  /** Where the node's own registry is kept; undefined: in memory. */
  readonly directory: string | undefined
  /** Of requests to other nodes. */
  readonly headers: PeerHeaders
  /** What others are shown over TLS. */
  readonly tls: PeerTls | undefined
  /** Called once the node has joined, with the cluster. */
  readonly joined: (cluster: Cluster) => void
}

/** How a node stands in its cluster. */
export interface MembershipStatus extends Partial<ClusterStatus> {
  readonly name: string
  /** Where the registry is: `own`, or its address without a password. */
  readonly registry: string
  /** `joining`: it could not reach the registry yet, and goes on trying. */
  readonly state: 'joining' | 'joined' | 'left'
  /** Why it could not join, or what went wrong last. */
  readonly lastError?: string
}

/** Between two attempts to join. */
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 10_000

/** What is worth a line in the log. */
const TOLD = ['joined', 'suspect', 'died', 'revived', 'left', 'draining'] as const
/** What is counted. */
const HEARD = [...TOLD, 'rebalanced', 'error'] as const

/** The heartbeat asks whether a node serves, not only whether it lives: 503 takes it out of the ring. */
const HEARTBEAT_PATH = '/readyz'

/**
 * A node's part in a cluster. It joins by itself under its own id, and goes on trying while the
 * registry is out of reach: what a node serves by itself it serves meanwhile.
 *
 * A node that stops does not leave: it is meant to come back. Others see it unready, then dead.
 */
export class Membership {
  /** How many events of each type were heard since the node joined. */
  readonly heard = new Map<ClusterEventType, number>(HEARD.map((type) => [type, 0]))
  readonly #own: EmbeddedRegistry | undefined
  readonly #parts: MembershipParts
  #cluster: Cluster | undefined
  #url = ''
  #attempts = 0
  #lastError: string | undefined
  #cancelRetry: CancelTimer = () => {}
  #attempt: Promise<void> = Promise.resolve()
  #closed = false

  constructor(parts: MembershipParts) {
    this.#parts = parts
    const { options, env, directory } = parts
    if (options.registry === undefined) this.#own = ownRegistry(env, directory)
    // Bad options are to be told at once and not with the first attempt.
    else void distantRegistry(options.registry, options.cluster).close()
  }

  /** @throws SKERRY_CLUSTER_JOINING while it has not joined */
  get cluster(): Cluster {
    if (this.#cluster) return this.#cluster
    throw skerryError('CLUSTER_JOINING', this.#lastError ?? 'it has just begun')
  }

  /**
   * The registry this node keeps, for nodes of the cluster `name`.
   * @throws SKERRY_REGISTRY_ELSEWHERE, SKERRY_CLUSTER_MISMATCH, SKERRY_CLUSTER_JOINING
   */
  registryFor(name: string): Registry {
    const { registry } = this.#parts.options
    if (!this.#own) throw skerryError('REGISTRY_ELSEWHERE', placeOf(registry))
    if (name !== this.name) throw skerryError('CLUSTER_MISMATCH', 'the name', this.name, name)
    if (!this.#cluster || this.#closed) throw skerryError('CLUSTER_JOINING', 'it is not open')
    return this.#own
  }

  /** The registry this node keeps, as the bytes of a backup; nothing if another one does. */
  backup(): AsyncIterable<Uint8Array> | undefined {
    return this.#own?.backup()
  }

  get #id(): string {
    return this.#parts.options.cluster.id
  }

  get name(): string {
    return this.#parts.options.cluster.name
  }

  /** Begins to join; the first attempt is over when it resolves. @param url where the node listens */
  start(url: string): Promise<void> {
    this.#url = url
    this.#attempt = this.#tryToJoin()
    return this.#attempt
  }

  /** Joins anew: after it left, or was drained. */
  async rejoin(): Promise<Member> {
    return this.#join(this.cluster)
  }

  status(): MembershipStatus {
    const { options } = this.#parts
    const about = { name: this.name, registry: placeOf(options.registry) }
    const lastError = this.#lastError === undefined ? {} : { lastError: this.#lastError }
    if (!this.#cluster) return { ...about, state: 'joining', ...lastError }
    const status = this.#cluster.status()
    const isMember = status.members.some(({ id }) => id === this.#id)
    return { ...about, state: isMember ? 'joined' : 'left', ...lastError, ...status }
  }

  /**
   * Takes the node out of the ring at once, for it is about to stop. Others would see that with their
   * next heartbeat only.
   */
  async stepAside(): Promise<void> {
    try {
      if (this.status().state === 'joined') await this.cluster.stepAside(this.#id)
    } catch (error) {
      this.#hear(error)
    }
  }

  /** Workers hand over, a leader resigns, the registry is closed. The node stays a member. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelRetry()
    await this.#attempt
    await this.#cluster?.destroy()
  }

  async #tryToJoin(): Promise<void> {
    const { env, logger, joined } = this.#parts
    this.#attempts++
    const cluster = this.#newCluster()
    try {
      cluster.on('error', ({ error }) => this.#hear(error))
      await cluster.start()
      await this.#join(cluster)
    } catch (error) {
      await cluster.destroy().catch((failure: unknown) => this.#hear(failure))
      this.#hear(error)
      if (this.#closed) return
      const delayMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#attempts)
      this.#cancelRetry = env.setTimer(delayMs * (0.5 + env.random() / 2), () => {
        this.#attempt = this.#tryToJoin()
      })
      return
    }
    this.#cluster = cluster
    this.#lastError = undefined
    logger.info({ cluster: this.name, id: this.#id }, 'joined the cluster')
    for (const type of TOLD) cluster.on(type, (event) => this.#tell(event))
    for (const type of HEARD) {
      cluster.on(type, () => this.heard.set(type, this.heard.get(type)! + 1))
    }
    joined(cluster)
  }

  #newCluster(): Cluster {
    const { env, options, headers, tls } = this.#parts
    const { cluster, registry } = options
    return new Cluster({
      env,
      registry: this.#own ?? distantRegistry(registry!, cluster, { headers, tls }),
      prober: new HttpProber(tls),
      options: cluster,
    })
  }

  #join(cluster: Cluster): Promise<Member> {
    const { advertise, zone, region, weight, meta } = this.#parts.options
    const place = addressOf(advertise ?? this.#url)
    return cluster.join({
      id: this.#id,
      ...place,
      path: HEARTBEAT_PATH,
      zone,
      region,
      weight,
      meta,
    })
  }

  #hear(error: unknown): void {
    const message = messageOf(error)
    if (message !== this.#lastError) this.#parts.logger.warn({ err: error }, 'cluster')
    this.#lastError = message
  }

  #tell({ type, nodeId }: ClusterEvent): void {
    this.#parts.logger.info({ type, nodeId }, 'member of the cluster')
  }
}

function placeOf(registry: ResolvedServerCluster['registry']): string {
  if (registry === undefined) return 'own'
  if (typeof registry === 'string') return registry.replace(/:[^:@/]*@/, ':…@')
  const { url, cluster, sentinel } = registry
  return (url ?? cluster?.join() ?? sentinel?.name ?? 'redis').replace(/:[^:@/]*@/, ':…@')
}
