import { skerryError } from '../core/errors.ts'
import { DEFAULT_MAX_CLOCK_DRIFT_MS } from '../core/hlc.ts'
import { covers, EVERYTHING } from '../core/path.ts'
import type { HistoryCounts } from '../state/keeping.ts'
import { DEFAULT_TOMBSTONE_TTL_MS } from '../sync/options.ts'
import { isLoopback } from './access/host.ts'
import { checks } from './checks.ts'
import type { ResolvedOptions, ServerOptions } from './options.ts'
import { nativeKeys, type ResolvedPivot, resolvePivot } from './pivot/options.ts'

/** The default of `bodyLimitBytes`: 10 MiB. */
const DEFAULT_BODY_LIMIT_BYTES = 10 * 1024 * 1024

/** The default of `requestTimeoutMs`: 5 minutes. */
const DEFAULT_REQUEST_TIMEOUT_MS = 300_000

/**
 * Checks the options and fills in the defaults.
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID, SKERRY_HOST_INSECURE, and for `keys` SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED
 */
export function resolveOptions(options: ServerOptions): ResolvedOptions {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) throw skerryError('OPTION_UNKNOWN', name)
    if (value !== undefined) checks[name as keyof ServerOptions](name, value)
  }
  const { data, memory = false, host = '127.0.0.1', insecure = false } = options
  checkStorage(options)
  const authenticated = options.tokenFile !== undefined || options.jwt !== undefined
  if (!insecure && !authenticated && !isLoopback(host)) throw skerryError('HOST_INSECURE', host)
  const pivot = resolvePivot(options.keys ?? [EVERYTHING], options.leader, options)
  assertReached(pivot, options.history)
  return Object.freeze({
    host,
    port: options.port ?? 8800,
    data: memory || options.store !== undefined ? undefined : (data ?? 'skerry-data'),
    store: options.store,
    id: options.id,
    keys: Object.freeze(nativeKeys(pivot)),
    pivot,
    leader: options.leader,
    peers: Object.freeze([...(options.peers ?? [])]),
    maxClockDriftMs: options.maxClockDriftMs ?? DEFAULT_MAX_CLOCK_DRIFT_MS,
    tombstoneTtlMs: options.tombstoneTtlMs ?? DEFAULT_TOMBSTONE_TTL_MS,
    bodyLimitBytes: options.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES,
    requestTimeoutMs: options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    secretFile: options.secretFile,
    allowUnsigned: Object.freeze([...(options.allowUnsigned ?? [])]),
    tokenFile: options.tokenFile,
    peerTokenFile: options.peerTokenFile,
    jwt: options.jwt && Object.freeze({ ...options.jwt }),
    tls: options.tls && Object.freeze({ ...options.tls }),
    allowedHosts: Object.freeze([...(options.allowedHosts ?? [])]),
    maxRequestsPerMinute: options.maxRequestsPerMinute ?? 0,
    maxConnections: options.maxConnections ?? 60_000,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? 16_384,
    maxSockets: options.maxSockets ?? 50_000,
    maxSocketsPerClient: options.maxSocketsPerClient ?? 10_000,
    insecure,
    allowedOrigins: Object.freeze([...(options.allowedOrigins ?? [])]),
    filters: Object.freeze({ ...options.filters }),
    history: Object.freeze({ ...options.history }),
    static: options.static ?? false,
    logger: options.logger,
    onConflict: options.onConflict,
    cluster: options.cluster,
    events: options.events,
  })
}

/** A key with a store of its own is not served, and so has no history here. */
function assertReached({ keys }: ResolvedPivot, history: HistoryCounts = {}): void {
  for (const pattern of Object.keys(history)) {
    const key = keys.find(({ path, store }) => store !== undefined && covers(path, pattern))
    if (key === undefined) continue
    const why = `'${key.path}' has a store of its own, of which no history is kept; leave it out`
    throw skerryError('OPTION_INVALID', 'history', pattern, why)
  }
}

/** Entries are kept in one place. */
function checkStorage({ data, memory, store }: ServerOptions): void {
  const given = [memory === true && 'memory', store && 'store', data !== undefined && 'data']
  const [first, second] = given.filter((name) => typeof name === 'string')
  if (first === undefined || second === undefined) return
  const value = first === 'memory' ? true : 'given'
  throw skerryError('OPTION_INVALID', first, value, `'${second}' is set too; leave one of them out`)
}
