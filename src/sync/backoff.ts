const FIRST_MS = 250
const MAX_MS = 30_000

/**
 * How long to wait before the next attempt: doubling up to a bound, and spread over the upper half
 * of the span, so that nodes cut off together don't come back together.
 * @param failures how many attempts have failed in a row, at least 1
 * @param chance at least 0 and less than 1
 */
export function backoffMs(failures: number, chance: number): number {
  const span = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures - 1, 16))
  return span * (0.5 + chance / 2)
}
