import { skerryError } from '../../core/errors.ts'

/** A node as a ring sees it. */
export interface RingNode {
  /** Any non-empty string. */
  id: string
  /** Share of the keys in proportion to the others' weights; default 1. */
  weight?: number
  /** Replicas of one key go to as many zones as there are; default none. */
  zone?: string
}

/**
 * Says which node a key belongs to. Every implementation gives the same answers for the same nodes,
 * in whatever order they were added (for `slots`: before the first lookup; later its table depends
 * on its history, because it moves as little as possible).
 */
export interface Ring {
  /** Adds a node, or updates weight and zone of the one with this id. */
  add(node: RingNode): void
  /** Removes a node; an unknown id changes nothing. */
  remove(id: string): void
  /** The owner of `key`; undefined while no node is available. */
  getNode(key: string): string | undefined
  /**
   * Up to `n` distinct nodes for `key`, its owner first, then spread over zones: no zone gets a
   * second one while another zone could still get its first.
   */
  getNodes(key: string, n: number): string[]
  /** Takes a node out of the answers, or back in, without removing it. */
  setAvailable(id: string, available: boolean): void
}

/** A node of a ring with its defaults filled in. */
export interface RingMember {
  readonly id: string
  readonly weight: number
  readonly zone: string
  readonly available: boolean
}

const WEIGHT_MAX = 1_000

/** @throws SKERRY_MEMBER_INVALID unless `id` is a string with something in it */
export function assertId(id: unknown): asserts id is string {
  if (typeof id === 'string' && id !== '') return
  throw skerryError('MEMBER_INVALID', 'id', id, 'give a string that is not empty')
}

/** @throws SKERRY_MEMBER_INVALID unless `weight` is a number above 0 and at most 1,000 */
export function assertWeight(weight: unknown): asserts weight is number {
  if (typeof weight === 'number' && weight > 0 && weight <= WEIGHT_MAX) return
  throw skerryError(
    'MEMBER_INVALID',
    'weight',
    weight,
    `give a number above 0, at most ${WEIGHT_MAX}`,
  )
}

/**
 * The nodes of a ring, sorted by id, so that nothing depends on the order they came in. What a ring
 * computes from them is thrown away on a change and built again by the next lookup.
 */
export abstract class NodeRing implements Ring {
  readonly #members = new Map<string, RingMember>()
  #sorted: readonly RingMember[] | undefined

  add({ id, weight = 1, zone = '' }: RingNode): void {
    assertId(id)
    assertWeight(weight)
    const available = this.#members.get(id)?.available ?? true
    this.#members.set(id, { id, weight, zone, available })
    this.#changed()
  }

  remove(id: string): void {
    if (this.#members.delete(id)) this.#changed()
  }

  setAvailable(id: string, available: boolean): void {
    const member = this.#members.get(id)
    if (member === undefined || member.available === available) return
    this.#members.set(id, { ...member, available })
    this.#changed()
  }

  abstract getNode(key: string): string | undefined

  getNodes(key: string, n: number): string[] {
    return spread(this.candidates(key), n)
  }

  /** The available nodes, the owner of `key` first, then in the order they would take over. */
  protected abstract candidates(key: string): Iterable<RingMember>

  /** Drops what was computed from the members. */
  protected abstract reset(): void

  protected get members(): readonly RingMember[] {
    this.#sorted ??= [...this.#members.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    return this.#sorted
  }

  #changed(): void {
    this.#sorted = undefined
    this.reset()
  }
}

/**
 * Takes up to `n` ids in order of preference, a round at a time: in each round a zone gives at most
 * one node. Nodes without a zone each count as a zone of their own.
 */
export function spread(candidates: Iterable<RingMember>, n: number): string[] {
  const chosen: string[] = []
  let rest = candidates
  while (chosen.length < n) {
    const zones = new Set<string>()
    const passed: RingMember[] = []
    for (const member of rest) {
      if (chosen.length === n) break
      if (zones.has(member.zone)) {
        passed.push(member)
        continue
      }
      if (member.zone !== '') zones.add(member.zone)
      chosen.push(member.id)
    }
    if (passed.length === 0) break
    rest = passed
  }
  return chosen
}
