import { membersIn } from '../core/json.ts'
import { clientError, type ClientError } from './error.ts'
import { followPage } from './page.ts'
import { after, globals, randomHex, type SocketClass, type SocketLike } from './platform.ts'

/** How long a connection may take to come about. */
const CONNECT_TIMEOUT_MS = 10_000

/** After a connection is lost, the next try comes within the first; the span doubles up to the last. */
const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 30_000

/** A connection on which nothing came for so long is asked whether it lives, and has so long to answer. */
const SILENCE_MS = 25_000
const PROBE_MS = 8000

const OPEN = 1

/** What the node says of itself when a connection comes about. */
export interface Hello {
  readonly node: string
  readonly epoch: string
  readonly maxClockDriftMs: number
  /** The node's clock, in nanoseconds since the Unix epoch. */
  readonly time: bigint
}

/** Who uses the connection. */
export interface ConnectionUser {
  opened(hello: Hello): void
  /** @param id what it answers; @param body valid JSON */
  message(id: number, body: string): void
  /** It is lost, and will be tried again. */
  lost(reason: ClientError): void
}

/** How to connect. */
export interface Target {
  /** `ws://…/_skerry/live` */
  readonly url: string
  readonly token: (() => string | Promise<string>) | undefined
  readonly WebSocket: SocketClass
}

/**
 * The one socket to a node. It comes again by itself, after waits that grow and that chance spreads, and at once when
 * the network comes back or the page wakes up.
 */
export class Connection {
  readonly #target: Target
  readonly #user: ConnectionUser
  readonly #unfollow: () => void
  #socket: SocketLike | undefined
  #online = false
  #tries = 0
  #frozen = false
  #closed = false
  #dialing = false
  #cancelTimer: () => void = () => undefined

  constructor(target: Target, user: ConnectionUser) {
    this.#target = target
    this.#user = user
    this.#unfollow = followPage({
      frozen: () => this.#freeze(),
      stirred: () => this.#stir(),
    })
    void this.#dial()
  }

  /** False if it could not be sent, since there is no connection. */
  send(text: string): boolean {
    if (!this.#online || this.#socket?.readyState !== OPEN) return false
    this.#socket.send(text)
    return true
  }

  /** Ends it for good. */
  close(): void {
    this.#closed = true
    this.#unfollow()
    this.#drop()
  }

  async #dial(): Promise<void> {
    if (this.#dialing) return
    this.#dialing = true
    this.#cancelTimer()
    try {
      const token = await this.#target.token?.()
      if (this.#closed || this.#frozen || this.#socket !== undefined) return
      this.#open(token)
    } catch {
      // No token is to be had, or the browser forbids the address: the next try may go better.
      this.#lose()
    } finally {
      this.#dialing = false
    }
  }

  #open(token: string | undefined): void {
    const { url, WebSocket } = this.#target
    const socket = new WebSocket(url, token === undefined ? [] : ['bearer', token])
    this.#socket = socket
    const current = (run: () => void) => () => {
      if (this.#socket === socket) run()
    }
    const lost = current(() => this.#lose())
    socket.addEventListener('error', lost)
    socket.addEventListener('close', lost)
    socket.addEventListener('message', (event) => {
      if (this.#socket === socket) this.#receive(String((event as { data: unknown }).data))
    })
    this.#cancelTimer = after(CONNECT_TIMEOUT_MS, lost)
  }

  #receive(message: string): void {
    const end = message.indexOf('\n')
    const id = Number(message.slice(0, end))
    const body = message.slice(end + 1)
    this.#listen()
    if (this.#online) {
      this.#user.message(id, body)
      return
    }
    const members = membersIn(body)
    const hello = JSON.parse(members.get('hello')!) as Omit<Hello, 'time'>
    this.#online = true
    this.#tries = 0
    this.#user.opened({ ...hello, time: BigInt(members.get('time')!) })
  }

  /** Something came, so it lives: look again after a while. */
  #listen(): void {
    this.#cancelTimer()
    this.#cancelTimer = after(SILENCE_MS, () => this.#probe())
  }

  #probe(): void {
    this.#cancelTimer()
    this.#cancelTimer = after(PROBE_MS, () => this.#lose())
    if (!this.send('{"id":0,"op":"ping"}')) this.#lose()
  }

  /** The page woke up, or the network changed: see at once how things are. */
  #stir(): void {
    this.#frozen = false
    if (this.#closed) return
    if (this.#online) {
      this.#probe()
    } else if (globals.navigator?.onLine !== false) {
      // A try that is under way may have begun without the network: if it fails, the next one is to come soon.
      this.#tries = 0
      if (this.#socket === undefined) void this.#dial()
    }
  }

  #freeze(): void {
    this.#frozen = true
    this.#lose()
  }

  #lose(): void {
    this.#drop()
    if (this.#closed) return
    if (!this.#frozen) {
      this.#cancelTimer = after(retryDelayMs(this.#tries++), () => void this.#dial())
    }
    this.#user.lost(clientError('CLIENT_UNREACHED', this.#target.url))
  }

  #drop(): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#online = false
    this.#cancelTimer()
    socket?.close()
  }
}

/** A random wait within a span that doubles ("full jitter"): clients that were cut off together don't come back together. */
function retryDelayMs(tries: number): number {
  const span = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** tries)
  return (span * Number.parseInt(randomHex(8), 16)) / 2 ** 32
}
