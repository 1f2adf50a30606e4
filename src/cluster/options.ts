import { skerryError } from '../core/errors.ts'
import { assertBalanceFactor, assertCount, BALANCE_FACTOR_DEFAULT } from './ring.ts'
import { SLOTS_MAX, VIRTUAL_NODES_MAX } from './ring.ts'
import type { RingAlgorithm } from './ring.ts'

/** How a cluster behaves. All optional; all processes of one cluster should agree. */
export interface ClusterOptions {
  /** Clusters with different names share nothing; default `my-cluster`. */
  name?: string
  /** Begins every key in Redis; default `skerry`. */
  prefix?: string
  /** Names this process among the monitors; default random. */
  id?: string
  /** Whether this process may lead the watch over the members; default true. */
  monitor?: boolean
  /** Between two probes of one member, milliseconds; default 30,000. */
  heartbeatIntervalMs?: number
  /** Until an unanswered probe is a miss, milliseconds; default 5,000. */
  heartbeatTimeoutMs?: number
  /** Probes that are being opened at one time; default 16. */
  heartbeatConcurrency?: number
  /** Consecutive misses until a member is dead; default 3. */
  heartbeatMaxFailures?: number
  /**
   * How long a leader or a worker that fell silent keeps its right, milliseconds; a new leader is
   * there within two leases. Default 10,000.
   */
  leaseMs?: number
  /** Decides which node a slot belongs to; default `slots`, which moves least. */
  ring?: RingAlgorithm
  /** Points of a node on the circle of `ketama` and `crc32`; default 160. */
  virtualNodes?: number
  /** Keys are grouped into so many slots; at least 20 a member. Fixed for good; default 4,096. */
  slots?: number
  /** Slots move between staying members only beyond this share of the mean; default 1.05. */
  balanceFactor?: number
  /** Slots a worker hands over at one time; default 64. */
  moveConcurrency?: number
  /** Until slots are handed over although the work on them isn't finished, ms; default 30,000. */
  handoverTimeoutMs?: number
}

export type ResolvedClusterOptions = Readonly<Required<ClusterOptions>>

const defaults = {
  name: 'my-cluster',
  prefix: 'skerry',
  monitor: true,
  heartbeatIntervalMs: 30_000,
  heartbeatTimeoutMs: 5_000,
  heartbeatConcurrency: 16,
  heartbeatMaxFailures: 3,
  leaseMs: 10_000,
  ring: 'slots',
  virtualNodes: 160,
  slots: 4_096,
  balanceFactor: BALANCE_FACTOR_DEFAULT,
  moveConcurrency: 64,
  handoverTimeoutMs: 30_000,
} as const

const RINGS: readonly RingAlgorithm[] = ['slots', 'ketama', 'crc32', 'maglev', 'rendezvous']
const DAY_MS = 86_400_000

/**
 * Fills in the defaults, checked.
 * @param randomId names the process if the options don't.
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 */
export function resolveClusterOptions(
  options: ClusterOptions,
  randomId: string,
): ResolvedClusterOptions {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(defaults, name) && name !== 'id') throw skerryError('OPTION_UNKNOWN', name)
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const resolved = { ...defaults, id: randomId, ...Object.fromEntries(given) }
  check(resolved)
  return Object.freeze(resolved)
}

function check(options: ResolvedClusterOptions): void {
  assertName('name', options.name, /^[\w.-]+$/)
  assertName('prefix', options.prefix, /^[\w.:-]+$/)
  assertName('id', options.id, /^[\w.:-]+$/)
  if (typeof options.monitor !== 'boolean') {
    throw skerryError('OPTION_INVALID', 'monitor', options.monitor, 'give true or false')
  }
  if (!RINGS.includes(options.ring)) {
    throw skerryError('OPTION_INVALID', 'ring', options.ring, `give one of ${RINGS.join(', ')}`)
  }
  for (const name of ['heartbeatIntervalMs', 'heartbeatTimeoutMs', 'leaseMs'] as const) {
    assertCount(name, options[name], DAY_MS)
  }
  assertCount('handoverTimeoutMs', options.handoverTimeoutMs, DAY_MS)
  assertCount('heartbeatConcurrency', options.heartbeatConcurrency, 10_000)
  assertCount('heartbeatMaxFailures', options.heartbeatMaxFailures, 1_000)
  assertCount('virtualNodes', options.virtualNodes, VIRTUAL_NODES_MAX)
  assertCount('slots', options.slots, SLOTS_MAX)
  assertCount('moveConcurrency', options.moveConcurrency, SLOTS_MAX)
  assertBalanceFactor(options.balanceFactor)
}

function assertName(name: string, value: unknown, shape: RegExp): void {
  if (typeof value === 'string' && value.length <= 100 && shape.test(value)) return
  throw skerryError(
    'OPTION_INVALID',
    name,
    value,
    `give at most 100 characters like ${shape.source}`,
  )
}
