import { type Env, NS_PER_MS } from '../core/env.ts'
import { ClockFilter, DRIFT_RATE, RESOLUTION_MS } from './clock-filter.ts'
import type { Ping, Pong } from './messages.ts'

/** The most pings that wait for their answers; as they come in order, none is taken for that of another. */
const MAX_UNANSWERED = 16

/** When a ping was sent. */
interface Asked {
  readonly wallNs: bigint
  readonly atMs: number
}

/** What measuring a clock needs of the node that does it. */
export interface ClockReader {
  readonly env: Pick<Env, 'now' | 'monotonicMs'>
  /** True if the peer leads: then its time as it corrects it counts, else its clock as it is. */
  readonly leads: boolean
  /** This node's time, corrected by its leader or peers. */
  time(): bigint
}

/**
 * The clock of one peer, measured by pings. The time on the way is told by the monotonic clock, so that whoever sets a
 * wall clock meanwhile changes nothing in that.
 *
 * Of peers the clock as it is counts: if each told what it corrected by the others, all could agree on a wrong time.
 * That of a leader is followed, and so it tells the time that it goes by itself.
 */
export class PeerClock {
  readonly #reader: ClockReader
  readonly #filter = new ClockFilter()
  readonly #asked: Asked[] = []

  constructor(reader: ClockReader) {
    this.#reader = reader
  }

  /** The peer's clock minus this node's, in nanoseconds; undefined before it was measured. */
  get offsetNs(): bigint | undefined {
    return this.#filter.offsetNs
  }

  /** What to ask now; undefined while too much is unanswered. */
  ask(): Ping | undefined {
    if (this.#asked.length >= MAX_UNANSWERED) return undefined
    const { env } = this.#reader
    const wallNs = env.now()
    this.#asked.push({ wallNs, atMs: env.monotonicMs() })
    return { kind: 'ping', clock: wallNs }
  }

  /** What to answer now. */
  answer(): Pong {
    return { kind: 'pong', clock: this.#reader.env.now(), time: this.#reader.time() }
  }

  /** Takes an answer; false if it says nothing: nobody asked, or this node's clock was set meanwhile. */
  note({ clock, time = clock }: Pong): boolean {
    const { env, leads } = this.#reader
    const asked = this.#asked.shift()
    if (asked === undefined) return false
    const wallNs = env.now()
    const atMs = env.monotonicMs()
    const roundTripMs = atMs - asked.atMs
    const setMs = Math.abs(Number((wallNs - asked.wallNs) / NS_PER_MS) - roundTripMs)
    if (setMs > RESOLUTION_MS + roundTripMs * DRIFT_RATE) return false
    const halfNs = BigInt(Math.round((roundTripMs * Number(NS_PER_MS)) / 2))
    const offsetNs = (leads ? time : clock) - (wallNs - halfNs)
    this.#filter.note({ offsetNs, roundTripMs, atMs })
    return true
  }
}
