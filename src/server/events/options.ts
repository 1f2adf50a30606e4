import type { Env } from '../../core/env.ts'
import { skerryError } from '../../core/errors.ts'
import { isIntervalLength, type IntervalLength } from '../../events/interval.ts'
import { resolveOptions, type CoordinatorOptions } from '../../events/options.ts'

/** How a node of a cluster keeps events: the options of `createCoordinator`, and those of the log. */
export interface ServerEventsOptions extends Omit<
  CoordinatorOptions,
  'id' | 'engine' | 'transport' | 'env'
> {
  /** Length of a consolidation interval of the log; default `P1D`. */
  readonly interval?: IntervalLength | undefined
  /** Until an interval that takes no more events is announced as closed, in ms; default 10,000. */
  readonly closeGraceMs?: number | undefined
}

/** What a node keeps events with, checked. */
export interface ResolvedServerEvents {
  readonly coordinator: Omit<CoordinatorOptions, 'id' | 'engine' | 'transport' | 'env'>
  readonly interval: IntervalLength
  readonly closeGraceMs: number
}

/** A library does only what it is told to; a server looks after its events by itself. */
const SWEEP_INTERVAL_MS = 600_000
const CLOSE_GRACE_MS = 10_000

/** @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID */
export function resolveServerEvents(options: ServerEventsOptions, env: Env): ResolvedServerEvents {
  const { interval = 'P1D', closeGraceMs = CLOSE_GRACE_MS, ...rest } = options
  for (const name of ['id', 'engine', 'transport', 'env']) {
    if (name in rest) throw skerryError('OPTION_UNKNOWN', `events.${name}`)
  }
  if (!isIntervalLength(interval)) {
    throw skerryError('OPTION_INVALID', 'interval', interval, 'P1D, PT3H, PT1H, PT15M or PT5M')
  }
  if (!Number.isInteger(closeGraceMs) || closeGraceMs < 0) {
    throw skerryError('OPTION_INVALID', 'closeGraceMs', closeGraceMs, 'a whole number is expected')
  }
  const coordinator = { ...rest, sweepIntervalMs: rest.sweepIntervalMs ?? SWEEP_INTERVAL_MS }
  resolveOptions({ ...coordinator, env })
  return Object.freeze({ coordinator, interval, closeGraceMs })
}
