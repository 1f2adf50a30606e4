import { once } from 'node:events'
import type { FastifyReply } from 'fastify'
import type { CancelTimer, Env } from '../../core/env.ts'
import { skerryError } from '../../core/errors.ts'

/** Streams that a node serves at a time. */
const STREAMS_MAX = 256
/** An empty line that often shows both ends that the other is still there. */
const PULSE_MS = 5_000
/** Who reads so slowly that this much waits is cut off. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024

/** One answer that goes on until either side ends it: a line of JSON each, empty lines between. */
export interface LiveStream {
  /** False once it is over; what is sent then is dropped. */
  readonly open: boolean
  /** @param line without its line break */
  send(line: string): void
  /** Fulfilled when there is room for more, or the stream is over. */
  drained(): Promise<void>
  end(): void
}

/**
 * The streams of a node. They have no end of their own, so a node that stops ends them all: nobody
 * waits for them.
 */
export class Streams {
  readonly #env: Env
  readonly #open = new Set<LiveStream>()
  #closed = false

  constructor(env: Env) {
    this.#env = env
  }

  get size(): number {
    return this.#open.size
  }

  /**
   * Answers with a stream.
   * @param over called once when it is over, whoever ended it
   * @throws SKERRY_SOCKETS_FULL, SKERRY_NOT_READY
   */
  begin(reply: FastifyReply, over: () => void): LiveStream {
    if (this.#closed) throw skerryError('NOT_READY')
    if (this.#open.size >= STREAMS_MAX) throw skerryError('SOCKETS_FULL', STREAMS_MAX)
    const { raw } = reply
    reply.hijack()
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value)
    }
    raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
    let cancel: CancelTimer = () => {}
    const stream: LiveStream = {
      get open() {
        return !raw.writableEnded && !raw.destroyed
      },
      send(line) {
        if (!stream.open) return
        raw.write(`${line}\n`)
        if (raw.writableLength > WAITING_BYTES_MAX) raw.destroy()
      },
      async drained() {
        if (stream.open && raw.writableNeedDrain) {
          await Promise.race([once(raw, 'drain'), once(raw, 'close')])
        }
      },
      end: () => raw.end(),
    }
    const pulse = (): void => {
      stream.send('')
      cancel = this.#env.setTimer(PULSE_MS, pulse)
    }
    raw.once('close', () => {
      cancel()
      this.#open.delete(stream)
      over()
    })
    this.#open.add(stream)
    pulse()
    return stream
  }

  /** Ends all there are; no other begins. */
  close(): void {
    this.#closed = true
    for (const stream of this.#open) stream.end()
  }
}
