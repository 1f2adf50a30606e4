import type { FastifyReply, FastifyRequest } from 'fastify'
import { Counter, Histogram, type MetricValueWithName, type Registry } from 'prom-client'

/** Upper bounds of the buckets of durations, in seconds. */
const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

const DURATION = 'skerry_http_request_duration_seconds'
const HELP = 'From the head of a request to the end of its answer.'

type Label = 'method' | 'route'

/**
 * Numbers about requests. They are counted plainly, and told to prom-client when it asks: it looks labels and
 * buckets up for each observation, which a request would notice.
 */
export class RequestFigures {
  readonly #requests: Counter
  readonly #durations: Durations
  readonly #figures = new Map<string, { count: number; readonly told: Counter.Internal }>()

  constructor(registry: Registry) {
    const registers = [registry]
    this.#requests = new Counter({
      name: 'skerry_http_requests_total',
      help: 'Answers, by route and status.',
      labelNames: ['method', 'route', 'status'],
      registers,
      collect: () => {
        for (const figure of this.#figures.values()) {
          figure.told.inc(figure.count)
          figure.count = 0
        }
      },
    })
    this.#durations = new Durations(registry)
  }

  /** Counts an answer that has gone out. */
  answered(request: FastifyRequest, { raw }: FastifyReply, elapsedMs: number): void {
    const { method } = request
    // The pattern of a route, never the path that was asked for.
    const route = request.routeOptions.url ?? 'none'
    const key = `${method} ${route}`
    const keyWithStatus = `${key} ${raw.statusCode}`
    let figure = this.#figures.get(keyWithStatus)
    if (figure === undefined) {
      const status = String(raw.statusCode)
      figure = { count: 0, told: this.#requests.labels({ method, route, status }) }
      this.#figures.set(keyWithStatus, figure)
    }
    figure.count++
    this.#durations.of(key, method, route).observe(elapsedMs / 1000)
  }
}

/** How long requests took. */
class Durations extends Histogram<Label> {
  readonly #series = new Map<string, Series>()

  constructor(registry: Registry) {
    const registers = [registry]
    super({ name: DURATION, help: HELP, labelNames: ['method', 'route'], buckets: [], registers })
  }

  of(key: string, method: string, route: string): Series {
    let series = this.#series.get(key)
    if (series === undefined) this.#series.set(key, (series = new Series({ method, route })))
    return series
  }

  /** What the registry and `get` of prom-client's own ask; its types don't tell. */
  async getForPromString() {
    const values = [...this.#series.values()].flatMap((series) => series.values())
    return { name: DURATION, help: HELP, type: 'histogram', aggregator: 'sum', values }
  }

  override reset(): void {
    super.reset()
    // The constructor of prom-client calls it too.
    if (#series in this) this.#series.clear()
  }
}

/** The durations of one route's requests of one method. */
class Series {
  readonly #labels: Readonly<Record<Label, string>>
  /** How many fell into each bucket and into none before it; the last one has no upper bound. */
  readonly #counts = new Array<number>(BUCKETS_SECONDS.length + 1).fill(0)
  #sum = 0

  constructor(labels: Readonly<Record<Label, string>>) {
    this.#labels = labels
  }

  observe(seconds: number): void {
    let at = 0
    while (at < BUCKETS_SECONDS.length && seconds > BUCKETS_SECONDS[at]!) at++
    this.#counts[at]!++
    this.#sum += seconds
  }

  values(): MetricValueWithName<Label | 'le'>[] {
    const labels = this.#labels
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
