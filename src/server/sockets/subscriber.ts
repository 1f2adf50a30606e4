import type { WebSocket } from 'ws'
import type { EndReason, Frame, Subscriber } from '../../state/subscription.ts'
import type { Outbox } from './outbox.ts'

/** How a socket is closed when its subscription ends. */
const closings: Record<EndReason, [code: number, reason: string]> = {
  stuck: [1013, 'too slow; subscribe again'],
  stopped: [1001, 'the node is stopping'],
  failed: [1011, 'the store could not be read; subscribe again'],
}

/** A WebSocket that watches a path or glob. */
export class SocketSubscriber implements Subscriber {
  readonly #socket: WebSocket
  readonly #outbox: Outbox

  constructor(socket: WebSocket, outbox: Outbox) {
    this.#socket = socket
    this.#outbox = outbox
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes
  }

  frame(frame: Frame): void {
    this.#outbox.send(frame)
  }

  ended(reason: EndReason): void {
    this.#socket.close(...closings[reason])
  }
}
