import type { WebSocket } from 'ws'
import type { CancelTimer, Env } from '../../core/env.ts'

/** How often the time is told. */
const TICK_MS = 1000

/** A socket with more than this waiting is not told the time again before that has gone out. */
const MAX_BUFFERED_BYTES = 4096

/** Tells sockets the time: nanoseconds since the Unix epoch as decimal text, at once and each second. */
export class ClockSockets {
  readonly #env: Env
  readonly #sockets = new Set<WebSocket>()
  #cancel: CancelTimer | undefined

  constructor(env: Env) {
    this.#env = env
  }

  add(socket: WebSocket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#remove(socket))
    socket.send(this.#time(), { binary: true })
    this.#cancel ??= this.#env.setTimer(TICK_MS, () => this.#tick())
  }

  #remove(socket: WebSocket): void {
    this.#sockets.delete(socket)
    if (this.#sockets.size > 0) return
    this.#cancel?.()
    this.#cancel = undefined
  }

  #tick(): void {
    this.#cancel = this.#env.setTimer(TICK_MS, () => this.#tick())
    const time = this.#time()
    for (const socket of this.#sockets) {
      if (socket.readyState !== socket.OPEN || socket.bufferedAmount > MAX_BUFFERED_BYTES) continue
      socket.send(time, { binary: true })
    }
  }

  #time(): Buffer {
    return Buffer.from(this.#env.now().toString())
  }
}
