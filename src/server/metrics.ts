import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Commit } from '../store/store.ts'
import { adminOnly } from './access.ts'
import type { NodeStatus } from './health.ts'

/** Upper bounds of the buckets of durations, in seconds. */
const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** The most peers that are named; a label is never made up by who asks. */
const MAX_NAMED_PEERS = 100

/** How finely delays of the event loop are measured. */
const LOOP_RESOLUTION_MS = 20

const NS_PER_SECOND = 1e9

/** What metrics are read from. */
export interface MetricsSource {
  status(): NodeStatus
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
  readonly #source: MetricsSource
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  readonly #connections = new Set<Socket>()
  readonly #unwatch: () => void
  #closedBytes = 0

  constructor(source: MetricsSource) {
    this.#source = source
    this.#loop.enable()
    const changes = this.#counter('skerry_changes_total', 'Changes stored, own and of peers.')
    this.#unwatch = source.watch((commit) => changes.inc(commit.changes.length))
    this.#storeGauges()
    this.#clientGauges()
    this.#linkGauges()
    this.#processGauges()
  }

  /** Counts what the application serves, and adds the route. */
  serve(app: FastifyInstance): void {
    this.#countRequests(app)
    app.server.on('connection', (socket) => {
      this.#connections.add(socket)
      socket.once('close', () => {
        this.#connections.delete(socket)
        this.#closedBytes += socket.bytesWritten
      })
    })
    app.get('/metrics', { onRequest: adminOnly }, async (_request, reply) => {
      void reply.type(this.registry.contentType)
      return this.registry.metrics()
    })
  }

  /** Measures no more. */
  close(): void {
    this.#unwatch()
    this.#loop.disable()
  }

  #countRequests(app: FastifyInstance): void {
    const registers = [this.registry]
    const labelNames = ['method', 'route', 'status'] as const
    const name = 'skerry_http_requests_total'
    const children = new Map<string, { count: number; flush(): void; observe(s: number): void }>()
    const requests = new Counter({
      name,
      help: 'Answers, by route and status.',
      labelNames,
      registers,
      collect: () => {
        for (const child of children.values()) child.flush()
      },
    })
    const durations = new Histogram({
      name: 'skerry_http_request_duration_seconds',
      help: 'From the head of a request to the end of its answer.',
      labelNames: ['method', 'route'] as const,
      buckets: BUCKETS_SECONDS,
      registers,
    })
    app.addHook('onResponse', (request, reply, done) => {
      const { method } = request
      const route = routeOf(request)
      const key = `${method} ${route} ${reply.statusCode}`
      let child = children.get(key)
      if (child === undefined) {
        child = requestChild(
          requests.labels({ method, route, status: String(reply.statusCode) }),
          durations.labels({ method, route }),
        )
        children.set(key, child)
      }
      child.count++
      child.observe(reply.elapsedTime / 1000)
      done()
    })
  }

  #storeGauges(): void {
    this.#gauge('skerry_store_seq', 'The newest durable sequence number.', (gauge) =>
      gauge.set(this.#source.status().seq),
    )
    this.#gauge('skerry_uptime_seconds', 'Since the node was made.', (gauge) =>
      gauge.set(this.#source.status().uptimeMs / 1000),
    )
    this.#gauge('skerry_ready', '1 while the node serves.', (gauge) =>
      gauge.set(this.#source.status().ready ? 1 : 0),
    )
  }

  #clientGauges(): void {
    this.#gauge('skerry_sockets', 'Open WebSockets, links of nodes included.', (gauge) =>
      gauge.set(this.#source.status().sockets),
    )
    this.#gauge('skerry_connections', 'Open connections.', (gauge) =>
      gauge.set(this.#connections.size),
    )
    this.#gauge('skerry_watched', 'Paths and globs that are watched.', (gauge) =>
      gauge.set(this.#source.status().watched),
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
      gauge.set(this.#source.status().sync.links.filter(({ open }) => open).length),
    )
    this.#gauge('skerry_links_waiting', 'Addresses that no link reaches now.', (gauge) =>
      gauge.set(this.#source.status().sync.waiting.length),
    )
    const lag = new Gauge({
      name: 'skerry_link_lag_changes',
      help: 'Changes that a peer has yet to make durable.',
      labelNames: ['peer'] as const,
      registers: [this.registry],
      collect: () => {
        lag.reset()
        const { links } = this.#source.status().sync
        for (const { peer, lag: changes } of links.slice(0, MAX_NAMED_PEERS)) {
          if (peer !== undefined) lag.set({ peer }, changes)
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

  /** @param total read when asked for, if given; it only grows */
  #counter(name: string, help: string, total?: () => number): Counter {
    let told = 0
    const counter: Counter = new Counter({
      name,
      help,
      registers: [this.registry],
      ...(total !== undefined && {
        collect: () => {
          const now = total()
          counter.inc(Math.max(0, now - told))
          told = Math.max(told, now)
        },
      }),
    })
    return counter
  }
}

/** Counts by itself between two collections: a counter of prom-client hashes its labels each time. */
function requestChild(counter: Counter.Internal, histogram: Histogram.Internal<string>) {
  return {
    count: 0,
    flush() {
      counter.inc(this.count)
      this.count = 0
    },
    observe: (seconds: number) => histogram.observe(seconds),
  }
}

/** The pattern of a route, never the path that was asked for. */
function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? 'none'
}
