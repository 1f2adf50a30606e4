import { skerryError } from '../../core/errors.ts'
import { assertKey, EVERYTHING, intersect, isGlob } from '../../core/path.ts'
import type { Store } from '../../store/store.ts'
import { httpUrl } from '../../sync/pivot/address.ts'
import { isPivotPath } from '../../sync/pivot/keys.ts'
import type { HttpClient } from '../../sync/pivot/http.ts'
import { networkList } from './client.ts'

/** A key to share, where more is to be said than its path. */
export interface KeyOptions {
  /** A path, a glob, or `**` for everything. */
  readonly path: string
  /**
   * Where its entries lie. Default: the store of the node. A key with a store of its own is shared by the pivot
   * protocol only, and not served to clients; attach it to hear of writes. Whoever opened it closes it.
   */
  readonly store?: Store
  /** The leader of this key, in place of `leader`, which must be set too. Default: `leader`. */
  readonly clusterUrl?: string
  /** This node leads the key, though `leader` is set. Default false. */
  readonly local?: boolean
}

/** Options of how keys are shared with peers of the pivot protocol. */
export interface PivotOptions {
  /**
   * Where nodes register: a path or a glob like `things/*`, whose entries hold `ip` and `port`. It is shared too.
   * Default none.
   */
  readonly nodesKey?: string
  /** Further nodes to tell of changes, as `host:port` or `http://host:port`. Default none. */
  readonly extraNodeUrls?: readonly string[]
  /** This node's `host:port` as other nodes know it. Default: what it listens on. */
  readonly advertise?: string
  /** Whether to come into step with the leader at the start, rather than at its first news. Default true. */
  readonly autoSyncOnStart?: boolean
  /** How often nodes are checked, and leaders asked for news, in ms. Default 30,000. */
  readonly nodeCheckIntervalMs?: number
  /** The only networks whose addresses nodes may register with, as CIDR blocks. Default: all. */
  readonly allowedPeerNetworks?: readonly string[]
  /** Whether to link natively with a leader that offers it, and to offer it. Default true. */
  readonly nativeLink?: boolean
  /** Calls leaders and nodes in place of the built-in client (500 ms to connect, 30 s in all, pooled). */
  readonly httpClient?: HttpClient
}

/** A key with all that was said of it. */
export interface ResolvedKey {
  readonly path: string
  /** Undefined: the store of the node. */
  readonly store: Store | undefined
  /** The base address of its leader; undefined: this node leads. */
  readonly leader: string | undefined
}

/** The default of `nodeCheckIntervalMs`. */
const DEFAULT_CHECK_INTERVAL_MS = 30_000

/** Options of the pivot protocol checked and completed. */
export interface ResolvedPivot extends Required<
  Omit<PivotOptions, 'nodesKey' | 'advertise' | 'httpClient'>
> {
  readonly keys: readonly ResolvedKey[]
  readonly nodesKey: string | undefined
  readonly advertise: string | undefined
  readonly httpClient: HttpClient | undefined
}

/**
 * Works out who leads which key.
 * @param keys as given, each checked by itself
 * @throws SKERRY_OPTION_INVALID naming what contradicts what
 */
export function resolvePivot(
  keys: readonly (string | KeyOptions)[],
  leader: string | undefined,
  options: PivotOptions,
): ResolvedPivot {
  const { nodesKey } = options
  const all = keys.map((key) => resolveKey(typeof key === 'string' ? { path: key } : key, leader))
  const leaderUrl = leader === undefined ? undefined : httpUrl(leader)
  if (nodesKey !== undefined) {
    const own = all.find(({ path }) => path === nodesKey)
    if (own?.store !== undefined) {
      invalid(
        'nodesKey',
        nodesKey,
        'nodes register in the store of the node; give the key no store',
      )
    }
    const isShared = own !== undefined || all.some(({ path }) => path === EVERYTHING)
    if (!isShared) all.push({ path: nodesKey, store: undefined, leader: leaderUrl })
  }
  assertApart(all)
  if (options.nativeLink === false) all.forEach(assertNamed)
  return Object.freeze({
    extraNodeUrls: Object.freeze((options.extraNodeUrls ?? []).map(hostAndPort)),
    autoSyncOnStart: options.autoSyncOnStart ?? true,
    nodeCheckIntervalMs: options.nodeCheckIntervalMs ?? DEFAULT_CHECK_INTERVAL_MS,
    allowedPeerNetworks: Object.freeze([...(options.allowedPeerNetworks ?? [])]),
    nativeLink: options.nativeLink ?? true,
    keys: Object.freeze(all.map((key) => Object.freeze(key))),
    nodesKey,
    advertise: options.advertise === undefined ? undefined : hostAndPort(options.advertise),
    httpClient: options.httpClient,
  })
}

function resolveKey(
  { path, store, clusterUrl, local = false }: KeyOptions,
  leader: string | undefined,
): ResolvedKey {
  if (local && clusterUrl !== undefined) {
    invalid('keys', path, "it can't be 'local' and have a 'clusterUrl'; leave one of them out")
  }
  if (clusterUrl !== undefined && leader === undefined) {
    invalid(
      'keys',
      path,
      "its 'clusterUrl' needs a 'leader' for the node; set one, or leave it out",
    )
  }
  if (store !== undefined && !isPivotPath(path)) {
    invalid('keys', path, 'a key with a store of its own is one path, or ends in its only *')
  }
  const address = local ? undefined : (clusterUrl ?? leader)
  return { path, store, leader: address === undefined ? undefined : httpUrl(address) }
}

/** Keys that overlap must agree on where entries lie and who leads them. */
function assertApart(keys: readonly ResolvedKey[]): void {
  for (const [i, a] of keys.entries()) {
    for (const b of keys.slice(i + 1)) {
      if (a.path === b.path && a.store === b.store && a.leader === b.leader) continue
      if (intersect(a.path, b.path) === undefined) continue
      if (a.store !== b.store) {
        invalid('keys', b.path, `'${a.path}' overlaps with it and has another store`)
      }
      if (a.leader !== b.leader) {
        invalid('keys', b.path, `'${a.path}' overlaps with it and has another leader`)
      }
    }
  }
}

/** Without native links a key that the pivot protocol can't name would be kept in step with nobody, unsaid. */
function assertNamed(key: ResolvedKey): void {
  if (isPivotKey(key)) return
  const why =
    'without native links a key is one path, or ends in its only *; name it, or leave nativeLink on'
  invalid('keys', key.path, why)
}

/** Checks one key. @throws SKERRY_OPTION_INVALID, SKERRY_OPTION_UNKNOWN, SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED */
export function checkKey(name: string, value: unknown): void {
  if (typeof value === 'string' && value !== '') return assertKey(value)
  if (typeof value !== 'object' || value === null) {
    invalid(name, value, 'use paths, or objects with path, store, clusterUrl and local')
  }
  const key = value as Record<string, unknown>
  for (const member of Object.keys(key)) {
    if (!['path', 'store', 'clusterUrl', 'local'].includes(member)) {
      throw skerryError('OPTION_UNKNOWN', `${name}.${member}`)
    }
  }
  const { path, store, clusterUrl, local } = key
  if (typeof path !== 'string' || path === '') invalid(`${name}.path`, path, 'use a path or glob')
  assertKey(path)
  if (store !== undefined && typeof (store as Partial<Store>).watch !== 'function') {
    invalid(`${name}.store`, store, 'use a store')
  }
  if (clusterUrl !== undefined) checkUrl(`${name}.clusterUrl`, clusterUrl)
  if (local !== undefined && typeof local !== 'boolean') {
    invalid(`${name}.local`, local, 'use true or false')
  }
}

/** Checks a key under which nodes register. */
export function checkNodesKey(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') invalid(name, value, 'use a path or glob')
  assertKey(value)
  if (value === EVERYTHING || !isPivotPath(value)) {
    invalid(name, value, 'use one path, or a glob that ends in its only *')
  }
}

/** Checks CIDR blocks. */
export function checkNetwork(name: string, network: string): void {
  try {
    networkList([network])
  } catch {
    invalid(name, network, 'use CIDR blocks such as 10.0.0.0/8 or fd00::/8')
  }
}

/** Checks an address of a node to be told of changes. */
export function checkNodeUrl(name: string, address: string): void {
  const url = httpUrl(address)
  const holds = url !== undefined && /^http:\/\/[^/]+:\d+$/.test(url)
  if (!holds) invalid(name, address, 'use host:port or http://host:port')
}

/** Checks a leader's address. */
export function checkUrl(name: string, value: unknown): void {
  const holds = typeof value === 'string' && httpUrl(value) !== undefined
  if (!holds) invalid(name, value, 'use http(s)://host:port, ws(s)://host:port or host:port')
}

/** Checks what calls peers. */
export function checkClient(name: string, value: unknown): void {
  const holds = typeof (value as Partial<HttpClient> | null)?.request === 'function'
  if (!holds) invalid(name, value, 'use an object with request() and close()')
}

/** The keys that a Sync shares natively: those in the node's own store. */
export function nativeKeys({ keys }: ResolvedPivot): string[] {
  return keys.filter(({ store }) => store === undefined).map(({ path }) => path)
}

/** True if the pivot protocol can share the key. */
export function isPivotKey({ path }: ResolvedKey): boolean {
  return path !== EVERYTHING && (!isGlob(path) || isPivotPath(path))
}

function hostAndPort(address: string): string {
  return httpUrl(address)!.replace('http://', '')
}

function invalid(name: string, value: unknown, why: string): never {
  const shown = typeof value === 'string' ? `'${value}'` : typeof value
  throw skerryError('OPTION_INVALID', name, shown, why)
}
