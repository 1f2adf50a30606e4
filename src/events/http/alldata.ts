import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { skerryError } from '../../core/errors.ts'
import type { Answer } from '../storage.ts'
import { exchange } from '../../cluster/http/exchange.ts'

// alldata's own protocol, as its peer client and its two servers speak it: POST to any path, 201
// for success, 405 for another method, 400 for what is not JSON, 500 for a refusal.

/** Where a server listens. */
export interface AlldataServerOptions {
  /** Default `localhost`. */
  readonly hostname?: string | undefined
  /** Default 8080; 0 picks a free one. */
  readonly port?: number | undefined
  /** Most bytes of a request; larger ones get 413. Default 10 MiB. */
  readonly bodyLimit?: number | undefined
}

/** Where a peer client sends to, unless a call says otherwise. */
export interface AlldataClientOptions {
  readonly hostname?: string | undefined
  /** Default 80. */
  readonly port?: number | undefined
  /** Default `/`. */
  readonly path?: string | undefined
  /** Default `POST`. */
  readonly method?: string | undefined
  /** Default 5,000. */
  readonly timeoutMs?: number | undefined
}

const BODY_LIMIT = 10 * 1024 * 1024
const MAX_REPLY_BYTES = 64 * 1024

/** Carries replicas to alldata peer servers. */
export class AlldataPeerClient {
  readonly #options: AlldataClientOptions

  constructor(options: AlldataClientOptions = {}) {
    this.#options = { ...options }
  }

  /** Stores an event on the peer; calls back with nothing once it is there, else with why not. */
  _put(options: AlldataClientOptions, key: string, event: unknown, callback: Answer): void {
    const { hostname = 'localhost', port = 80, path = '/' } = { ...this.#options, ...options }
    const { method = 'POST', timeoutMs = 5_000 } = { ...this.#options, ...options }
    const url = new URL(
      path,
      `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`,
    )
    const body = JSON.stringify({ key, event })
    exchange({ url, method, body, timeoutMs, maxBytes: MAX_REPLY_BYTES }).then(
      ({ status, body }) => callback(status === 201 ? undefined : new Error(`${status} ${body}`)),
      (error: unknown) => callback(error),
    )
  }
}

/** What both servers are: a listener on HTTP that hands on what was posted to it. */
abstract class AlldataHttpServer<
  Events extends Record<keyof Events, unknown[]>,
> extends EventEmitter<Events> {
  readonly #hostname: string
  readonly #port: number
  readonly #bodyLimit: number
  readonly #server: Server

  constructor(options: AlldataServerOptions = {}) {
    super()
    const { hostname = 'localhost', port = 8080, bodyLimit = BODY_LIMIT } = options
    this.#hostname = hostname
    this.#port = port
    this.#bodyLimit = bodyLimit
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
  }

  /** Begins to listen; a port that is taken is an `error` event of Node's own kind. */
  listen(callback?: () => void): this {
    this.#server.once('error', (error) => this.failed(error))
    this.#server.listen(this.#port, this.#hostname, callback)
    return this
  }

  close(callback?: (error?: Error) => void): void {
    this.#server.close(callback)
    this.#server.closeIdleConnections()
  }

  /** The port in use, once it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Hands on what was posted. @throws if it makes no sense */
  protected abstract accept(body: unknown, callback: Answer): void

  protected abstract failed(error: Error): void

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') {
      response.writeHead(405, { Allow: 'POST' }).end()
      return
    }
    const text = await this.#read(request)
    if (text === undefined) {
      response.writeHead(413, { connection: 'close' }).end()
      return
    }
    try {
      this.accept(JSON.parse(text), (error) => {
        if (response.writableEnded) return
        response.writeHead(error === undefined || error === null ? 201 : 500).end()
      })
    } catch {
      response.writeHead(400).end()
    }
  }

  async #read(request: IncomingMessage): Promise<string | undefined> {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > this.#bodyLimit) return undefined
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  }
}

/** Takes replicas from peers: emits `_put` for `{"key": …, "event": …}`. */
export class AlldataPeerServer extends AlldataHttpServer<{
  _put: [key: string, event: unknown, callback: Answer]
  error: [error: Error]
}> {
  protected override accept(body: unknown, callback: Answer): void {
    const { key, event } = (body ?? {}) as { key?: unknown; event?: unknown }
    if (typeof key !== 'string' || event === undefined) {
      throw skerryError('JSON_INVALID', 'key and event are expected')
    }
    if (!this.emit('_put', key, event, callback)) callback(new Error('nobody listens'))
  }

  protected override failed(error: Error): void {
    this.emit('error', error)
  }
}

/** Takes events from clients: emits `put` for whatever JSON was posted. */
export class AlldataServer extends AlldataHttpServer<{
  put: [event: unknown, callback: Answer]
  error: [error: Error]
}> {
  protected override accept(body: unknown, callback: Answer): void {
    if (!this.emit('put', body, callback)) callback(new Error('nobody listens'))
  }

  protected override failed(error: Error): void {
    this.emit('error', error)
  }
}
