import { keyTimeMs } from '../events.ts'
import { Progress } from './progress.ts'

const FORMAT = '{bar} {percentage} % | {events} events | {duration_formatted}'

/**
 * How far a walk over events in the order of their keys has come: their keys tell the time, so what
 * lies behind is known in proportion to what lies ahead.
 */
export class EventProgress {
  readonly #progress = new Progress(FORMAT, 100, { events: 0 })
  readonly #endMs: number
  #startMs: number | undefined

  /** @param range first key and key before which the walk stops, as far as they are given. */
  constructor({ from, to }: { readonly from?: string; readonly to?: string }) {
    this.#startMs = from === undefined ? undefined : keyTimeMs(from)
    this.#endMs = (to === undefined ? undefined : keyTimeMs(to)) ?? Date.now()
  }

  /** @param key the last one seen */
  update(events: number, key: string): void {
    const atMs = keyTimeMs(key)
    if (atMs === undefined) return
    this.#startMs ??= atMs
    const share = (atMs - this.#startMs) / Math.max(1, this.#endMs - this.#startMs)
    this.#progress.reach(Math.round(100 * Math.min(1, Math.max(0, share))), { events })
  }

  stop(): void {
    this.#progress.end()
  }
}
