import type { CommitLevel, IntervalLength } from '../events.ts'

/** What `serve` runs with, once flags, environment, config file and defaults are brought together. */
export interface Settings {
  readonly host: string
  readonly port: number
  readonly data?: string
  readonly memory?: boolean
  readonly redis?: string
  readonly redisName?: string
  readonly redisDurability?: 'full' | 'relaxed'
  readonly id?: string
  readonly key?: readonly string[]
  readonly localKey?: readonly string[]
  readonly keyLeader?: readonly string[]
  readonly history?: readonly string[]
  readonly leader?: string
  readonly peer?: readonly string[]
  readonly nodesKey?: string
  readonly extraNode?: readonly string[]
  readonly advertise?: string
  readonly allowedPeerNetwork?: readonly string[]
  readonly nodeCheckIntervalMs?: number
  readonly maxClockDriftMs?: number
  readonly tombstoneTtlMs?: number
  readonly bodyLimitBytes?: number
  readonly requestTimeoutMs?: number
  readonly allowedOrigin?: readonly string[]
  readonly allowedHost?: readonly string[]
  readonly tokenFile?: string
  readonly peerTokenFile?: string
  readonly secretFile?: string
  readonly allowUnsigned?: readonly string[]
  readonly jwks?: string
  readonly jwtIssuer?: string
  readonly jwtAudience?: string
  readonly jwtAlgorithm?: readonly string[]
  readonly jwtRightsClaim?: string
  readonly maxRequestsPerMinute?: number
  readonly maxConnections?: number
  readonly maxConnectionsPerAddress?: number
  readonly maxSockets?: number
  readonly maxSocketsPerClient?: number
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsClientCa?: string
  readonly cluster?: string
  readonly registry?: string
  readonly zone?: string
  readonly region?: string
  readonly weight?: number
  readonly slots?: number
  readonly heartbeatIntervalMs?: number
  readonly leaseMs?: number
  readonly replicationFactor?: number
  readonly commitLevel?: CommitLevel
  readonly otherZoneReplicas?: number
  readonly otherRegionReplicas?: number
  readonly eventInterval?: IntervalLength
  readonly static?: boolean
  readonly open?: readonly string[]
  readonly insecure?: boolean
  readonly json?: boolean
  readonly logLevel: string
}

export type SettingName = keyof Settings

/** One option of `serve`: from this table come its flag, its variable and its config member. */
export interface Setting {
  readonly name: SettingName
  readonly type: 'string' | 'integer' | 'boolean' | 'strings'
  /** What stands for the value in the help, such as `<dir>`. */
  readonly value?: string
  readonly description: string
  /** What the value must be, for error messages. */
  readonly expected: string
  readonly limits?: Readonly<Record<string, unknown>>
  readonly fallback?: string | number | boolean
}
