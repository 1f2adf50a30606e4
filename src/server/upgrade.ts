import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import { skerryError } from '../core/errors.ts'
import { LINK_PATH, targetPath } from './address.ts'
import { MAX_LINK_FRAME_BYTES } from './channel.ts'
import { answerRaw, failureOf } from './failure.ts'
import type { OriginPolicy } from './origin.ts'

/** The most sockets that a node keeps open at once. */
const MAX_SOCKETS = 50_000

const CLOSED_FOR_STOP = 1001

/** Who takes over the sockets. */
export interface UpgradeTargets {
  /** Another node opens a link. */
  link(socket: WebSocket): void
}

/** Turns requests to upgrade into WebSockets, or refuses them, and closes them all in the end. */
export class Upgrades {
  readonly #targets: UpgradeTargets
  readonly #origins: OriginPolicy
  readonly #links = webSockets(MAX_LINK_FRAME_BYTES)
  readonly #open = new Set<WebSocket>()
  #stopping = false
  #emptied: () => void = () => undefined

  constructor(targets: UpgradeTargets, origins: OriginPolicy) {
    this.#targets = targets
    this.#origins = origins
  }

  /** Takes an `upgrade` of the HTTP server. */
  handle(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // Until a WebSocket takes the stream over, nobody else hears of its end.
    stream.on('error', () => stream.destroy())
    try {
      this.#route(request, stream, head)
    } catch (error) {
      answerRaw(stream, failureOf(error, 0))
    }
  }

  /** Closes all sockets, in order; resolves when the last one is gone. */
  close(): Promise<void> {
    this.#stopping = true
    for (const socket of this.#open) socket.close(CLOSED_FOR_STOP, 'the node is stopping')
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#emptied = resolve))
  }

  /** Cuts off what is still open. */
  terminate(): void {
    for (const socket of this.#open) socket.terminate()
  }

  #route(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (this.#stopping) throw skerryError('NOT_READY')
    if (this.#open.size >= MAX_SOCKETS) throw skerryError('SOCKETS_FULL', MAX_SOCKETS)
    const { origin, host } = request.headers
    const path = targetPath(request.url!)
    if (path === LINK_PATH) {
      // Only browsers name an origin, and no page has any business with a link.
      if (origin !== undefined) throw skerryError('ORIGIN_REFUSED', origin)
      this.#upgrade(this.#links, { request, stream, head }, (socket) => this.#targets.link(socket))
      return
    }
    if (!this.#origins.permits(origin, host)) throw skerryError('ORIGIN_REFUSED', origin ?? '')
    throw skerryError('UPGRADE_INVALID', `nothing is served at '${path}'`)
  }

  #upgrade(
    server: WebSocketServer,
    { request, stream, head }: { request: IncomingMessage; stream: Duplex; head: Buffer },
    take: (socket: WebSocket) => void,
  ): void {
    server.handleUpgrade(request, stream, head, (socket) => {
      this.#open.add(socket)
      socket.once('close', () => {
        this.#open.delete(socket)
        if (this.#open.size === 0) this.#emptied()
      })
      take(socket)
    })
  }
}

function webSockets(maxPayload: number): WebSocketServer {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload,
  })
  server.on('wsClientError', (error, stream) =>
    answerRaw(stream, skerryError('UPGRADE_INVALID', error.message)),
  )
  return server
}
