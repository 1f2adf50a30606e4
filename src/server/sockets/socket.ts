import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Env } from '../../core/env.ts'
import type { State } from '../../state/state.ts'
import type { Principal } from '../access/access.ts'
import { ClockSockets } from './clock.ts'
import { Heartbeat } from './heartbeat.ts'
import { Outbox } from './outbox.ts'
import { SocketSubscriber } from './subscriber.ts'

/** What a subscriber asks for. */
export interface SubscriptionRequest {
  /** A path or glob, checked. */
  readonly pattern: string
  /** The version that it already has. */
  readonly version: string | undefined
  /** Who asks; may read all that the pattern covers. */
  readonly principal: Principal
}

/** The sockets of clients: subscriptions to paths and globs, and the clock. */
export class ClientSockets {
  readonly #state: State
  readonly #clock: ClockSockets
  readonly #heartbeat: Heartbeat

  constructor(state: State, env: Env) {
    this.#state = state
    this.#clock = new ClockSockets(env)
    this.#heartbeat = new Heartbeat(env)
  }

  /** Has the socket watch a path or glob. */
  subscribe(socket: WebSocket, stream: Duplex, { pattern, version }: SubscriptionRequest): void {
    this.#heartbeat.follow(socket)
    const subscriber = new SocketSubscriber(socket, new Outbox(socket, stream))
    const subscription = this.#state.watch(pattern, subscriber, version)
    stream.on('drain', () => subscription.drained())
    socket.once('close', () => subscription.close())
  }

  /** Has the socket be told the time. */
  tellTime(socket: WebSocket): void {
    this.#heartbeat.follow(socket)
    this.#clock.add(socket)
  }
}
