import { skerryError } from '../core/errors.ts'
import { MaglevRing } from './ring/maglev.ts'
import { crc32Rule, ketamaRule, PointRing } from './ring/points.ts'
import { RendezvousRing } from './ring/rendezvous.ts'
import type { Ring } from './ring/ring.ts'
import { SlotRing } from './ring/slots.ts'

/** How a ring decides; see {@link createRing}. */
export type RingAlgorithm = 'ketama' | 'crc32' | 'maglev' | 'rendezvous' | 'slots'

export interface RingOptions {
  /** Default `slots`. */
  algorithm?: RingAlgorithm
  /** Points of a node of weight 1 on the circle of `ketama` and `crc32`; default 160. */
  virtualNodes?: number
  /** Size of the table of `slots`; give it at least 20 a node; default 16,384. */
  slots?: number
  /** `slots` moves slots between staying nodes only beyond this share of the mean; default 1.05. */
  balanceFactor?: number
}

export const VIRTUAL_NODES_MAX = 100_000
export const SLOTS_MAX = 1 << 20
export const BALANCE_FACTOR_DEFAULT = 1.05

const defaults = {
  algorithm: 'slots',
  virtualNodes: 160,
  slots: 16_384,
  balanceFactor: BALANCE_FACTOR_DEFAULT,
} as const

/**
 * A consistent hash ring on its own, without members, probes or a registry.
 *
 * | algorithm    | balance                | moves on a change | made for                    |
 * | ------------ | ---------------------- | ----------------- | --------------------------- |
 * | `slots`      | best, bounded          | least             | everything                  |
 * | `rendezvous` | good                   | least             | up to a hundred nodes       |
 * | `maglev`     | good                   | some too many     | many lookups, few changes   |
 * | `ketama`     | by luck of the points  | least             | agreement with memcached    |
 * | `crc32`      | by luck of the points  | least             | agreement with the Go ring  |
 *
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 * @example
 * const ring = createRing({ algorithm: 'crc32', virtualNodes: 100 })
 * ring.add({ id: 'a' })
 * ring.add({ id: 'b', weight: 2, zone: 'eu-1' })
 * ring.getNode('users/42') // 'b'
 */
export function createRing(options: RingOptions = {}): Ring {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(defaults, name)) throw skerryError('OPTION_UNKNOWN', name)
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const resolved: Required<RingOptions> = { ...defaults, ...Object.fromEntries(given) }
  const { algorithm, virtualNodes, slots, balanceFactor } = resolved
  assertCount('virtualNodes', virtualNodes, VIRTUAL_NODES_MAX)
  assertCount('slots', slots, SLOTS_MAX)
  assertBalanceFactor(balanceFactor)
  switch (algorithm) {
    case 'slots':
      return new SlotRing(slots, balanceFactor)
    case 'ketama':
      return new PointRing(ketamaRule, virtualNodes)
    case 'crc32':
      return new PointRing(crc32Rule, virtualNodes)
    case 'maglev':
      return new MaglevRing()
    case 'rendezvous':
      return new RendezvousRing()
    default:
      throw skerryError('OPTION_INVALID', 'algorithm', algorithm satisfies never, 'no such ring')
  }
}

/** @throws SKERRY_OPTION_INVALID unless `value` is a whole number from 1 to `max` */
export function assertCount(name: string, value: unknown, max: number): asserts value is number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) return
  throw skerryError('OPTION_INVALID', name, value, `give a whole number from 1 to ${max}`)
}

/** @throws SKERRY_OPTION_INVALID unless `value` is a number from 1 to 10 */
export function assertBalanceFactor(value: unknown): asserts value is number {
  if (typeof value === 'number' && value >= 1 && value <= 10) return
  throw skerryError('OPTION_INVALID', 'balanceFactor', value, 'give a number from 1 to 10')
}
