import { hash, randomBytes } from 'node:crypto'
import { type Env, NS_PER_MS } from '../core/env.ts'

const MAX_TIMER_MS = 2 ** 31 - 1

/** Time, chance and hashing of the machine this runs on. */
export const machineEnv: Env = {
  // The wall clock of Node reads milliseconds; the hybrid clock counts up between two of them.
  now: () => BigInt(Date.now()) * NS_PER_MS,
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS))
    return () => clearTimeout(timer)
  },
  random: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  hash: (text) => hash('sha256', text, 'hex'),
}
