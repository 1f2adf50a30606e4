/**
 * A store on Redis or Valkey: several servers on one of them are one node.
 *
 * @module
 */
import { RedisStore } from './store/redis.ts'
import type { StoreOpener } from './store/opener.ts'
import { type RedisStoreOptions, resolveRedisOptions } from './store/redis/options.ts'

export type { RedisOptions } from './redis/connection.ts'
export type { RedisStoreOptions } from './store/redis/options.ts'
export type { StoreNode, StoreOpener } from './store/opener.ts'

/**
 * A store on the Redis or Valkey at `url`, for {@link createServer} to open. Servers that share it are one node:
 * each of them reads, writes and has subscribers, and one of them at a time keeps the links with other nodes.
 *
 * @param url `redis://[user:password@]host:port[/database]`, `rediss://` for TLS
 * @throws SKERRY_OPTION_INVALID, SKERRY_OPTION_UNKNOWN
 * @throws when it is opened: SKERRY_REDIS_UNAVAILABLE, SKERRY_REDIS_NOT_DURABLE
 * @example
 * import { createServer } from 'skerry'
 * import { redisStore } from 'skerry/redis'
 *
 * const store = redisStore('redis://127.0.0.1:6379', { name: 'shop' })
 * const server = await createServer({ store, port: 8800 })
 * await server.listen()
 */
export function redisStore(url: string, options: RedisStoreOptions = {}): StoreOpener {
  const resolved = resolveRedisOptions(url, options)
  return { open: (env, node) => RedisStore.open(resolved, env, node) }
}
