import { compareVersions, type Entry, type Hash, stampOf } from '../core/entry.ts'
import type { EngineOp } from './engine.ts'
import { withheldKey } from './layout.ts'
import type { MergeSource, Withheld } from './store.ts'
import { withheldOp } from './withheld.ts'

/** What withholding needs of its group's store. */
export interface WithholdingContext {
  readonly hash: Hash
  /** The durable version withheld at a path. */
  withheld(path: string): Withheld | undefined
}

/** The versions that one group withholds; of a path the newest counts. */
export class Withholding {
  readonly #context: WithholdingContext
  readonly #horizon: (path: string) => bigint
  readonly #withheld: Withheld[] = []

  /** @param horizon the highest stamp ever collected under a key of the path */
  constructor(context: WithholdingContext, horizon: (path: string) => bigint) {
    this.#context = context
    this.#horizon = horizon
  }

  /** How many there are; those that came later are dropped again by setting it. */
  get size(): number {
    return this.#withheld.length
  }

  set size(size: number) {
    this.#withheld.length = size
  }

  /** Withholds what may be from before a delete that nobody remembers; what is withheld stays so. */
  mustWait(entry: Entry, held: Entry | undefined, source: MergeSource): boolean {
    const { peer, doubted, repair } = source
    const context = this.#context
    const kept = context.withheld(entry.path)
    const waits = kept !== undefined && !this.#decides(held, kept.entry)
    const order = waits ? compareVersions(entry, kept.entry, context.hash) : 0
    if (waits && repair === true && order <= 0) return true
    // An older delete may have come after the newer one was forgotten.
    const older = held?.data === null && compareVersions(held, entry, context.hash) < 0
    if ((held !== undefined && !older) || entry.data === null) return false
    // Who holds what is withheld here lets in whatever others bring over it, doubted or not.
    const passedOn = order > 0 && kept!.peer === peer && entry.origin !== peer
    if (!passedOn && doubted?.has(entry.path) !== true) return false
    if (stampOf(entry) > this.#horizon(entry.path)) return false
    this.#withheld.push({ entry, peer })
    return true
  }

  /**
   * What is withheld, and what is so no more because the path holds that or something newer.
   * @param records by the paths that hold something new
   */
  ops(records: ReadonlyMap<string, { readonly entry: Entry }>): EngineOp[] {
    const ops: EngineOp[] = []
    const newest = new Map<string, Withheld>()
    for (const withheld of this.#withheld) {
      const { path } = withheld.entry
      const other = newest.get(path) ?? this.#context.withheld(path)
      const older = other && compareVersions(withheld.entry, other.entry, this.#context.hash) < 0
      if (older || this.#decides(records.get(path)?.entry, withheld.entry)) continue
      newest.set(path, withheld)
    }
    for (const withheld of newest.values()) ops.push(withheldOp(withheld))
    for (const [path, { entry }] of records) {
      const kept = this.#context.withheld(path)
      if (kept === undefined || !this.#decides(entry, kept.entry)) continue
      ops.push({ key: withheldKey(path) })
    }
    return ops
  }

  /** How many more versions are withheld once the group is durable. */
  more(records: ReadonlyMap<string, { readonly entry: Entry }>): number {
    let more = 0
    for (const { value, key } of this.ops(records)) {
      if (value === undefined) more--
      else if (this.#context.withheld(key.slice(1)) === undefined) more++
    }
    return more
  }

  /** True if what is held ends that the version is withheld: an older delete, which came later, does not. */
  #decides(held: Entry | undefined, withheld: Entry): boolean {
    return held !== undefined && compareVersions(held, withheld, this.#context.hash) >= 0
  }
}
