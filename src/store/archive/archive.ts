import { type Entry, stampOf } from '../../core/entry.ts'
import { literalPrefix, matches } from '../../core/path.ts'
import { isContest } from '../contest.ts'
import type { Engine, EngineOp } from '../engine.ts'
import { type Held, prefixRange, visible } from '../layout.ts'
import type { Ledger } from '../ledger.ts'
import {
  type HistoryPage,
  type HistoryRange,
  type KeptVersion,
  MAX_PAGE_CHARACTERS,
} from '../store.ts'
import { isInferred, type Lot, lotsOf } from './lot.ts'
import { type HistoryPolicy, MAX_GONE_PATHS } from './policy.ts'
import {
  EMPTY_SHELF,
  keptKey,
  pathOfGone,
  shelfKey,
  stampOfGone,
  unpackKept,
  unpackShelf,
} from './record.ts'
import { type ArchiveParts, oldestOf, Step } from './step.ts'

/** About how many kept versions, and how many paths, one step removes. */
const CLEAR_BATCH = 1000
const GONE_BATCH = 100

/** What an archive needs of its store. */
interface ArchiveStore extends Omit<ArchiveParts, 'policy'> {
  readonly ledger: Ledger
}

/** What an archive does with a group of its store. */
interface ArchiveGroup {
  keep(op: EngineOp): void
  clearHistory(path: string): void
  endHistory(path: string): void
}

type Submit = (run: (group: ArchiveGroup) => void) => Promise<void>

/**
 * The versions of paths that are not the newest any more: what was superseded here, and what lost without ever
 * having been seen. Decided and trimmed within the atomic step that brings them about; other nodes have no part in it.
 */
export class Archive {
  readonly #parts: ArchiveParts
  readonly #ledger: Ledger
  readonly #policy: HistoryPolicy
  /** False if nothing is to be kept, and nothing was kept before: then no write needs to look here. */
  readonly active: boolean

  /** @param holds true if something was kept before; it is still read and bounded if nothing more is to be kept */
  constructor(parts: ArchiveStore, policy: HistoryPolicy, holds: boolean) {
    this.#parts = { ...parts, policy }
    this.#ledger = parts.ledger
    this.#policy = policy
    this.active = holds || policy.keepsSome
  }

  /** True if versions of the path are to be kept. */
  keeps(path: string): boolean {
    return this.#policy.versions(path) > 0
  }

  /** What a record leaves behind that takes the place of another one. */
  lots(old: Held, record: Held): Lot[] {
    const { path } = record.entry
    if (isInferred(record, old) && this.#policy.expires(path)) return [{ does: 'clear', path }]
    if (!this.keeps(path)) return []
    const unseen = record.from !== '' && this.#isUnseen(record.entry, old)
    return lotsOf({ old, record, unseen })
  }

  /** The steps that the lots of one atomic write come to, in their order. */
  ops(lots: readonly Lot[]): EngineOp[] {
    if (lots.length === 0) return []
    const step = new Step(this.#parts)
    for (const lot of lots) step.take(lot)
    return step.ops()
  }

  /** What is kept of a path, newest first, a page of it, and what it holds now. */
  page(path: string, held: Held | undefined, { limit, before = Infinity }: HistoryRange) {
    const versions: KeptVersion[] = []
    const packed = this.#parts.engine.get(shelfKey(path))
    const { first, next } = packed === undefined ? EMPTY_SHELF : unpackShelf(packed)
    const oldest = oldestOf(this.#parts, path)
    let place = Math.min(next, before)
    let characters = 0
    while (place > first && versions.length < limit && characters < MAX_PAGE_CHARACTERS) {
      place--
      const bytes = this.#parts.engine.get(keptKey(path, place))
      if (bytes === undefined) continue
      const kept = unpackKept(place, bytes)
      if (stampOf(kept.entry) < oldest) continue
      versions.push(kept)
      characters += kept.entry.data?.length ?? 0
    }
    const page: HistoryPage = { current: currentOf(held), versions }
    return place > first ? { ...page, next: place } : page
  }

  /** Lets go of the history of the path, or of all that the glob matches; resolves to how many paths that were. */
  async clear(pattern: string, submit: Submit): Promise<number> {
    let count = 0
    for await (const paths of this.#paths(pattern)) {
      await submit((group) => paths.forEach((path) => group.clearHistory(path)))
      count += paths.length
    }
    return count
  }

  /**
   * Lets go of the history of paths of which nothing else is left: that were deleted up to `expired`, or of which there
   * are too many.
   */
  async end(expired: bigint, submit: Submit): Promise<void> {
    if (!this.active) return
    for (let keys = await this.#due(expired); keys.length > 0; keys = await this.#due(expired)) {
      const due = keys
      await submit((group) => {
        for (const key of due) {
          group.keep({ key })
          group.endHistory(pathOfGone(key))
        }
      })
    }
  }

  /** The paths of the pattern that have a history, in batches, each with few enough versions for one step. */
  async *#paths(pattern: string): AsyncGenerator<string[]> {
    let batch: string[] = []
    let versions = 0
    for await (const chunk of this.#parts.engine.scan(prefixRange(`u${literalPrefix(pattern)}`))) {
      for (const [key, value] of chunk) {
        const path = key.slice(1)
        if (!matches(pattern, path)) continue
        const { first, next } = unpackShelf(value)
        batch.push(path)
        versions += next - first + 1
        if (versions < CLEAR_BATCH) continue
        yield batch
        batch = []
        versions = 0
      }
    }
    if (batch.length > 0) yield batch
  }

  /** Keys of paths of which only history is left and that are to go; no more than fit into one step. */
  async #due(expired: bigint): Promise<string[]> {
    const oldest: string[] = []
    let count = 0
    for await (const chunk of this.#parts.engine.scan(prefixRange('y'))) {
      count += chunk.length
      oldest.push(...chunk.slice(0, GONE_BATCH - oldest.length).map(([key]) => key))
    }
    const surplus = count - MAX_GONE_PATHS
    return oldest.filter((key, at) => at < surplus || stampOfGone(key) <= expired)
  }

  /** True if who wrote the version of a peer can't have known the one held, as far as this node can tell. */
  #isUnseen(entry: Entry, held: Held): boolean {
    // Peers of the pivot protocol acknowledge nothing.
    if (entry.origin === '' || !isContest(entry, held)) return false
    return !this.#ledger.wasAcknowledged(entry.path, held.seq)
  }
}

/** True if versions of a past are kept there. */
export async function holdsHistory(engine: Pick<Engine, 'scan'>): Promise<boolean> {
  for await (const chunk of engine.scan({ ...prefixRange('u'), limit: 1 })) {
    if (chunk.length > 0) return true
  }
  return false
}

/** What a path holds now: what readers see, else the delete that they see the effect of. */
function currentOf(held: Held | undefined): HistoryPage['current'] {
  if (held === undefined) return undefined
  return visible(held) ?? (held.shown === undefined ? held.entry : undefined)
}
