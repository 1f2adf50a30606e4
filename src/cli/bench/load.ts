import { once } from 'node:events'
import { Pool } from 'undici'
import { WebSocket } from 'ws'
import { skerryError } from '../../index.ts'

/** Requests that are under way at once. */
export const CONNECTIONS = 64

/** Sockets that watch. */
export const SUBSCRIBERS = 100

/** Those who write while sockets watch, each its own entry. */
export const WRITERS = 16

/** Paths that are written to and read. */
const PATHS = 1024

/** What runs first is not compiled yet: this share of the time comes on top, and does not count. */
const WARMUP = 0.25

/** A node that is silent for longer is as good as gone. */
const PATIENCE_MS = 30_000

/** One change in a frame, as ours and the bare loop's tell of it. */
const CHANGE = /"path":"\/\d+\/data"/g

/** What is measured. */
export interface Target {
  readonly url: string
  readonly token?: string
  /** Everything is written below this path. */
  readonly path: string
}

/** What came of a measurement. */
export interface Figures {
  readonly perSecond: number
  /** From a request to its answer, in milliseconds; where requests are not what is counted, of the writes. */
  readonly p99Ms: number
}

/** One server under load. */
export class Load {
  readonly #target: Target
  readonly #headers: Readonly<Record<string, string>>
  readonly #seconds: number
  readonly #stopped: AbortSignal
  readonly #pool: Pool

  constructor(target: Target, seconds: number, stopped: AbortSignal) {
    this.#target = target
    this.#seconds = seconds
    this.#stopped = stopped
    const { url, token } = target
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const limits = { headersTimeout: PATIENCE_MS, bodyTimeout: PATIENCE_MS }
    this.#pool = new Pool(new URL(url).origin, { ...limits, connections: CONNECTIONS })
  }

  /** Writes a second, durable where the node keeps its data on a disk. */
  writes(): Promise<Figures> {
    const data = JSON.stringify({ name: 'Ada', born: 1815, about: 'x'.repeat(60) })
    return this.#run(CONNECTIONS, (n) => this.ask('POST', `writes/${n % PATHS}`, data))
  }

  /** Reads a second of what {@link writes} wrote. */
  async reads(): Promise<Figures> {
    for (let n = 0; n < PATHS; n += CONNECTIONS) {
      const some = Array.from({ length: CONNECTIONS }, (_, at) => `writes/${n + at}`)
      await Promise.all(some.map((path) => this.ask('POST', path, '{"name":"Ada"}')))
    }
    return this.#run(CONNECTIONS, (n) => this.ask('GET', `writes/${n % PATHS}`))
  }

  /** Changes a second that reach a subscriber, all of them together. */
  async deliveries(): Promise<Figures> {
    for (let n = 0; n < WRITERS; n++) await this.ask('POST', `live/${n}`, '0')
    let seen = 0
    const count = (frame: Buffer): void =>
      void (seen += frame.toString().match(CHANGE)?.length ?? 0)
    const sockets = await Promise.all(
      Array.from({ length: SUBSCRIBERS }, () => this.#subscriber(count)),
    )
    try {
      const write = (n: number): Promise<void> => this.ask('POST', `live/${n % WRITERS}`, `${n}`)
      return await this.#run(WRITERS, write, () => seen)
    } finally {
      for (const socket of sockets) socket.terminate()
    }
  }

  /** @throws SKERRY_BENCH_FAILED if the answer is an error, SKERRY_NODE_UNREACHABLE if there is none */
  async ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: string): Promise<void> {
    const { url } = this.#target
    const answer = await this.#pool
      .request({
        ...{ method, path: `/${this.#target.path}/${path}`, headers: this.#headers },
        ...(body !== undefined && { body }),
      })
      .catch((error: Error) => {
        throw skerryError('NODE_UNREACHABLE', url, error.message)
      })
    const text = await answer.body.text()
    if (answer.statusCode < 300) return
    throw skerryError('BENCH_FAILED', `${url} answered ${answer.statusCode}: ${text.slice(0, 200)}`)
  }

  /** Removes what was written. */
  async clean(): Promise<void> {
    try {
      for (const glob of ['writes/*', 'live/*']) await this.ask('DELETE', glob)
    } finally {
      await this.close()
    }
  }

  /** Closes its connections, and leaves what was written where it is. */
  async close(): Promise<void> {
    await this.#pool.close()
  }

  /**
   * Keeps so many requests going, for a while that counts and some time before.
   * @param counted what is counted; by default the requests
   */
  async #run(
    workers: number,
    request: (n: number) => Promise<void>,
    counted?: () => number,
  ): Promise<Figures> {
    let n = 0
    let over = false
    let times: number[] = []
    const work = async (): Promise<void> => {
      while (!over) {
        const start = performance.now()
        await request(n++)
        times.push(performance.now() - start)
      }
    }
    const working = Promise.all(Array.from({ length: workers }, work))
    try {
      await Promise.race([working, this.#elapsed(WARMUP)])
      times = []
      const before = counted?.() ?? 0
      const start = performance.now()
      await Promise.race([working, this.#elapsed(1)])
      const seconds = (performance.now() - start) / 1000
      const count = counted === undefined ? times.length : counted() - before
      return { perSecond: count / seconds, p99Ms: percentile(times, 0.99) }
    } finally {
      over = true
      await working.catch(() => undefined)
    }
  }

  /** @throws SKERRY_BENCH_FAILED if it was told to stop */
  async #elapsed(share: number): Promise<void> {
    const stopped = skerryError('BENCH_FAILED', 'it was told to stop')
    if (this.#stopped.aborted) throw stopped
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer)
        reject(stopped)
      }
      const timer = setTimeout(
        () => {
          this.#stopped.removeEventListener('abort', stop)
          resolve()
        },
        this.#seconds * share * 1000,
      )
      this.#stopped.addEventListener('abort', stop, { once: true })
    })
  }

  /** A socket that watches; resolves once it has its snapshot. */
  async #subscriber(frame: (frame: Buffer) => void): Promise<WebSocket> {
    const { url, path } = this.#target
    const address = new URL(`/${path}/live/*`, url.replace(/^http/, 'ws'))
    const socket = new WebSocket(address, { headers: this.#headers, perMessageDeflate: false })
    try {
      await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
    } catch (error) {
      socket.on('error', () => undefined).terminate()
      throw skerryError('NODE_UNREACHABLE', url, (error as Error).message)
    }
    return socket.on('message', frame).on('error', () => socket.terminate())
  }
}

/** The value below which that share of them lies; 0 of none. */
function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
