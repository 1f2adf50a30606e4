import type { WebSocket } from 'ws'
import type { CancelTimer, Env } from '../../core/env.ts'

/** How often sockets are pinged; one that gave no sign of life since the last time is dropped. */
const PING_INTERVAL_MS = 30_000

interface Pulse {
  alive: boolean
  bufferedBytes: number
}

/** Pings sockets, and drops those whose other side is gone. */
export class Heartbeat {
  readonly #env: Env
  readonly #pulses = new Map<WebSocket, Pulse>()
  #cancel: CancelTimer | undefined

  constructor(env: Env) {
    this.#env = env
  }

  follow(socket: WebSocket): void {
    const pulse = { alive: true, bufferedBytes: 0 }
    this.#pulses.set(socket, pulse)
    const heard = (): void => void (pulse.alive = true)
    socket.on('pong', heard).on('message', heard)
    socket.once('close', () => this.#forget(socket))
    this.#cancel ??= this.#env.setTimer(PING_INTERVAL_MS, () => this.#beat())
  }

  #forget(socket: WebSocket): void {
    this.#pulses.delete(socket)
    if (this.#pulses.size > 0) return
    this.#cancel?.()
    this.#cancel = undefined
  }

  #beat(): void {
    this.#cancel = this.#env.setTimer(PING_INTERVAL_MS, () => this.#beat())
    for (const [socket, pulse] of this.#pulses) {
      const { bufferedAmount } = socket
      // On a slow line the ping itself may still wait behind what is being read.
      if (!pulse.alive && bufferedAmount >= pulse.bufferedBytes) {
        socket.terminate()
        continue
      }
      pulse.alive = false
      pulse.bufferedBytes = bufferedAmount
      if (socket.readyState === socket.OPEN) socket.ping()
    }
  }
}
