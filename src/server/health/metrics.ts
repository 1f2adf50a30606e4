import type { FastifyInstance } from 'fastify'
import type { Socket } from 'node:net'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Registry } from 'prom-client'
import type { Commit } from '../../store/store.ts'
import type { KeyLag } from '../../sync/lag.ts'
import { adminOnly } from '../access/access.ts'
import { type NodeStatus, peerLags, type PivotHealth, pivotHealths } from './health.ts'
import { RequestFigures } from './requests.ts'

/** The most peers that are named; a label is never made up by who asks. */
const MAX_NAMED_PEERS = 100

/** How finely delays of the event loop are measured. */
const LOOP_RESOLUTION_MS = 20

const NS_PER_SECOND = 1e9

/** The most pairs of a peer and a key whose lag is told. */
const MAX_NAMED_LAGS = 1000

/** What metrics are read from. */
export interface MetricsSource {
  status(): NodeStatus
  /** Waits a moment for figures that are counted from time to time. */
  fresh(): Promise<void>
  /** How often a slow subscriber got one snapshot in the place of patches. */
  readonly collapses: number
  /** How many subscribe, all patterns together. */
  readonly subscribers: number
  watch(listener: (commit: Commit) => void): () => void
}

/** What `GET /metrics` tells: numbers about a node, in a registry of its own. */
export class Metrics {
  /** Add metrics of your own here; their names had better not begin with `skerry_`. */
  readonly registry = new Registry()
  /** To be told of every answer. */
  readonly requests = new RequestFigures(this.registry)
  readonly #source: MetricsSource
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  readonly #connections = new Set<Socket>()
  readonly #unwatch: () => void
  #changes = 0
  #closedBytes = 0
  #made: NodeStatus | undefined

  constructor(source: MetricsSource) {
    this.#source = source
    this.#loop.enable()
    this.#unwatch = source.watch((commit) => (this.#changes += commit.changes.length))
    const stored = 'Changes stored, own and of peers.'
    this.#counter('skerry_changes_total', stored, () => this.#changes)
    this.#storeGauges()
    this.#clientGauges()
    this.#linkGauges()
    this.#processGauges()
  }

  /** Follows the application's connections, and adds the route. */
  serve(app: FastifyInstance): void {
    app.server.on('connection', (socket) => {
      this.#connections.add(socket)
      socket.once('close', () => {
        this.#connections.delete(socket)
        this.#closedBytes += socket.bytesWritten
      })
    })
    app.get('/metrics', { onRequest: adminOnly }, async (_request, reply) => {
      await this.#source.fresh()
      void reply.type(this.registry.contentType)
      return this.registry.metrics()
    })
  }

  /** Measures no more. */
  close(): void {
    this.#unwatch()
    this.#loop.disable()
  }

  /**
   * How the node is, made once for all metrics of a scrape: the registry collects them in one turn. They so agree with
   * each other, and a large node does not count its peers over again for each.
   */
  #status(): NodeStatus {
    if (this.#made === undefined) queueMicrotask(() => (this.#made = undefined))
    this.#made ??= this.#source.status()
    return this.#made
  }

  #storeGauges(): void {
    this.#gauge('skerry_store_seq', 'The newest durable sequence number.', (gauge) =>
      gauge.set(this.#status().seq),
    )
    this.#gauge('skerry_uptime_seconds', 'Since the node was made.', (gauge) =>
      gauge.set(this.#status().uptimeMs / 1000),
    )
    this.#gauge('skerry_ready', '1 while the node serves.', (gauge) =>
      gauge.set(this.#status().ready ? 1 : 0),
    )
  }

  #clientGauges(): void {
    this.#gauge('skerry_sockets', 'Open WebSockets, links of nodes included.', (gauge) =>
      gauge.set(this.#status().sockets),
    )
    this.#gauge('skerry_connections', 'Open connections.', (gauge) =>
      gauge.set(this.#connections.size),
    )
    this.#gauge('skerry_watched', 'Paths and globs that are watched.', (gauge) =>
      gauge.set(this.#status().watched),
    )
    this.#gauge('skerry_subscribers', 'Subscriptions, all paths and globs together.', (gauge) =>
      gauge.set(this.#source.subscribers),
    )
    this.#counter(
      'skerry_subscriber_collapses_total',
      'Times that a slow subscriber got a snapshot in the place of patches.',
      () => this.#source.collapses,
    )
    const sent = 'Bytes written to connections, sockets and links that clients and peers opened.'
    this.#counter('skerry_sent_bytes_total', sent, () => this.#sentBytes())
  }

  #linkGauges(): void {
    this.#gauge('skerry_links', 'Links with peers on which changes flow.', (gauge) =>
      gauge.set(this.#status().sync.links.filter(({ open }) => open).length),
    )
    this.#gauge('skerry_links_waiting', 'Addresses that no link reaches now.', (gauge) =>
      gauge.set(this.#status().sync.waiting.length),
    )
    this.#counter(
      'skerry_conflicts_total',
      'Versions overruled by others whose writers did not know of them.',
      () => this.#status().sync.conflicts,
    )
    this.#gauge('skerry_commits_waiting', 'Writes that wait for other nodes.', (gauge) =>
      gauge.set(this.#status().sync.waitingCommits),
    )
    const entries = 'Paths with a change that a peer has yet to make durable, linked or away.'
    this.#lagGauge('skerry_link_lag_changes', entries, (lag) => lag.entries)
    const seconds = 'How long ago the oldest change was written that a peer lacks.'
    this.#lagGauge('skerry_link_lag_seconds', seconds, (lag) => lag.seconds)
    this.#pivotGauges()
  }

  /** Nodes and leaders of the pivot protocol, as this node sees them. */
  #pivotGauges(): void {
    const healthy = '1 while a node or leader of the pivot protocol is healthy and compatible.'
    this.#peerGauge('skerry_pivot_peer_healthy', healthy, ({ healthy: is }) => (is ? 1 : 0))
    const checked = 'When it was checked last, in seconds since the Unix epoch; 0 before that.'
    this.#peerGauge('skerry_pivot_peer_checked_seconds', checked, ({ lastCheck }) =>
      lastCheck === null ? 0 : Date.parse(lastCheck) / 1000,
    )
  }

  #peerGauge(name: string, help: string, figure: (health: PivotHealth) => number): void {
    const registers = [this.registry]
    const gauge = new Gauge({
      ...{ name, help, registers, labelNames: ['peer'] as const },
      collect: () => {
        gauge.reset()
        const healths = pivotHealths(this.#status()).slice(0, MAX_NAMED_PEERS)
        for (const health of healths) gauge.set({ peer: health.peer }, figure(health))
      },
    })
  }

  /** Peers by native links, nodes that this one leads by the pivot protocol, and leaders that it follows so. */
  #lagGauge(name: string, help: string, figure: (lag: KeyLag) => number): void {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ['peer', 'key'] as const,
      registers: [this.registry],
      collect: () => {
        gauge.reset()
        const lags = peerLags(this.#status())
          .filter(({ lag }) => lag.length > 0)
          .slice(0, MAX_NAMED_PEERS)
          .flatMap(({ peer, lag }) => lag.map((one) => ({ peer, ...one })))
        for (const lag of lags.slice(0, MAX_NAMED_LAGS)) {
          gauge.set({ peer: lag.peer, key: lag.key }, figure(lag))
        }
      },
    })
  }

  #processGauges(): void {
    this.#gauge('skerry_resident_memory_bytes', 'Memory of the process.', (gauge) =>
      gauge.set(process.memoryUsage.rss()),
    )
    const lag = new Gauge({
      name: 'skerry_event_loop_lag_seconds',
      help: 'How late the event loop was, since the last time this was asked for.',
      labelNames: ['quantile'] as const,
      registers: [this.registry],
      collect: () => {
        for (const percent of [50, 99, 100]) {
          const ns = this.#loop.percentile(percent)
          lag.set({ quantile: String(percent / 100) }, Math.max(0, ns / NS_PER_SECOND))
        }
        this.#loop.reset()
      },
    })
  }

  #sentBytes(): number {
    let bytes = this.#closedBytes
    for (const { bytesWritten } of this.#connections) bytes += bytesWritten
    return bytes
  }

  #gauge(name: string, help: string, set: (gauge: Gauge) => void): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.registry],
      collect: () => set(gauge),
    })
  }

  /** @param total read when asked for; it only grows */
  #counter(name: string, help: string, total: () => number): void {
    let told = 0
    const counter: Counter = new Counter({
      name,
      help,
      registers: [this.registry],
      collect: () => {
        const now = total()
        counter.inc(Math.max(0, now - told))
        told = Math.max(told, now)
      },
    })
  }
}
