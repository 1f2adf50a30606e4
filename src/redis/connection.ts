import { Cluster, Redis } from 'ioredis'
import type { ChainableCommander, RedisOptions as ClientOptions } from 'ioredis'
import type { ConnectionOptions } from 'node:tls'
import { messageOf, skerryError } from '../core/errors.ts'

/** Where a Redis or Valkey is. */
export interface RedisOptions {
  /** `redis://[user:password@]host:port[/database]`, `rediss://` for TLS; default localhost. */
  url?: string
  username?: string
  password?: string
  /** Database number; not with Redis Cluster, which has only one; default 0. */
  database?: number
  /** True, or options of Node's TLS such as `ca`. */
  tls?: boolean | ConnectionOptions
  /** Redis Cluster: some of its nodes, `host:port`. */
  cluster?: readonly string[]
  /** Sentinel: some of them, `host:port`, and the name of the master they watch. */
  sentinel?: {
    readonly name: string
    readonly nodes: readonly string[]
    readonly password?: string
  }
  /** Until a connection attempt or a command that isn't answered fails; default 5,000. */
  timeoutMs?: number
}

export type Client = Redis | Cluster
export type { ChainableCommander }

const TIMEOUT_MS = 5_000
const RECONNECT_MAX_MS = 1_000

const OPTIONS = [
  'url',
  'username',
  'password',
  'database',
  'tls',
  'cluster',
  'sentinel',
  'timeoutMs',
]

/**
 * A client that is not connected yet. It never queues commands while it is offline: they fail, and
 * whoever sent them tries again, so nothing old is executed late.
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 */
export function newClient(options: RedisOptions): Client {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw skerryError('OPTION_UNKNOWN', name)
  }
  const common = { ...fromUrl(options.url), ...credentials(options), ...behaviour(options) }
  if (options.cluster) {
    if (common.db) {
      throw skerryError('OPTION_INVALID', 'database', common.db, 'Redis Cluster has only number 0')
    }
    return new Cluster(options.cluster.map(endpoint), {
      redisOptions: common,
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: backoff,
    })
  }
  if (options.sentinel) {
    const { name, nodes, password } = options.sentinel
    const sentinels = nodes.map(endpoint)
    const secret = password === undefined ? {} : { sentinelPassword: password }
    return new Redis({ ...common, ...secret, name, sentinels, sentinelRetryStrategy: backoff })
  }
  return new Redis(common)
}

/**
 * Connects, trying again until the deadline.
 * @throws an error with the latest reason
 */
export async function connect(client: Client, timeoutMs = TIMEOUT_MS): Promise<void> {
  let reason = `no connection within ${timeoutMs} ms`
  const onError = (error: unknown): void => void (reason = messageOf(error))
  client.on('error', onError)
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(reason)), timeoutMs)
      client.once('ready', () => {
        clearTimeout(timer)
        resolve()
      })
      client.connect().catch(onError)
    })
  } catch (error) {
    client.disconnect()
    throw error
  }
}

function fromUrl(url = 'redis://127.0.0.1:6379'): ClientOptions {
  const why = 'give redis://[user:password@]host:port[/database], or rediss:// for TLS'
  if (!URL.canParse(url)) throw skerryError('OPTION_INVALID', 'url', withoutPassword(url), why)
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  const database = pathname.replace(/^\//, '')
  if (!/^rediss?:$/.test(protocol) || !/^\d*$/.test(database)) {
    throw skerryError('OPTION_INVALID', 'url', withoutPassword(url), why)
  }
  return {
    host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: Number(port || 6379),
    db: Number(database || 0),
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  }
}

function credentials({ username, password, database, tls }: RedisOptions): ClientOptions {
  if (database !== undefined && (!Number.isInteger(database) || database < 0)) {
    throw skerryError('OPTION_INVALID', 'database', database, 'give a whole number from 0')
  }
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { db: database }),
    ...(tls === undefined || tls === false ? {} : { tls: tls === true ? {} : tls }),
  }
}

function behaviour({ timeoutMs = TIMEOUT_MS }: RedisOptions): ClientOptions {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    retryStrategy: backoff,
    // What was the master is a replica now: ask anew where the master is.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  }
}

function backoff(attempt: number): number {
  return Math.min(RECONNECT_MAX_MS, 50 * 2 ** Math.min(attempt, 10))
}

function endpoint(text: string): { host: string; port: number } {
  const [, host, port] = /^(?:rediss?:\/\/)?\[?(.+?)\]?:(\d+)$/.exec(text) ?? []
  if (host === undefined) {
    throw skerryError('OPTION_INVALID', 'registry', text, 'give host:port for each node')
  }
  return { host, port: Number(port) }
}

function withoutPassword(url: string): string {
  return url.replace(/:[^:@/]*@/, ':…@')
}
