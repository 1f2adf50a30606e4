import type { Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import { isCommitLevel, type CommitLevel } from './commit.ts'
import type { Engine } from '../store/engine.ts'
import type { ReplicationStrategy } from './placement.ts'
import type { PeerTransport } from './transport.ts'

/** Options of a coordinator; every one may be left out. */
export interface CoordinatorOptions {
  /** Id of this node among its peers; default `local`. */
  readonly id?: string | undefined
  /** Copies of every event, the local one included; default 1. */
  readonly replicationFactor?: number | undefined
  /** What a put waits for unless it says otherwise; default `QUORUM`. */
  readonly commitLevel?: CommitLevel | undefined
  /**
   * How many of the copies are placed in other zones and in other regions, both 0 by default. What
   * `replicationFactor` asks for beyond them goes to the own zone.
   */
  readonly replicationStrategy?: Partial<ReplicationStrategy> | undefined
  /** A put that is undecided after so many milliseconds ends as a timeout; default 5,000. */
  readonly putTimeoutMs?: number | undefined
  /**
   * A replica that has not answered after so many milliseconds is given up and replaced, though a
   * late answer still counts; default 1,000, at most `putTimeoutMs`. Reads wait as long.
   */
  readonly replicaTimeoutMs?: number | undefined
  /** Most puts on their way at a time; above it puts are refused; default 100,000. */
  readonly maxInFlight?: number | undefined
  /** Most hints kept at a time; above it events are only listed; default 100,000. */
  readonly maxHints?: number | undefined
  /** Most events on the list of under-replicated ones; above it puts are refused; default 1,000,000. */
  readonly maxUnderReplicated?: number | undefined
  /** A hint older than this is dropped and its event listed, in milliseconds; default 3 hours. */
  readonly hintWindowMs?: number | undefined
  /** Hints handed over per second and peer; default 2,000. */
  readonly hintsPerSecond?: number | undefined
  /**
   * Pause before hints and listed events are tried again, in milliseconds; default 10,000. It
   * doubles, up to 32 times, while nothing gets better.
   */
  readonly retryIntervalMs?: number | undefined
  /** Pause between two full sweeps, in milliseconds; default 0: only those asked for. */
  readonly sweepIntervalMs?: number | undefined
  /** Rows a page of `scan` and of a sweep asks of each node; default 500. */
  readonly pageRows?: number | undefined
  /** Where hints and the list of under-replicated events are kept; default: in memory. */
  readonly engine?: Engine | undefined
  /** Carries events to peers and back. Without it, listeners of `_put` do, and nothing is read. */
  readonly transport?: PeerTransport | undefined
  /** Time and chance; `createCoordinator` takes those of the machine. */
  readonly env: Env
}

/** The options of a coordinator, complete and checked. */
export type ResolvedOptions = Readonly<
  Required<Omit<CoordinatorOptions, 'replicationStrategy' | 'engine' | 'transport'>>
> & {
  readonly replicationStrategy: ReplicationStrategy
  readonly engine: Engine | undefined
  readonly transport: PeerTransport | undefined
}

const COUNTS = {
  replicationFactor: { preset: 1, least: 1 },
  putTimeoutMs: { preset: 5_000, least: 1 },
  replicaTimeoutMs: { preset: 1_000, least: 1 },
  maxInFlight: { preset: 100_000, least: 1 },
  maxHints: { preset: 100_000, least: 0 },
  maxUnderReplicated: { preset: 1_000_000, least: 0 },
  hintWindowMs: { preset: 3 * 3_600_000, least: 0 },
  hintsPerSecond: { preset: 2_000, least: 1 },
  retryIntervalMs: { preset: 10_000, least: 1 },
  sweepIntervalMs: { preset: 0, least: 0 },
  pageRows: { preset: 500, least: 1 },
} as const

const OTHERS = ['id', 'commitLevel', 'replicationStrategy', 'engine', 'transport', 'env']

/**
 * Checks and completes options; what was handed in is left as it is.
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 */
export function resolveOptions(options: CoordinatorOptions): ResolvedOptions {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(COUNTS, name) && !OTHERS.includes(name)) {
      throw skerryError('OPTION_UNKNOWN', name)
    }
  }
  const { id = 'local', commitLevel = 'QUORUM', engine, transport, env } = options
  if (typeof id !== 'string' || id === '') {
    throw skerryError('OPTION_INVALID', 'id', id, 'it names this node among its peers')
  }
  if (!isCommitLevel(commitLevel)) {
    throw skerryError('OPTION_INVALID', 'commitLevel', commitLevel, 'it is no commit level')
  }
  const counts = resolveCounts(options)
  return Object.freeze({
    ...{ id, commitLevel, engine, transport, env, ...counts },
    replicaTimeoutMs: Math.min(counts.replicaTimeoutMs, counts.putTimeoutMs),
    replicationStrategy: resolveStrategy(options.replicationStrategy),
  })
}

function resolveCounts(options: CoordinatorOptions): Record<keyof typeof COUNTS, number> {
  const names = Object.keys(COUNTS) as (keyof typeof COUNTS)[]
  const resolved = names.map((name) => {
    const { preset, least } = COUNTS[name]
    return [name, count(name, options[name], preset, least)]
  })
  return Object.fromEntries(resolved) as Record<keyof typeof COUNTS, number>
}

function resolveStrategy(strategy: Partial<ReplicationStrategy> = {}): ReplicationStrategy {
  for (const name of Object.keys(strategy)) {
    if (name !== 'otherZoneReplicas' && name !== 'otherRegionReplicas') {
      throw skerryError('OPTION_UNKNOWN', `replicationStrategy.${name}`)
    }
  }
  return Object.freeze({
    otherZoneReplicas: count('otherZoneReplicas', strategy.otherZoneReplicas, 0, 0),
    otherRegionReplicas: count('otherRegionReplicas', strategy.otherRegionReplicas, 0, 0),
  })
}

function count(name: string, value: number | undefined, preset: number, least: number): number {
  const chosen = value ?? preset
  if (!Number.isSafeInteger(chosen) || chosen < least) {
    throw skerryError('OPTION_INVALID', name, chosen, `a whole number from ${least} is expected`)
  }
  return chosen
}
