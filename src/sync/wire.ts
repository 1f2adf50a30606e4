import type { CancelTimer, Env } from '../core/env.ts'
import { messageOf, SkerryError, skerryError } from '../core/errors.ts'
import { decodeFrame, encodeFrame } from './frame.ts'
import type { Message, Pong } from './messages.ts'
import type { PeerClock } from './peer-clock.ts'
import type { Channel } from './transport.ts'

/** How often a link pings, and saves what it learnt meanwhile. */
export const PING_INTERVAL_MS = 10_000

/** A peer silent for so long is taken for gone. */
export const SILENCE_LIMIT_MS = 30_000

/** The longest that a link stands which has gone silent: that is looked at with each ping. */
export const LONGEST_SILENCE_MS = SILENCE_LIMIT_MS + PING_INTERVAL_MS

/** How often a link that waits for the peer's clock asks again at once, where an answer said nothing. */
export const MAX_ASKED_AGAIN = 8

/** What a wire tells its link. */
export interface WireListener {
  message(message: Message, bytes: number): void
  /** The peer's clock was measured. */
  measured(): void
  /** Called at each ping interval. */
  tick(): void
  /** Called once, whichever side ended it. */
  closed(error: SkerryError): void
}

/**
 * Messages over a channel. Frames are numbered: one that comes twice is dropped, and one that is missing
 * ends the link, which then starts over from its checkpoints. So whatever a channel loses,
 * repeats or reorders, the session above sees each message once, in order.
 */
export class Wire {
  readonly #env: Env
  readonly #channel: Channel
  readonly #clock: PeerClock
  readonly #listener: WireListener
  #framesSent = 0
  #framesReceived = 0
  #bytesSent = 0
  #bytesReceived = 0
  #lastHeardMs: number
  #cancelPing: CancelTimer
  #probes: (() => void)[] = []
  #measuring: (() => void)[] = []
  #askedAgain = 0
  #closed = false

  constructor(env: Env, channel: Channel, clock: PeerClock, listener: WireListener) {
    this.#env = env
    this.#clock = clock
    this.#channel = channel
    this.#listener = listener
    this.#lastHeardMs = env.monotonicMs()
    this.#cancelPing = env.setTimer(PING_INTERVAL_MS, () => this.#ping())
    channel.listen({
      frame: (bytes) => this.#receive(bytes),
      closed: (reason) => this.#end(skerryError('LINK_CLOSED', reason)),
    })
  }

  get bytesSent(): number {
    return this.#bytesSent
  }

  get bytesReceived(): number {
    return this.#bytesReceived
  }

  /** Sends a message; returns the size of its frame in bytes. */
  send(message: Message): number {
    if (this.#closed) return 0
    const frame = encodeFrame(this.#framesSent++, message)
    this.#bytesSent += frame.length
    this.#channel.send(frame)
    return frame.length
  }

  /** Resolves to true when the peer is heard, to false if it stays silent for `timeoutMs`. */
  probe(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve(false)
      const cancel = this.#env.setTimer(timeoutMs, () => resolve(false))
      this.#probes.push(() => {
        cancel()
        resolve(!this.#closed)
      })
      this.#sendPing()
    })
  }

  /** Asks for the peer's clock; resolves once that is measured, or the wire is closed. */
  measureClock(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve()
      this.#measuring.push(resolve)
      this.#sendPing()
    })
  }

  /** Ends it, telling the peer why. */
  close(error: SkerryError): void {
    if (this.#closed) return
    this.send({ kind: 'bye', code: error.code, message: error.message })
    this.#end(error)
    this.#channel.close(error.code)
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return
    this.#lastHeardMs = this.#env.monotonicMs()
    this.#bytesReceived += bytes.length
    try {
      const { frame, message } = decodeFrame(bytes)
      if (frame < this.#framesReceived) return
      if (frame > this.#framesReceived) throw skerryError('LINK_GAP', this.#framesReceived, frame)
      this.#framesReceived++
      this.#answerProbes()
      this.#deliver(message, bytes.length)
    } catch (error) {
      this.close(asSkerryError(error))
    }
  }

  #deliver(message: Message, bytes: number): void {
    if (message.kind === 'ping') this.send(this.#clock.answer())
    else if (message.kind === 'bye') this.#bye(message)
    else if (message.kind === 'pong') this.#measured(message)
    else this.#listener.message(message, bytes)
  }

  #measured(pong: Pong): void {
    if (this.#clock.note(pong)) {
      this.#endMeasuring()
      this.#listener.measured()
    } else if (this.#measuring.length > 0) this.#askAgain()
  }

  /** Who answers in vain all the time is asked with the next ping, as long as whoever waits has time. */
  #askAgain(): void {
    if (this.#askedAgain === MAX_ASKED_AGAIN) return
    this.#askedAgain++
    this.#sendPing()
  }

  #sendPing(): void {
    const ping = this.#clock.ask()
    if (ping !== undefined) this.send(ping)
  }

  #endMeasuring(): void {
    const measuring = this.#measuring
    this.#measuring = []
    this.#askedAgain = 0
    for (const resolve of measuring) resolve()
  }

  #bye({ code, message }: Extract<Message, { kind: 'bye' }>): void {
    this.#end(skerryError('LINK_CLOSED', `${code} ${message}`))
    this.#channel.close('bye')
  }

  #ping(): void {
    if (this.#env.monotonicMs() - this.#lastHeardMs >= SILENCE_LIMIT_MS) {
      this.close(skerryError('LINK_TIMEOUT', SILENCE_LIMIT_MS))
      return
    }
    this.#cancelPing = this.#env.setTimer(PING_INTERVAL_MS, () => this.#ping())
    this.#sendPing()
    this.#listener.tick()
  }

  #answerProbes(): void {
    const probes = this.#probes
    this.#probes = []
    for (const heard of probes) heard()
  }

  #end(error: SkerryError): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelPing()
    this.#answerProbes()
    this.#endMeasuring()
    this.#listener.closed(error)
  }
}

/** Errors of other kinds are faults of this node, told to the peer without detail of their type. */
export function asSkerryError(error: unknown): SkerryError {
  return error instanceof SkerryError ? error : skerryError('LINK_CLOSED', messageOf(error))
}
