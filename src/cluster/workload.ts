import { skerryError } from '../core/errors.ts'
import { isWellFormed } from './member.ts'
import type { Registry } from './registry.ts'
import { slotOf } from './ring/slots.ts'

/** Keys in one call to the registry. */
const KEYS_BATCH = 100_000

/** The keys that are distributed: sets by slot, in the registry. */
export class Workload {
  readonly #registry: Registry
  readonly #slots: number

  constructor(registry: Registry, slots: number) {
    this.#registry = registry
    this.#slots = slots
  }

  /**
   * @returns how many were new
   * @throws SKERRY_WORK_KEY_INVALID before anything is added
   */
  add(keys: Iterable<string>): Promise<number> {
    return this.#inBatches(keys, (batch) => this.#registry.addKeys(batch))
  }

  /**
   * @returns how many were there
   * @throws SKERRY_WORK_KEY_INVALID before anything is taken out
   */
  remove(keys: Iterable<string>): Promise<number> {
    return this.#inBatches(keys, (batch) => this.#registry.removeKeys(batch))
  }

  /** The keys in the slots that are assigned to `id`. */
  async of(id: string, owners: readonly string[]): Promise<string[]> {
    const slots: number[] = []
    owners.forEach((owner, slot) => {
      if (owner === id) slots.push(slot)
    })
    const keys = await this.#registry.keysIn(slots)
    return [...keys.values()].flat()
  }

  async #inBatches(
    keys: Iterable<string>,
    send: (batch: ReadonlyMap<number, readonly string[]>) => Promise<number>,
  ): Promise<number> {
    const all = [...keys]
    for (const key of all) {
      if (typeof key !== 'string' || !isWellFormed(key)) throw skerryError('WORK_KEY_INVALID', key)
    }
    let sum = 0
    for (let at = 0; at < all.length; at += KEYS_BATCH) {
      sum += await send(bySlot(all.slice(at, at + KEYS_BATCH), this.#slots))
    }
    return sum
  }
}

function bySlot(keys: readonly string[], slots: number): Map<number, string[]> {
  const groups = new Map<number, string[]>()
  for (const key of keys) {
    const slot = slotOf(key, slots)
    const group = groups.get(slot)
    if (group) group.push(key)
    else groups.set(slot, [key])
  }
  return groups
}
