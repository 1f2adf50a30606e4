import { pack, readStamp, unpack } from '../core/codec.ts'
import type { HybridClock } from '../core/hlc.ts'
import type { Engine } from './engine.ts'
import type { Group } from './group.ts'
import { noteKey } from './layout.ts'
import type { Delivered, Delivery } from './store.ts'

/** Notes of this name, and the origin behind it, hold the stamp up to which an origin has delivered. */
const MARK = 'delivered '

/**
 * Takes in the writes that clients stamped by clocks of their own. A client delivers in the order of its stamps, so
 * one mark a client, kept in the same atomic step, tells what came before: a write that is delivered twice changes
 * nothing, even if what it wrote was deleted since and nobody remembers that either.
 */
export class Deliveries {
  readonly #engine: Pick<Engine, 'get'>
  readonly #clock: HybridClock
  /** Marks of groups that are not durable yet. */
  readonly #marks = new WeakMap<Group, Map<string, bigint>>()

  constructor(engine: Pick<Engine, 'get'>, clock: HybridClock) {
    this.#engine = engine
    this.#clock = clock
  }

  /** Decides, as part of the group, what comes of each write. Writes of one call may share a stamp. */
  run(group: Group, origin: string, deliveries: readonly Delivery[]): Delivered[] {
    const before = this.#mark(group, origin)
    let mark = before
    const delivered: Delivered[] = []
    for (const delivery of deliveries) {
      const { path, stamp } = delivery
      if (this.#clock.isAhead(stamp)) delivered.push({ path, outcome: 'ahead' })
      else if (stamp <= before) delivered.push({ path, outcome: 'known' })
      else {
        delivered.push({ path, outcome: group.deliver(delivery, origin) })
        if (stamp > mark) mark = stamp
      }
    }
    if (mark > before) this.#setMark(group, origin, mark)
    return delivered
  }

  #mark(group: Group, origin: string): bigint {
    const staged = this.#marks.get(group)?.get(origin)
    if (staged !== undefined) return staged
    const bytes = this.#engine.get(markKey(origin))
    return bytes === undefined ? 0n : readStamp(unpack(bytes), 'mark')
  }

  #setMark(group: Group, origin: string, mark: bigint): void {
    group.keep({ key: markKey(origin), value: pack(mark) })
    const marks = this.#marks.get(group) ?? new Map<string, bigint>()
    this.#marks.set(group, marks.set(origin, mark))
  }
}

/** Under which key the mark of an origin is kept. */
export function markKey(origin: string): string {
  return noteKey(MARK + origin)
}
