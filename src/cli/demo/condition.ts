import { setTimeout as pause } from 'node:timers/promises'
import { skerryError } from '../../index.ts'

/** How often a condition is looked at. */
const LOOK_EACH_MS = 20

/** The longest that the demo waits for anything. */
const PATIENCE_MS = 60_000

/**
 * Looks again and again until the condition holds, and says how long that took, in milliseconds.
 * @throws SKERRY_DEMO_FAILED if it does not hold within a minute
 */
export async function until(what: string, holds: () => Promise<boolean>): Promise<number> {
  const startMs = performance.now()
  while (!(await holds())) {
    if (performance.now() - startMs > PATIENCE_MS) {
      throw skerryError('DEMO_FAILED', `waited ${PATIENCE_MS / 1000} s in vain until ${what}`)
    }
    await pause(LOOK_EACH_MS)
  }
  return performance.now() - startMs
}

/** Ends in a later millisecond, so that the clocks can tell what was done before from what is done after. */
export async function laterMillisecond(): Promise<void> {
  // A deletion's stamp is known to two milliseconds only.
  const dueMs = Date.now() + 3
  while (Date.now() < dueMs) await pause(1)
}
