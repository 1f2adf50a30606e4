// What the dashboard reads of GET /_skerry/status. A node may be older or newer than its page: what may be missing is
// optional, and what is not known here is not shown.

/** How far a peer is behind with a key. */
export interface KeyLag {
  readonly key: string
  readonly entries: number
  readonly seconds: number
  /** True: both are "at least". */
  readonly more?: boolean
}

export interface LinkStatus {
  readonly peer?: string
  readonly url?: string
  readonly leads: boolean
  readonly open: boolean
  readonly keys: readonly string[]
  readonly unrepaired: readonly string[]
  readonly repairing?: { readonly key: string; readonly done: number; readonly total: number }
  readonly doubted: readonly string[]
  readonly clockOffsetMs?: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly refused: {
    readonly count: number
    readonly named: readonly { readonly path: string; readonly why: string }[]
  }
}

export interface WaitingStatus {
  readonly url: string
  readonly leads: boolean
  readonly failures: number
  readonly lastError?: string
}

export interface PeerStatus {
  readonly peer: string
  readonly linked: boolean
  readonly durable: boolean
  readonly forgotten: boolean
  readonly sinceMs: number
  readonly keys: readonly string[]
  readonly lag?: readonly KeyLag[]
}

export interface SyncStatus {
  readonly keys: readonly string[]
  readonly links: readonly LinkStatus[]
  readonly waiting: readonly WaitingStatus[]
  readonly peers: readonly PeerStatus[]
  readonly collection: { readonly collected: number; readonly lastError?: string }
  readonly withheld: number
  readonly conflicts: number
  readonly waitingCommits?: number
}

export interface PivotNode {
  readonly address: string
  readonly healthy: boolean
  readonly lastCheck: string | null
  readonly protocol: string
  readonly compatible: boolean
  readonly reason: string
  readonly lag?: readonly KeyLag[]
}

export interface PivotLeader {
  readonly leader: string
  /** False while a native link does all this. */
  readonly active: boolean
  readonly failures: number
  readonly lastError: string | null
  readonly healthy?: boolean
  readonly lastCheck?: string | null
  readonly keys: readonly {
    readonly lag?: KeyLag
    readonly undeliverable: {
      readonly count: number
      readonly named: readonly { readonly path: string; readonly reason: string }[]
    }
  }[]
}

export interface PivotStatus {
  readonly nodes: readonly PivotNode[]
  readonly ignoredNodes: number
  readonly leaders: readonly PivotLeader[]
}

export interface Member {
  readonly id: string
  readonly address: string
  readonly port: number
  readonly zone: string
  readonly region: string
  readonly weight: number
  readonly status: string
  readonly ready: boolean
  readonly draining: boolean
  readonly failures: number
  readonly slots: number
}

export interface ClusterStatus {
  readonly name: string
  readonly registry: string
  readonly state: string
  readonly lastError?: string
  readonly leader?: string
  readonly term?: number
  readonly recovering?: boolean
  readonly members?: readonly Member[]
}

export interface EventsStatus {
  readonly peers: number
  readonly inFlight: number
  readonly hints: number
  readonly underReplicated: number
  readonly handedOff: number
  readonly conflicts: number
  readonly errors: number
  readonly puts: Readonly<Record<string, number>>
  readonly repair: Readonly<Record<string, number>>
}

export interface Status {
  readonly id: string
  readonly version: string
  readonly url: string
  readonly ready: boolean
  readonly durable: boolean
  readonly leads: boolean
  readonly epoch: string
  readonly run: string
  readonly seq: number
  readonly uptimeMs: number
  readonly sockets: number
  readonly watched: number
  readonly sync: SyncStatus
  readonly pivot: PivotStatus
  readonly cluster?: ClusterStatus
  readonly events?: EventsStatus
}
