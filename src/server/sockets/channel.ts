import type { WebSocket } from 'ws'
import type { Channel, ChannelListener } from '../../sync/transport.ts'

/** The largest frame that a link sends or takes, in bytes. */
export const MAX_LINK_FRAME_BYTES = 16 * 1024 * 1024

/** The most bytes of a reason that fit a closing frame. */
const MAX_REASON_BYTES = 123

const CLOSED_NORMALLY = 1000
const CLOSED_FOR_TEXT = 1003

/** An open WebSocket as a channel. Nothing is read from it before somebody listens. */
export class SocketChannel implements Channel {
  readonly #socket: WebSocket
  #listener: ChannelListener | undefined
  #failure: string | undefined

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.pause()
    socket.on('message', (data, isBinary) => {
      // `binaryType` is left at 'nodebuffer', so each message is one Buffer.
      if (isBinary) this.#listener?.frame(data as Buffer)
      else socket.close(CLOSED_FOR_TEXT, 'a link carries binary frames')
    })
    socket.on('error', (error) => (this.#failure = error.message))
    socket.on('close', (code, reason) => {
      const said = reason.toString() || `the connection ended with code ${code}`
      this.#end(this.#failure ?? said)
    })
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener
    this.#socket.resume()
  }

  send(frame: Uint8Array): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(frame, { binary: true })
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  close(reason: string): void {
    this.#end(reason)
    this.#socket.close(CLOSED_NORMALLY, Buffer.from(reason).subarray(0, MAX_REASON_BYTES))
  }

  #end(reason: string): void {
    const listener = this.#listener
    this.#listener = undefined
    listener?.closed(reason)
  }
}
