import { resolveClusterOptions } from '../../cluster/options.ts'
import type { ClusterOptions, ResolvedClusterOptions } from '../../cluster/options.ts'
import type { RedisOptions } from '../../redis/connection.ts'
import { skerryError } from '../../core/errors.ts'
import { assertRegistryUrl } from './registries.ts'

/** How a node takes part in a cluster. Besides these, every option of `createCluster`. */
export interface ServerClusterOptions extends Omit<ClusterOptions, 'id'> {
  /**
   * Where the cluster keeps what all its nodes share. Default: with this node's own data; other
   * nodes name this one then, `http://host:port`. Or Redis or Valkey: `redis://…`, `rediss://…`, or
   * {@link RedisOptions}.
   */
  readonly registry?: string | RedisOptions
  /**
   * Where other nodes reach this one: `host:port`, or `http(s)://host:port`. Default: where it listens.
   */
  readonly advertise?: string
  /** Of this node; zones are told apart within their region. Default none. */
  readonly zone?: string
  /** Of this node. Default none. */
  readonly region?: string
  /** Its share of the work compared with the others; above 0, at most 1,000. Default 1. */
  readonly weight?: number
  /** Anything JSON can carry; shown with the member. Default none. */
  readonly meta?: unknown
}

/** How a node takes part, complete. */
export interface ResolvedServerCluster {
  readonly cluster: ResolvedClusterOptions
  readonly registry: string | RedisOptions | undefined
  readonly advertise: string | undefined
  readonly zone: string
  readonly region: string
  readonly weight: number
  readonly meta: unknown
}

/** `host:port`, with a scheme before it or nothing. */
const ADVERTISED = /^((?:https?:\/\/)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)):(\d{1,5})$/

/**
 * Checks the options and fills in the defaults.
 * @param id of the node, which is that of its member and its monitor
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 */
export function resolveServerCluster(
  options: ServerClusterOptions,
  id: string,
): ResolvedServerCluster {
  const { registry, advertise, zone = '', region = '', weight = 1, meta = null, ...rest } = options
  if ('id' in rest) throw skerryError('OPTION_UNKNOWN', 'cluster.id')
  if (advertise !== undefined) addressOf(advertise)
  if (typeof registry === 'string') assertRegistryUrl(registry)
  const cluster = resolveClusterOptions({ ...rest, id }, id)
  return Object.freeze({ cluster, registry, advertise, zone, region, weight, meta })
}

/**
 * Host and port of an advertised address.
 * @throws SKERRY_OPTION_INVALID
 */
export function addressOf(advertise: string): { address: string; port: number } {
  const [, address, port] = ADVERTISED.exec(advertise) ?? []
  if (address === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw skerryError('OPTION_INVALID', 'advertise', advertise, 'give host:port')
  }
  return { address: address.replace(/^http:\/\//, ''), port: Number(port) }
}
