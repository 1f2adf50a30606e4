import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import { skerryError } from '../../core/errors.ts'
import { assertPattern, isReserved, STATUS_PATH } from '../../core/path.ts'
import { assertMay, BEARER_PROTOCOL, type Principal } from '../access/access.ts'
import { LINK_PATH, LIVE_PATH, targetPath, targetQuery } from '../address.ts'
import { MAX_LINK_FRAME_BYTES } from './channel.ts'
import { clientOf, Holdings } from '../access/client.ts'
import { answerRaw, failureOf } from '../failure.ts'
import type { Perimeter } from '../access/perimeter.ts'
import type { SubscriptionRequest } from './socket.ts'

/** Clients have next to nothing to say: the largest message they may send, in bytes. */
const MAX_CLIENT_MESSAGE_BYTES = 4096

/** The largest message of a client of our own, in bytes; it may carry data of the largest size. */
const MAX_LIVE_MESSAGE_BYTES = 16 * 1024 * 1024

/** What the right `admin` must cover to open a link; which keys it may share is another matter. */
const LINK_RIGHT = 'link'

const CLOSED_FOR_STOP = 1001

/** Who takes over the sockets. */
export interface UpgradeTargets {
  /** Refuses a path or glob that nobody may watch. */
  assertOpen(pattern: string): void
  /** A client watches a path or glob. */
  subscribe(socket: WebSocket, stream: Duplex, request: SubscriptionRequest): void
  /** A client asks for the time. */
  tellTime(socket: WebSocket, principal: Principal): void
  /** A client of our own opens its one socket. */
  converse(socket: WebSocket, stream: Duplex, principal: Principal): void
  /** Another node opens a link. */
  link(socket: WebSocket, principal: Principal): void
}

/** How many sockets may be open at once. */
export interface SocketBounds {
  readonly maxSockets: number
  readonly maxSocketsPerClient: number
}

/** A request to upgrade, as Node hands it over. */
interface Upgrade {
  readonly request: IncomingMessage
  readonly stream: Duplex
  readonly head: Buffer
}

/** Turns requests to upgrade into WebSockets, or refuses them, and closes them all in the end. */
export class Upgrades {
  readonly #targets: UpgradeTargets
  readonly #perimeter: Perimeter
  readonly #bounds: SocketBounds
  readonly #held: Holdings
  readonly #links = webSockets(MAX_LINK_FRAME_BYTES)
  readonly #clients = webSockets(MAX_CLIENT_MESSAGE_BYTES)
  readonly #live = webSockets(MAX_LIVE_MESSAGE_BYTES)
  readonly #open = new Set<WebSocket>()
  #pending = 0
  #stopping = false
  #emptied: () => void = () => undefined

  constructor(targets: UpgradeTargets, perimeter: Perimeter, bounds: SocketBounds) {
    this.#targets = targets
    this.#perimeter = perimeter
    this.#bounds = bounds
    this.#held = new Holdings(bounds.maxSocketsPerClient)
  }

  /** How many sockets are open. */
  get size(): number {
    return this.#open.size
  }

  /** Takes an `upgrade` of the HTTP server. */
  handle(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // Until a WebSocket takes the stream over, nobody else hears of its end.
    stream.on('error', () => stream.destroy())
    this.#pending++
    this.#admit({ request, stream, head })
      .catch((error: unknown) => answerRaw(stream, failureOf(error, MAX_CLIENT_MESSAGE_BYTES)))
      .finally(() => this.#pending--)
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

  /** Lets the request in if page, token and numbers allow it, and hands it on. */
  async #admit(upgrade: Upgrade): Promise<void> {
    this.#assertServing()
    const { maxSockets } = this.#bounds
    if (this.#open.size + this.#pending > maxSockets) throw skerryError('SOCKETS_FULL', maxSockets)
    const { request } = upgrade
    const pattern = targetPath(request.url!)
    const principal = await this.#perimeter.admit(
      request,
      pattern === LINK_PATH ? 'nodes' : 'pages',
    )
    this.#assertServing()
    // Who is gone by now gives nothing back any more.
    if (upgrade.stream.destroyed) return
    const client = clientOf(principal, request.socket.remoteAddress)
    if (!this.#held.take(client)) {
      throw skerryError('CLIENT_SOCKETS_FULL', this.#bounds.maxSocketsPerClient)
    }
    upgrade.stream.once('close', () => this.#held.release(client))
    this.#route(upgrade, pattern, principal)
  }

  #assertServing(): void {
    if (this.#stopping) throw skerryError('NOT_READY')
  }

  #route(upgrade: Upgrade, pattern: string, principal: Principal): void {
    if (pattern === LIVE_PATH) {
      this.#accept(this.#live, upgrade, (socket) =>
        this.#targets.converse(socket, upgrade.stream, principal),
      )
    } else if (pattern === LINK_PATH) {
      assertMay(principal, 'admin', LINK_RIGHT)
      this.#accept(this.#links, upgrade, (socket) => this.#targets.link(socket, principal))
    } else if (pattern === '') {
      this.#accept(this.#clients, upgrade, (socket) => this.#targets.tellTime(socket, principal))
    } else {
      assertMay(principal, 'read', pattern)
      assertPattern(pattern)
      if (isReserved(pattern) && pattern !== STATUS_PATH)
        throw skerryError('PATH_RESERVED', pattern)
      this.#targets.assertOpen(pattern)
      const version = targetQuery(upgrade.request.url!).get('v') ?? undefined
      this.#accept(this.#clients, upgrade, (socket) =>
        this.#targets.subscribe(socket, upgrade.stream, { pattern, version, principal }),
      )
    }
  }

  #accept(
    server: WebSocketServer,
    { request, stream, head }: Upgrade,
    take: (socket: WebSocket) => void,
  ): void {
    server.handleUpgrade(request, stream, head, (socket) => {
      this.#open.add(socket)
      // A broken frame closes the socket by itself, with the code that says why.
      socket.on('error', () => undefined)
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
    handleProtocols: chooseProtocol,
  })
  server.on('wsClientError', (error, stream) =>
    answerRaw(stream, skerryError('UPGRADE_INVALID', error.message)),
  )
  return server
}

/** A token that came behind `bearer` is not repeated. */
function chooseProtocol(offered: ReadonlySet<string>): string | false {
  const [first] = offered
  return offered.has(BEARER_PROTOCOL) ? BEARER_PROTOCOL : (first ?? false)
}
