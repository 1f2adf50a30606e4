import { NS_PER_MS } from '../core/env.ts'

/** One question and its answer: what they say of a peer's clock. */
export interface ClockSample {
  /** The peer's clock minus this node's, in nanoseconds, as if both ways had taken equally long. */
  readonly offsetNs: bigint
  /** How long question and answer took together. */
  readonly roundTripMs: number
  /** When the answer came, by the monotonic clock. */
  readonly atMs: number
}

/** How many answers count: at one every 10 s those of the last 80 s. */
const MAX_SAMPLES = 8

/** Two wall clocks that are read in whole milliseconds are together off by less than this. */
export const RESOLUTION_MS = 2

/** How fast two clocks may part: each may be off by 500 millionths, the most that NTP makes up for. */
export const DRIFT_RATE = 0.001

/**
 * The offset of a peer's clock by the best of the latest answers: the one that took least. Half the time that it took is
 * how wrong it can be, and each second since makes it a little worse.
 *
 * Where an answer contradicts one before, by more than both can be wrong, one of the two clocks was set meanwhile, and
 * the older answer counts no more: so a clock that jumps is noticed with the next answer.
 *
 * After: the clock filter of Mills, "Network Time Protocol Version 4" (RFC 5905), section 10.
 */
export class ClockFilter {
  #samples: readonly ClockSample[] = []

  /** The peer's clock minus this node's, in nanoseconds; undefined before the first answer. */
  get offsetNs(): bigint | undefined {
    const atMs = this.#samples.at(-1)?.atMs ?? 0
    let best: ClockSample | undefined
    for (const sample of this.#samples) {
      if (best === undefined || doubtMs(sample, atMs) <= doubtMs(best, atMs)) best = sample
    }
    return best?.offsetNs
  }

  /** Takes the latest answer. */
  note(sample: ClockSample): void {
    const agreeing = this.#samples.filter((before) => agree(before, sample))
    this.#samples = [...agreeing.slice(1 - MAX_SAMPLES), sample]
  }
}

/** How wrong the sample may be at that time. */
function doubtMs({ roundTripMs, atMs }: ClockSample, nowMs: number): number {
  return roundTripMs / 2 + (nowMs - atMs) * DRIFT_RATE
}

function agree(before: ClockSample, sample: ClockSample): boolean {
  const apartMs = Math.abs(Number((sample.offsetNs - before.offsetNs) / NS_PER_MS))
  return apartMs <= doubtMs(before, sample.atMs) + doubtMs(sample, sample.atMs) + RESOLUTION_MS
}
