import { Redis } from 'ioredis'
import { RedisStore } from '../../src/store/redis.ts'
import { type RedisStoreOptions, resolveRedisOptions } from '../../src/store/redis/options.ts'
import type { StorePlace } from '../../src/testing/store/scene.ts'

let places = 0

/** A store of a name of its own on the Redis at `url`, with a copy of another one's keys if there is one to copy. */
export async function redisPlace(
  url: string,
  options: RedisStoreOptions = {},
  original?: string,
): Promise<StorePlace> {
  const name = `place-${process.pid}-${places++}`
  if (original !== undefined) await eachKey(url, original, (client, key) => copy(client, key, name))
  return {
    open: (env, node) => RedisStore.open(resolveRedisOptions(url, { ...options, name }), env, node),
    copy: () => redisPlace(url, options, name),
    remove: () => eachKey(url, name, (client, key) => client.unlink(key)),
  }
}

function copy(client: Redis, key: string, name: string): Promise<unknown> {
  return client.copy(key, key.replace(/\{.*\}/, `{${name}}`))
}

async function eachKey(
  url: string,
  name: string,
  action: (client: Redis, key: string) => Promise<unknown>,
): Promise<void> {
  const client = new Redis(url)
  for (const key of await client.keys(`skerry:{${name}}:*`)) await action(client, key)
  client.disconnect()
}
