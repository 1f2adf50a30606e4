import { skerryError } from '../../core/errors.ts'
import type { RedisOptions } from '../../redis/connection.ts'

/** How a store lies on Redis. */
export interface RedisStoreOptions extends Omit<RedisOptions, 'url'> {
  /** Name of the store; servers that give the same name are one node. Default `default`. */
  readonly name?: string
  /** What its keys begin with. Default `skerry`. */
  readonly prefix?: string
  /**
   * `full`: refuse a Redis that may lose what it acknowledged when its power is cut. `relaxed`: take it; the
   * status of the node then says that it is not durable. Default `full`.
   */
  readonly durability?: 'full' | 'relaxed'
  /** How long a server that is not heard keeps the links, before another one takes them. Default 5,000. */
  readonly leaseMs?: number
}

/** Options checked and completed. */
export interface ResolvedRedisOptions {
  readonly connection: RedisOptions
  /** What the keys of the store begin with; the braces keep them on one shard of a Redis Cluster. */
  readonly base: string
  readonly durability: 'full' | 'relaxed'
  readonly leaseMs: number
  readonly timeoutMs: number
}

const NAME = /^[A-Za-z0-9_.:-]{1,200}$/
const DEFAULT_TIMEOUT_MS = 5_000
const DEFAULT_LEASE_MS = 5_000

/** @throws SKERRY_OPTION_INVALID; the connection refuses what it doesn't know */
export function resolveRedisOptions(url: string, options: RedisStoreOptions): ResolvedRedisOptions {
  const { name = 'default', prefix = 'skerry', durability = 'full', ...rest } = options
  const { leaseMs = DEFAULT_LEASE_MS, ...connection } = rest
  checkName('name', name)
  checkName('prefix', prefix)
  if (durability !== 'full' && durability !== 'relaxed') {
    throw skerryError('OPTION_INVALID', 'durability', durability, "use 'full' or 'relaxed'")
  }
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = connection
  checkMs('leaseMs', leaseMs)
  checkMs('timeoutMs', timeoutMs)
  return Object.freeze({
    connection: Object.freeze({ ...connection, url, timeoutMs }),
    base: `${prefix}:{${name}}:`,
    durability,
    leaseMs,
    timeoutMs,
  })
}

function checkName(option: string, value: unknown): void {
  if (typeof value === 'string' && NAME.test(value)) return
  throw skerryError('OPTION_INVALID', option, value, 'use 1 to 200 of A-Z a-z 0-9 _ . : -')
}

function checkMs(option: string, value: unknown): void {
  if (Number.isInteger(value) && (value as number) >= 100 && (value as number) <= 3_600_000) return
  throw skerryError('OPTION_INVALID', option, value, 'use a whole number from 100 to 3600000')
}
