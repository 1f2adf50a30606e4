import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Frame } from '../../state/subscription.ts'

/** What waits of one turn goes out early once it is as long as that, in bytes. */
const MAX_CORKED_BYTES = 64 * 1024

/** Each frame goes to many sockets and is encoded once. */
const encoded = new WeakMap<Frame, Buffer>()

/** Outboxes with frames of this turn of the event loop, which go out at its end. */
let waiting: Outbox[] = []

/**
 * What a socket is sent. All frames of one turn of the event loop go out in one write, whoever they are of: the
 * system call is what fan-out costs.
 */
export class Outbox {
  readonly #socket: WebSocket
  readonly #stream: Duplex
  #corked = false

  /** @param stream what the WebSocket writes to */
  constructor(socket: WebSocket, stream: Duplex) {
    this.#socket = socket
    this.#stream = stream
  }

  /** Bytes sent that have not gone out yet. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  /** Sends a frame, unless the socket is closing. */
  send(frame: Frame): void {
    this.#send(() => this.#socket.send(bytesOf(frame), { binary: true }))
  }

  /** Sends a frame behind a number and a line feed; its bytes are shared all the same. */
  sendAs(id: number, frame: Frame): void {
    this.#send(() => {
      this.#socket.send(`${id}\n`, { binary: false, fin: false })
      this.#socket.send(bytesOf(frame), { binary: false, fin: true })
    })
  }

  #send(write: () => void): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    if (!this.#corked) this.#cork()
    write()
    if (this.#stream.writableLength > MAX_CORKED_BYTES) {
      this.#stream.uncork()
      this.#stream.cork()
    }
  }

  #cork(): void {
    this.#corked = true
    this.#stream.cork()
    if (waiting.length === 0) setImmediate(flush)
    waiting.push(this)
  }

  /** Lets what waits go out. */
  flush(): void {
    this.#corked = false
    this.#stream.uncork()
  }
}

function flush(): void {
  const flushed = waiting
  waiting = []
  for (const outbox of flushed) outbox.flush()
}

function bytesOf(frame: Frame): Buffer {
  let bytes = encoded.get(frame)
  if (bytes === undefined) encoded.set(frame, (bytes = Buffer.from(frame.text)))
  return bytes
}
