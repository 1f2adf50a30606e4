import type { ServerClusterOptions } from './cluster/options.ts'
import type { ServerEventsOptions } from './events/options.ts'
import type { JwtOptions } from './access/jwt.ts'
import type { Filters } from '../state/filters.ts'
import type { HistoryCounts } from '../state/keeping.ts'
import type { StoreOpener } from '../store/opener.ts'
import type { Conflict } from '../sync/options.ts'
import type { Logger } from './log.ts'
import type { KeyOptions, PivotOptions, ResolvedPivot } from './pivot/options.ts'
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
  /** After so many ms a tombstone goes, though a known peer lacks it; at least 60,000. Default 2,592,000,000: 30 days. */
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
