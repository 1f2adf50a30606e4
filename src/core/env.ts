/** Cancels the timer it was returned for; calling it again, or after the timer fired, does nothing. */
export type CancelTimer = () => void

/**
 * Time, chance and hashing, handed in from outside.
 *
 * Everything but the adapters lives on an `Env`, so that the very same classes run on a real
 * machine and in the seeded simulator, where one seed decides every reading.
 */
export interface Env {
  /** Wall clock: nanoseconds since the Unix epoch. May step forwards and backwards. */
  now(): bigint
  /** Monotonic clock: milliseconds since some fixed moment. Never steps backwards. */
  monotonicMs(): number
  /** Calls `callback` once after `delayMs` milliseconds, unless cancelled before. */
  setTimer(delayMs: number, callback: () => void): CancelTimer
  /** The next random number, at least 0 and less than 1. */
  random(): number
  /** SHA-256 of the UTF-8 bytes of `text`, as 64 lower-case hex digits. */
  readonly hash: (text: string) => string
}

/** A fresh random identifier of 128 bits: 32 lower-case hex digits. */
export function randomId(env: Pick<Env, 'random'>): string {
  let id = ''
  for (let word = 0; word < 4; word++) {
    id += Math.floor(env.random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0')
  }
  return id
}

/** Nanoseconds in one millisecond, for turning options (ms) into stamps (ns). */
export const NS_PER_MS = 1_000_000n
