import { skerryError } from '../core/errors.ts'
import { DEFAULT_MAX_CLOCK_DRIFT_MS } from '../core/hlc.ts'
import { covers, EVERYTHING } from '../core/path.ts'
import { linkUrl } from './address.ts'
import type { ServerClusterOptions } from './cluster/options.ts'
import type { ServerEventsOptions } from './events/options.ts'
import { isLoopback } from './access/host.ts'
import { isKeyFile, JWT_ALGORITHMS, type JwtOptions } from './access/jwt.ts'
import type { Filters } from '../state/filters.ts'
import { assertHistory, type HistoryCounts } from '../state/keeping.ts'
import type { StoreOpener } from '../store/opener.ts'
import { type Conflict, DEFAULT_TOMBSTONE_TTL_MS } from '../sync/options.ts'
import type { Logger } from './log.ts'
import {
  checkClient,
  checkKey,
  checkNetwork,
  checkNodesKey,
  checkNodeUrl,
  type KeyOptions,
  nativeKeys,
  type PivotOptions,
  type ResolvedPivot,
  resolvePivot,
} from './pivot/options.ts'
import type { TlsOptions } from './access/tls.ts'

/** How to run a node. */
export interface ServerOptions extends PivotOptions {
  /** Address to listen on. Default `127.0.0.1`; any but loopback needs `tokenFile`, `jwt` or `insecure`. */
  readonly host?: string
  /** Port to listen on; 0 takes a free one. Default 8800. */
  readonly port?: number
  /** Directory of the data, made if it is not there. Default `skerry-data`, unless `memory` is set. */
  readonly data?: string
  /** Keeps everything in memory instead: gone when the process ends. Default false. */
  readonly memory?: boolean
  /** Keeps the entries there instead, as `redisStore` of `skerry/redis` does. Default: in `data`. */
  readonly store?: StoreOpener
  /** The node's id: 1 to 64 of `A-Za-z0-9_.-`. Default: the one kept with the data, at first a random one. */
  readonly id?: string
  /**
   * What is shared with other nodes: paths, globs, or `**` for everything. Go nodes need each key by name: one
   * path, or a glob that ends in its only `*`. Default `['**']`.
   */
  readonly keys?: readonly (string | KeyOptions)[]
  /** The leader to link to: `http(s)://`, `ws(s)://` or a bare `host:port`. Default none. */
  readonly leader?: string
  /** Peers to link to, written as the leader is. Default none. */
  readonly peers?: readonly string[]
  /** How far ahead of the clock a peer's entry may be before it is kept aside, in ms. Default 60,000. */
  readonly maxClockDriftMs?: number
  /** After so many ms a tombstone goes, though a known peer has yet to have it. Default 2,592,000,000: 30 days. */
  readonly tombstoneTtlMs?: number
  /** The largest body of a request, in bytes. Default 10,485,760. */
  readonly bodyLimitBytes?: number
  /** How long the whole of a request, its body included, may take to arrive, in ms. Default 300,000: 5 minutes. */
  readonly requestTimeoutMs?: number
  /**
   * File with the secret that the nodes of a cluster share: one a line, the preferred one first, each of at least
   * 32 characters; read again when it changes. Links are sealed with it, and requests between nodes signed; who has
   * none of them gets no link. Default none.
   */
  readonly secretFile?: string
  /**
   * Addresses, as CIDR blocks, whose requests of the pivot protocol need no signature though there is a cluster
   * secret: those of Go nodes. Default none.
   */
  readonly allowUnsigned?: readonly string[]
  /** File with tokens and what each may do, read again when it changes. Default none. */
  readonly tokenFile?: string
  /** How to check JSON Web Tokens. Default: none are taken. */
  readonly jwt?: JwtOptions
  /** File with the token to show to leader and peers; it needs the right `admin` there. Default none. */
  readonly peerTokenFile?: string
  /** Serves HTTPS with this certificate. Default: HTTP. */
  readonly tls?: TlsOptions
  /**
   * Names besides those of loopback by which a node on loopback may be called, such as that of a proxy in
   * front of it; `*` allows all. Default none.
   */
  readonly allowedHosts?: readonly string[]
  /** The most requests in a minute from one address, upgrades included; 0 for no limit. Default 0. */
  readonly maxRequestsPerMinute?: number
  /** The most connections at once; those beyond are cut off. Default 60,000. */
  readonly maxConnections?: number
  /** The most connections at once from one address (IPv6: /64). Default 16,384. */
  readonly maxConnectionsPerAddress?: number
  /** The most WebSockets at once. Default 50,000; keep it below `maxConnections`. */
  readonly maxSockets?: number
  /** The most WebSockets at once of one principal, or of one address without tokens. Default 10,000. */
  readonly maxSocketsPerClient?: number
  /** Allows `host` to be other than loopback without authentication. Default false. */
  readonly insecure?: boolean
  /**
   * Origins of web pages, such as `https://app.example`, that may write and subscribe besides the node's
   * own; `*` allows all of them. Default none.
   */
  readonly allowedOrigins?: readonly string[]
  /** Makes this node a member of a cluster, on its own or with others. Default: it is in none. */
  readonly cluster?: ServerClusterOptions
  /** Has this node keep events, with the other nodes of its cluster. Default: it keeps none. */
  readonly events?: ServerEventsOptions
  /** Filters and hooks by path or glob; see `Filter`. Default none. */
  readonly filters?: Filters
  /**
   * How many versions of a path to keep that are not the newest any more, by path or glob, as `{ 'docs/*': 10 }`: the
   * most specific one holds. From 0 to 1,000, and of a path at most 32 MiB. Default none are kept.
   */
  readonly history?: HistoryCounts
  /** Serves only what a filter opens; everything else is closed. Default false. */
  readonly static?: boolean
  /**
   * Called when one of two versions overrules the other whose writers can't have known of each other, as far as this
   * node can tell; `docs/link.md` has the rule. What it throws is logged. Default none; they are counted all the same.
   */
  readonly onConflict?: (conflict: Conflict) => unknown
  /** Where to log; pino fits. Default nowhere. */
  readonly logger?: Logger
}

/** Options checked and completed. */
export interface ResolvedOptions extends Required<
  Omit<
    ServerOptions,
    | (keyof PivotOptions | 'keys')
    | (
        | 'data'
        | 'memory'
        | 'store'
        | 'id'
        | 'leader'
        | 'tokenFile'
        | 'peerTokenFile'
        | 'jwt'
        | 'tls'
        | 'secretFile'
      )
    | ('logger' | 'cluster' | 'events' | 'onConflict')
  >
> {
  /** The keys in the store of the node. */
  readonly keys: readonly string[]
  /** All keys, and how they are shared by the pivot protocol. */
  readonly pivot: ResolvedPivot
  /** Undefined: in memory. */
  readonly data: string | undefined
  readonly store: StoreOpener | undefined
  readonly id: string | undefined
  readonly leader: string | undefined
  readonly secretFile: string | undefined
  readonly tokenFile: string | undefined
  readonly peerTokenFile: string | undefined
  readonly jwt: JwtOptions | undefined
  readonly tls: TlsOptions | undefined
  readonly logger: Logger | undefined
  readonly onConflict: ServerOptions['onConflict']
  readonly cluster: ServerClusterOptions | undefined
  readonly events: ServerEventsOptions | undefined
}

/** The default of `bodyLimitBytes`: 10 MiB. */
const DEFAULT_BODY_LIMIT_BYTES = 10 * 1024 * 1024

/** No body can be longer than the longest text. */
const MAX_BODY_LIMIT_BYTES = 256 * 1024 * 1024

/** The default of `requestTimeoutMs`: 5 minutes. */
const DEFAULT_REQUEST_TIMEOUT_MS = 300_000

/** A day: who needs longer sends less at a time. */
const MAX_REQUEST_TIMEOUT_MS = 86_400_000

/** The most keys, peers and origins that can be named. */
const MAX_NAMED = 1024

/** What no machine has open at once. */
const MAX_OPEN = 10_000_000

type Check = (name: string, value: unknown) => void

const checks: Record<keyof ServerOptions, Check> = {
  host: (name, value) => check(name, value, isText(value), 'use an address or host name'),
  port: (name, value) => checkWhole(name, value, 65_535),
  data: (name, value) => check(name, value, isText(value), 'use the path of a directory'),
  memory: checkFlag,
  store: (name, value) => check(name, value, isOpener(value), 'use one such as redisStore(url)'),
  id: (name, value) => check(name, value, isText(value), 'use 1 to 64 of A-Z a-z 0-9 _ . -'),
  keys: checkKeys,
  nodesKey: checkNodesKey,
  extraNodeUrls: (name, value) => checkTexts(name, value, (url) => checkNodeUrl(name, url)),
  advertise: (name, value) => {
    check(name, value, isText(value), 'use host:port')
    checkNodeUrl(name, value as string)
  },
  autoSyncOnStart: checkFlag,
  nodeCheckIntervalMs: (name, value) => {
    checkWhole(name, value, Number.MAX_SAFE_INTEGER)
    check(name, value, value !== 0, 'use at least 1')
  },
  allowedPeerNetworks: (name, value) =>
    checkTexts(name, value, (network) => checkNetwork(name, network)),
  nativeLink: checkFlag,
  httpClient: checkClient,
  leader: (name, value) => checkPeer(name, value),
  peers: (name, value) => checkTexts(name, value, (peer) => checkPeer(name, peer)),
  maxClockDriftMs: (name, value) => checkWhole(name, value, Number.MAX_SAFE_INTEGER),
  tombstoneTtlMs: (name, value) => {
    checkWhole(name, value, Number.MAX_SAFE_INTEGER)
    check(name, value, value !== 0, 'use at least 1')
  },
  bodyLimitBytes: (name, value) => checkWhole(name, value, MAX_BODY_LIMIT_BYTES),
  requestTimeoutMs: (name, value) => {
    checkWhole(name, value, MAX_REQUEST_TIMEOUT_MS)
    check(name, value, value !== 0, 'use at least 1')
  },
  secretFile: (name, value) => check(name, value, isText(value), 'use the path of a file'),
  allowUnsigned: (name, value) => checkTexts(name, value, (network) => checkNetwork(name, network)),
  tokenFile: (name, value) => check(name, value, isText(value), 'use the path of a file'),
  peerTokenFile: (name, value) => check(name, value, isText(value), 'use the path of a file'),
  jwt: checkJwt,
  tls: checkTls,
  allowedHosts: (name, value) => checkTexts(name, value, () => undefined),
  maxRequestsPerMinute: (name, value) => checkWhole(name, value, Number.MAX_SAFE_INTEGER),
  maxConnections: checkCount,
  maxConnectionsPerAddress: checkCount,
  maxSockets: checkCount,
  maxSocketsPerClient: checkCount,
  insecure: checkFlag,
  allowedOrigins: (name, value) => checkTexts(name, value, (text) => checkOrigin(name, text)),
  cluster: checkObject,
  events: checkObject,
  filters: (name, value) =>
    check(name, value, typeof value === 'object' && value !== null, 'use filters by path or glob'),
  history: assertHistory,
  static: checkFlag,
  onConflict: (name, value) => check(name, value, typeof value === 'function', 'use a function'),
  logger: (name, value) =>
    check(name, value, typeof value === 'object' && value !== null, 'use a logger such as pino'),
}

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

function isOpener(value: unknown): boolean {
  return typeof (value as StoreOpener | null)?.open === 'function'
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function check(name: string, value: unknown, holds: boolean, why: string): void {
  if (!holds) throw skerryError('OPTION_INVALID', name, value, why)
}

function checkObject(name: string, value: unknown): void {
  const holds = typeof value === 'object' && value !== null && !Array.isArray(value)
  check(name, value, holds, 'use an object with options')
}

function checkFlag(name: string, value: unknown): void {
  check(name, value, typeof value === 'boolean', 'use true or false')
}

function checkWhole(name: string, value: unknown, max: number): void {
  const holds = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
  check(name, value, holds, `use a whole number from 0 to ${max}`)
}

/** A bound on what is open at once: 0 would shut everybody out. */
function checkCount(name: string, value: unknown): void {
  checkWhole(name, value, MAX_OPEN)
  check(name, value, value !== 0, `use a whole number from 1 to ${MAX_OPEN}`)
}

function checkTexts(name: string, value: unknown, each: (text: string) => void): void {
  const holds = Array.isArray(value) && value.length <= MAX_NAMED && value.every(isText)
  check(name, value, holds, `use a list of at most ${MAX_NAMED} texts`)
  for (const text of value as string[]) each(text)
}

function checkKeys(name: string, value: unknown): void {
  const holds = Array.isArray(value) && value.length <= MAX_NAMED
  check(name, value, holds, `use a list of at most ${MAX_NAMED} keys`)
  for (const key of value as unknown[]) checkKey(name, key)
}

function checkPeer(name: string, value: unknown): void {
  const holds = isText(value) && linkUrl(value) !== undefined
  check(name, value, holds, 'use http(s)://host:port, ws(s)://host:port or host:port')
}

function checkOrigin(name: string, origin: string): void {
  const holds = origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin)
  check(name, origin, holds, 'use an origin such as https://app.example, or *')
}

/** Checks the members of an option that is an object: each by its own check, and no others. */
function checkMembers(
  name: string,
  value: unknown,
  members: Readonly<Record<string, { check: Check; required?: true }>>,
): void {
  const holds = typeof value === 'object' && value !== null && !Array.isArray(value)
  check(name, value, holds, `use an object with ${Object.keys(members).join(', ')}`)
  for (const member of Object.keys(value as object)) {
    if (!Object.hasOwn(members, member)) throw skerryError('OPTION_UNKNOWN', `${name}.${member}`)
  }
  for (const [member, { check: checkMember, required }] of Object.entries(members)) {
    const given = (value as Record<string, unknown>)[member]
    if (given !== undefined || required) checkMember(`${name}.${member}`, given)
  }
}

function checkText(name: string, value: unknown): void {
  check(name, value, isText(value), 'use a text that is not empty')
}

function checkTls(name: string, value: unknown): void {
  checkMembers(name, value, {
    cert: { check: checkText, required: true },
    key: { check: checkText, required: true },
    ca: { check: checkText },
    requestClientCertificate: { check: checkFlag },
  })
}

function checkJwt(name: string, value: unknown): void {
  checkMembers(name, value, {
    jwks: { check: checkJwks, required: true },
    issuer: { check: checkText, required: true },
    audience: { check: checkText, required: true },
    algorithms: {
      check: (member, given) =>
        checkTexts(member, given, (algorithm) => {
          const known = JWT_ALGORITHMS.includes(algorithm)
          check(member, algorithm, known, `use some of ${JWT_ALGORITHMS.join(' ')}`)
        }),
    },
    rightsClaim: { check: checkText },
  })
}

/** Who can forge the answer to a request for keys can sign tokens. */
function checkJwks(name: string, value: unknown): void {
  checkText(name, value)
  const jwks = value as string
  if (isKeyFile(jwks)) return
  const url = URL.canParse(jwks) ? new URL(jwks) : undefined
  const holds =
    url?.protocol === 'https:' ||
    (url !== undefined && isLoopback(url.hostname.replace(/^\[(.*)\]$/, '$1')))
  check(name, value, holds, 'use the path of a file, or https:// (http:// on loopback only)')
}
