import { SingleBar } from 'cli-progress'
import { keyTimeMs } from '../events.ts'

const FORMAT = '{bar} {percentage} % | {events} events | {duration_formatted}'

/**
 * How far a walk over events in the order of their keys has come: their keys tell the time, so what
 * lies behind is known in proportion to what lies ahead. Drawn on stderr, and only on a terminal.
 */
export class EventProgress {
  readonly #bar: SingleBar | undefined
  readonly #endMs: number
  #startMs: number | undefined

  /** @param range first key and key before which the walk stops, as far as they are given. */
  constructor({ from, to }: { readonly from?: string; readonly to?: string }) {
    this.#startMs = from === undefined ? undefined : keyTimeMs(from)
    this.#endMs = (to === undefined ? undefined : keyTimeMs(to)) ?? Date.now()
    if (!process.stderr.isTTY) return
    const stream = process.stderr
    this.#bar = new SingleBar({ format: FORMAT, stream, hideCursor: true, clearOnComplete: true })
    this.#bar.start(100, 0, { events: 0 })
  }

  /** @param key the last one seen */
  update(events: number, key: string): void {
    const atMs = keyTimeMs(key)
    if (atMs === undefined || this.#bar === undefined) return
    this.#startMs ??= atMs
    const share = (atMs - this.#startMs) / Math.max(1, this.#endMs - this.#startMs)
    this.#bar.update(Math.round(100 * Math.min(1, Math.max(0, share))), { events })
  }

  stop(): void {
    this.#bar?.stop()
  }
}
