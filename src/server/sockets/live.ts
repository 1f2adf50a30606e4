import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Env } from '../../core/env.ts'
import { messageOf, type SkerryError, skerryError } from '../../core/errors.ts'
import { CommitError } from '../../state/commitment.ts'
import type { State } from '../../state/state.ts'
import type { EndReason, Subscriber, Subscription } from '../../state/subscription.ts'
import type { Store } from '../../store/store.ts'
import { assertMay, type Principal } from '../access/access.ts'
import { failureOf } from '../failure.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Logger } from '../log.ts'
import { parseRequest, perform, type LiveRequest } from './operations.ts'
import type { ResolvedOptions } from '../options.ts'
import { TurnOrder } from './order.ts'
import { Outbox } from './outbox.ts'

/** The most subscriptions of one socket. */
const MAX_SUBSCRIPTIONS = 1000

/** With so many requests unanswered, or so many bytes unread, a socket is not read any further. */
const MAX_IN_FLIGHT = 256
const MAX_BUFFERED_BYTES = 1024 * 1024

const CLOSED_FOR_NONSENSE = 1008
const CLOSED_FOR_SLOWNESS = 1013

/** What the sockets of our own clients stand on. */
export interface LiveContext {
  readonly state: State
  readonly store: Store
  readonly env: Env
  readonly logger: Logger
  readonly options: Pick<ResolvedOptions, 'maxClockDriftMs' | 'bodyLimitBytes'>
}

/**
 * The sockets of our own clients, `ws://…/_skerry/live`: each carries any number of subscriptions, and reads and
 * writes. A message of the node is the number of what it answers, a line feed, and JSON; docs/client.md has them all.
 */
export class LiveSockets {
  readonly #context: LiveContext
  readonly #heartbeat: Heartbeat

  constructor(context: LiveContext) {
    this.#context = context
    this.#heartbeat = new Heartbeat(context.env)
  }

  /** Takes a socket over. */
  add(socket: WebSocket, stream: Duplex, principal: Principal): void {
    this.#heartbeat.follow(socket)
    new LiveSocket(this.#context, { socket, stream, principal })
  }
}

interface Peer {
  readonly socket: WebSocket
  readonly stream: Duplex
  readonly principal: Principal
}

class LiveSocket {
  readonly #context: LiveContext
  readonly #peer: Peer
  readonly #outbox: Outbox
  readonly #order = new TurnOrder()
  readonly #subscriptions = new Map<number, Subscription>()
  #inFlight = 0

  constructor(context: LiveContext, peer: Peer) {
    this.#context = context
    this.#peer = peer
    const { socket, stream } = peer
    this.#outbox = new Outbox(socket, stream)
    this.#greet()
    // `binaryType` is left at 'nodebuffer', so each message is one Buffer.
    socket.on('message', (data) => this.#message((data as Buffer).toString()))
    socket.once('close', () => this.#closed())
    stream.on('drain', () => {
      for (const subscription of this.#subscriptions.values()) subscription.drained()
      this.#regulate()
    })
  }

  #greet(): void {
    const { store, options } = this.#context
    const { nodeId, epoch } = store
    const named = JSON.stringify({ node: nodeId, epoch, maxClockDriftMs: options.maxClockDriftMs })
    this.#send(0, `{"hello":${named},"time":${store.time()}}`)
  }

  #message(text: string): void {
    let request: LiveRequest
    try {
      request = parseRequest(text)
    } catch (error) {
      // Without a number there is nothing to answer: who sends this does not speak the protocol.
      this.#peer.socket.close(CLOSED_FOR_NONSENSE, messageOf(error).slice(0, 100))
      return
    }
    this.#inFlight++
    this.#regulate()
    void this.#handle(request).finally(() => {
      this.#inFlight--
      this.#regulate()
    })
  }

  async #handle(request: LiveRequest): Promise<void> {
    try {
      const result = await this.#resultOf(request)
      if (result !== undefined) this.#send(request.id, `{"result":${result}}`)
    } catch (error) {
      const failure = failureOf(error, this.#context.options.bodyLimitBytes)
      if (failure.status >= 500 && !(failure instanceof CommitError)) {
        this.#context.logger.error({ err: failure, operation: request.op }, 'a live request failed')
      }
      this.#send(request.id, `{"error":${errorJson(failure)}}`)
    }
  }

  /** The answer as JSON text, or undefined if there is none. */
  async #resultOf(request: LiveRequest): Promise<string | undefined> {
    const { op } = request
    if (op === 'ping') return 'null'
    if (op === 'watch') return this.#watch(request)
    if (op === 'unwatch') return this.#unwatch(request.id)
    const { state } = this.#context
    return perform(request, { state, principal: this.#peer.principal, order: this.#order })
  }

  /** Begins a subscription; under a number that has one already, begins it anew. */
  #watch({ id, path, version }: LiveRequest): string {
    assertMay(this.#peer.principal, 'read', path)
    this.#unwatch(id)
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) {
      throw skerryError('SUBSCRIPTIONS_FULL', MAX_SUBSCRIPTIONS)
    }
    const subscription = this.#context.state.watch(path, this.#subscriber(id), version)
    this.#subscriptions.set(id, subscription)
    return 'null'
  }

  #unwatch(id: number): undefined {
    this.#subscriptions.get(id)?.close()
    this.#subscriptions.delete(id)
  }

  #subscriber(id: number): Subscriber {
    const outbox = this.#outbox
    return {
      frame: (frame) => outbox.sendAs(id, frame),
      get bufferedBytes() {
        return outbox.bufferedBytes
      },
      ended: (reason) => this.#ended(id, reason),
    }
  }

  #ended(id: number, reason: EndReason): void {
    this.#subscriptions.delete(id)
    if (reason === 'failed') this.#send(id, '{"ended":true}')
    if (reason === 'stuck') this.#peer.socket.close(CLOSED_FOR_SLOWNESS, 'too slow; connect again')
    // A node that stops closes all sockets by itself.
  }

  #send(id: number, text: string): void {
    this.#outbox.sendAs(id, { text })
  }

  /** A client that asks faster than it reads, or than the node answers, waits in its own socket. */
  #regulate(): void {
    const { socket } = this.#peer
    if (socket.readyState !== socket.OPEN) return
    const full = this.#inFlight >= MAX_IN_FLIGHT || this.#outbox.bufferedBytes > MAX_BUFFERED_BYTES
    if (full && !socket.isPaused) socket.pause()
    else if (!full && socket.isPaused) socket.resume()
  }

  #closed(): void {
    for (const subscription of this.#subscriptions.values()) subscription.close()
    this.#subscriptions.clear()
  }
}

export function errorJson(failure: SkerryError): string {
  const { code, status, message } = failure
  if (!(failure instanceof CommitError)) return JSON.stringify({ code, status, message })
  const { committed, missing, results } = failure
  const paths = results.flatMap((result) => ('entry' in result ? result.entry.path : []))
  return JSON.stringify({ code, status, message, path: paths[0], committed, missing })
}
