import { readStamp, unpack } from '../core/codec.ts'
import { matches } from '../core/path.ts'
import type { Engine } from './engine.ts'
import type { Group } from './group.ts'
import { type Horizons, horizonOp } from './horizons.ts'
import { prefixRange, seqAndPath } from './layout.ts'
import type { Ledger } from './ledger.ts'
import type { CollectionRule, Horizon } from './store.ts'

/** The most tombstones that one step collects. */
const BATCH = 1000

/** A tombstone in the index of tombstones. */
interface Due {
  readonly path: string
  readonly seq: number
  readonly stamp: bigint
}

/** What a collection needs of its store. */
export interface CollectionParts {
  readonly engine: Pick<Engine, 'scan'>
  readonly ledger: Ledger
  readonly horizons: Horizons
  /** Runs a request on the next group; it looks at these paths. */
  submit<T>(run: (group: Group) => T, paths: readonly string[]): Promise<T>
}

/**
 * Removes tombstones that nobody needs any more. In the same atomic step the horizons rise, which are all
 * that is left of them: whoever has less of the feed than that may have missed a delete.
 *
 * After: causal stability, as reconcile-rs has it (drop a tombstone once every member acknowledged it).
 */
export class Collection {
  readonly #parts: CollectionParts

  constructor(parts: CollectionParts) {
    this.#parts = parts
  }

  /** Collects a batch; resolves to how many went. */
  async run(rule: CollectionRule): Promise<number> {
    const due = await this.#due(rule)
    if (due.length === 0) return 0
    const paths = due.map(({ path }) => path)
    return this.#parts.submit((group) => this.#collect(group, due, rule), paths)
  }

  async #due(rule: CollectionRule): Promise<Due[]> {
    const due: Due[] = []
    for await (const chunk of this.#parts.engine.scan(prefixRange('t'))) {
      for (const [key, value] of chunk) {
        const { seq, path } = seqAndPath(key)
        const stamp = readStamp(unpack(value), 'stamp')
        if (stamp > rule.expired && !this.#isAcknowledged(path, seq, rule)) continue
        if (rule.isOwed?.(path, seq)) continue
        due.push({ path, seq, stamp })
        if (due.length === BATCH) return due
      }
    }
    return due
  }

  /** True if all that the rule waits for, and that share the path, have acknowledged the change. */
  #isAcknowledged(path: string, seq: number, { waitFor }: CollectionRule): boolean {
    return waitFor.every(({ peer, epoch, keys }) => {
      const sharing = keys.filter((key) => matches(key, path))
      return sharing.every((key) => {
        const said = this.#parts.ledger.acknowledged(peer, key)
        return said?.epoch === epoch && said.seq >= seq
      })
    })
  }

  #collect(group: Group, due: readonly Due[], rule: CollectionRule): number {
    const { keys, linked, isOwed } = rule
    // Somebody may have come since they were found.
    const free = due.filter(({ path, seq }) => isOwed?.(path, seq) !== true)
    const gone = free.filter(({ path, seq }) => group.collect(path, seq))
    const { horizons } = this.#parts
    // What is not shared any more may be shared again, with peers that hold what was deleted meanwhile.
    const shared = new Set([...keys, ...horizons.list().map(({ key }) => key)])
    const raised = new Map<string, Horizon>()
    for (const { path, seq, stamp } of gone) {
      for (const key of shared) {
        if (!matches(key, path)) continue
        const before = raised.get(key) ?? { key, stamp: 0n, seq: 0 }
        const noted = linked && stamp > before.stamp ? stamp : before.stamp
        raised.set(key, { key, stamp: noted, seq: Math.max(seq, before.seq) })
      }
    }
    raiseHorizons(group, horizons, [...raised.values()])
    return gone.length
  }
}

/**
 * Raises horizons to those of another node, in the atomic step of the group. What that one has collected was never in
 * this feed, so whoever has nothing of what comes after may lack it, however much of the feed it has.
 */
export function takeHorizonsOver(
  group: Group,
  horizons: Horizons,
  to: readonly Pick<Horizon, 'key' | 'stamp'>[],
): void {
  const taken = to.map(({ key, stamp }) => {
    const isHigher = stamp > 0n && horizons.raised(key, stamp, 0) !== undefined
    return { key, stamp, seq: isHigher ? group.seq + 1 : 0 }
  })
  raiseHorizons(group, horizons, taken)
}

/** Raises horizons in the atomic step of the group. */
function raiseHorizons(group: Group, horizons: Horizons, to: readonly Horizon[]): void {
  const raised = to.flatMap(({ key, stamp, seq }) => horizons.raised(key, stamp, seq) ?? [])
  for (const horizon of raised) group.keep(horizonOp(horizon))
  group.afterwards(() => horizons.set(raised))
}
