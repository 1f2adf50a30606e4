import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { EndReason, Frame, Subscriber } from '../state/subscription.ts'

/** Each frame goes to many sockets and is encoded once. */
const encoded = new WeakMap<Frame, Buffer>()

/** How a socket is closed when its subscription ends. */
const closings: Record<EndReason, [code: number, reason: string]> = {
  stuck: [1013, 'too slow; subscribe again'],
  stopped: [1001, 'the node is stopping'],
  failed: [1011, 'the store could not be read; subscribe again'],
}

/** A WebSocket that watches a path or glob. */
export class SocketSubscriber implements Subscriber {
  readonly #socket: WebSocket
  readonly #stream: Duplex
  #corked = false

  /** @param stream what the WebSocket writes to */
  constructor(socket: WebSocket, stream: Duplex) {
    this.#socket = socket
    this.#stream = stream
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  frame(frame: Frame): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#cork()
    this.#socket.send(bytesOf(frame), { binary: true })
  }

  ended(reason: EndReason): void {
    this.#socket.close(...closings[reason])
  }

  /** All frames of one turn go out in one write: the system call is what fan-out costs. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#stream.cork()
    process.nextTick(() => {
      this.#corked = false
      this.#stream.uncork()
    })
  }
}

function bytesOf(frame: Frame): Buffer {
  let bytes = encoded.get(frame)
  if (bytes === undefined) encoded.set(frame, (bytes = Buffer.from(frame.text)))
  return bytes
}
