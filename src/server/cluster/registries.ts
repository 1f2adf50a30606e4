import { EmbeddedRegistry } from '../../cluster/embedded.ts'
import { RedisRegistry } from '../../cluster/redis.ts'
import type { RedisOptions } from '../../redis/connection.ts'
import type { Registry } from '../../cluster/registry.ts'
import { RemoteRegistry } from '../../cluster/remote.ts'
import type { Env } from '../../core/env.ts'
import { skerryError } from '../../core/errors.ts'
import { openLevelEngine } from '../../store/level.ts'
import { LocalStore } from '../../store/local.ts'
import type { PeerHeaders } from '../access/credentials.ts'
import type { PeerTls } from '../access/tls.ts'

/** Which cluster's registry. */
export interface ClusterNames {
  /** Begins every key in Redis. */
  readonly prefix: string
  readonly name: string
}

/**
 * The registry that lies elsewhere: on Redis, or with another node.
 * @param shown to another node, with each request
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 */
export function distantRegistry(
  place: string | RedisOptions,
  { prefix, name }: ClusterNames,
  shown: { readonly headers?: PeerHeaders; readonly tls?: PeerTls | undefined } = {},
): Registry {
  if (typeof place !== 'string') return new RedisRegistry(place, prefix, name)
  assertRegistryUrl(place)
  if (/^https?:/.test(place)) return new RemoteRegistry({ url: place, name, ...shown })
  return new RedisRegistry({ url: place }, prefix, name)
}

/** @throws SKERRY_OPTION_INVALID unless it is the address of a Redis or of a node */
export function assertRegistryUrl(url: string): void {
  if (/^(rediss?|https?):\/\//.test(url)) return
  const why = 'give redis://…, rediss://…, or http(s)://host:port of the node that keeps it'
  throw skerryError('OPTION_INVALID', 'registry', url.replace(/:[^:@/]*@/, ':…@'), why)
}

/** The registry that a node keeps itself, for all nodes of its cluster. */
export function ownRegistry(env: Env, directory: string | undefined): EmbeddedRegistry {
  const openStore =
    directory === undefined
      ? undefined
      : async () => LocalStore.open(await openLevelEngine(directory), env)
  return new EmbeddedRegistry(env, { openStore, shared: true })
}
