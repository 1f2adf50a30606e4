import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Counter, Histogram, type MetricValueWithName, type Registry } from 'prom-client'

/** Upper bounds of the buckets of durations, in seconds. */
const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

const DURATION = 'skerry_http_request_duration_seconds'
const HELP = 'From the head of a request to the end of its answer.'

type Label = 'method' | 'route'

/** What stands for the route of a request that has none. */
const NO_ROUTE = 'none'

const FIGURES = Symbol('figures')

/**
 * Numbers about requests. They are counted plainly, and told to prom-client when it asks: it looks labels and
 * buckets up for each observation, which a request would notice.
 */
export class RequestFigures {
  readonly #requests: Counter
  readonly #durations: Durations
  readonly #routes = new Map<string, RouteFigures>()

  constructor(registry: Registry) {
    const registers = [registry]
    this.#requests = new Counter({
      name: 'skerry_http_requests_total',
      help: 'Answers, by route and status.',
      labelNames: ['method', 'route', 'status'],
      registers,
      collect: () => {
        for (const [route, figures] of this.#routes) figures.tell(route, this.#requests)
      },
    })
    this.#durations = new Durations(registry, this.#routes)
  }

  /** Has requests know the figures of their route, for routes from now on: asking Fastify for it costs more. */
  follow(app: FastifyInstance): void {
    app.addHook('onRoute', (route) => {
      const figures = this.#of(route.url)
      const know = ({ raw }: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
        raw[FIGURES] = figures
        done()
      }
      route.onRequest = [know, ...[route.onRequest ?? []].flat()]
    })
  }

  /** Has a request know its figures that was refused before its route was come to. */
  refused({ raw, routeOptions }: FastifyRequest): void {
    raw[FIGURES] ??= this.#of(routeOptions.url ?? NO_ROUTE)
  }

  /** Counts an answer that has gone out. */
  answered(request: IncomingMessage, { statusCode }: ServerResponse, elapsedMs: number): void {
    const figures = request[FIGURES] ?? this.#of(NO_ROUTE)
    figures.answered(request.method!, statusCode, elapsedMs)
  }

  /** @param route the pattern of a route, never the path that was asked for */
  #of(route: string): RouteFigures {
    let figures = this.#routes.get(route)
    if (figures === undefined) this.#routes.set(route, (figures = new RouteFigures()))
    return figures
  }
}

/** The figures of one route, by method. */
class RouteFigures {
  readonly series = new Map<string, Series>()

  answered(method: string, status: number, elapsedMs: number): void {
    let series = this.series.get(method)
    if (series === undefined) this.series.set(method, (series = new Series()))
    series.observe(status, elapsedMs / 1000)
  }

  /** Tells prom-client what was counted since it asked last. */
  tell(route: string, requests: Counter): void {
    for (const [method, { statuses }] of this.series) {
      for (const [status, count] of statuses) {
        requests.inc({ method, route, status: String(status) }, count)
      }
      statuses.clear()
    }
  }
}

/** How long requests took. */
class Durations extends Histogram<Label> {
  readonly #routes: ReadonlyMap<string, RouteFigures>

  constructor(registry: Registry, routes: ReadonlyMap<string, RouteFigures>) {
    const registers = [registry]
    super({ name: DURATION, help: HELP, labelNames: ['method', 'route'], buckets: [], registers })
    this.#routes = routes
  }

  /** What the registry and `get` of prom-client's own ask; its types don't tell. */
  async getForPromString() {
    const values = [...this.#routes].flatMap(([route, figures]) =>
      [...figures.series].flatMap(([method, series]) => series.values({ method, route })),
    )
    return { name: DURATION, help: HELP, type: 'histogram', aggregator: 'sum', values }
  }

  override reset(): void {
    super.reset()
    // The constructor of prom-client calls it too.
    if (!(#routes in this)) return
    for (const { series } of this.#routes.values()) for (const each of series.values()) each.reset()
  }
}

/** What came of one route's requests of one method. */
class Series {
  /** How many were answered with a status, since it was told last. */
  readonly statuses = new Map<number, number>()
  /** How many fell into each bucket and into none before it; the last one has no upper bound. */
  readonly #counts = new Array<number>(BUCKETS_SECONDS.length + 1).fill(0)
  #sum = 0

  observe(status: number, seconds: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    let at = 0
    while (at < BUCKETS_SECONDS.length && seconds > BUCKETS_SECONDS[at]!) at++
    this.#counts[at]!++
    this.#sum += seconds
  }

  reset(): void {
    this.#counts.fill(0)
    this.#sum = 0
  }

  values(labels: Readonly<Record<Label, string>>): MetricValueWithName<Label | 'le'>[] {
    let count = 0
    const buckets = this.#counts.map((more, at) => {
      const le = BUCKETS_SECONDS[at] ?? '+Inf'
      return { metricName: `${DURATION}_bucket`, labels: { le, ...labels }, value: (count += more) }
    })
    return [
      ...buckets,
      { metricName: `${DURATION}_sum`, labels, value: this.#sum },
      { metricName: `${DURATION}_count`, labels, value: count },
    ]
  }
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Where its answer is counted; undefined until its route was come to. */
    [FIGURES]?: RouteFigures
  }
}
