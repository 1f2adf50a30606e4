import { type Entry, stampOf } from '../core/entry.ts'
import type { Held, Replaced } from './layout.ts'

/** What a store knows of others. */
export interface Knowledge {
  readonly nodeId: string
  /** True if some peer has acknowledged the change of that number at the path. */
  acknowledged(path: string, seq: number): boolean
}

/**
 * What a version takes the place of; undefined if that is nothing.
 * @param horizon where nothing is held, the highest stamp that a collected tombstone of the path may have had
 */
export function replacing(
  { entry, from }: Pick<Held, 'entry' | 'from'>,
  old: Held | undefined,
  horizon: bigint,
  knowledge: Knowledge,
): Replaced | undefined {
  if (from !== '' || entry.origin !== knowledge.nodeId) return lagging(entry, old, horizon)
  if (old === undefined) return horizon === 0n ? undefined : { known: horizon }
  const { seq, replaced } = old
  const stamp = stampOf(old.entry)
  const known = replaced?.known ?? 0n
  if (isUnheard(old, knowledge)) {
    const before = replaced?.own
    return { known, own: { seq: before?.seq ?? seq, stamp: higher(before?.stamp ?? 0n, stamp) } }
  }
  return { ...replaced, known: higher(known, stamp) }
}

/**
 * What a version of another node stays above in name only: it is older than a delete that was forgotten here, which
 * others may still have.
 */
function lagging(entry: Entry, old: Held | undefined, horizon: bigint): Replaced | undefined {
  const known = old === undefined ? horizon : (old.replaced?.known ?? 0n)
  return known > stampOf(entry) ? { known } : undefined
}

/** The stamp that whatever is written on the version must be above. */
export function ceilingOf({ entry, replaced }: Held): bigint {
  return higher(stampOf(entry), replaced?.known ?? 0n)
}

/**
 * What the held version takes the place of once it has beaten one of a peer; undefined if that makes no difference. The
 * peer counts on it from then on.
 */
export function overruling(beaten: Entry, held: Held, knowledge: Knowledge): Replaced | undefined {
  const stamp = stampOf(beaten)
  if (!isUnheard(held, knowledge) || stamp <= (held.replaced?.known ?? 0n)) return undefined
  return { ...held.replaced, known: stamp }
}

/** True of a version that was written here and that no peer has acknowledged. */
function isUnheard({ entry, seq, from }: Held, knowledge: Knowledge): boolean {
  const own = from === '' && entry.origin === knowledge.nodeId
  return own && !knowledge.acknowledged(entry.path, seq)
}

/** The stamp that the version must stay above: others have what it replaced. */
export function floorOf({ entry, replaced }: Held, knowledge: Knowledge): bigint {
  if (replaced === undefined) return 0n
  const { known, own } = replaced
  if (own === undefined || !knowledge.acknowledged(entry.path, own.seq)) return known
  return higher(known, own.stamp)
}

/**
 * True of a version of this node from before it stamped the held one, or what that came of, anew: some peer had
 * merged it, and could not say so. It is told by its stamp, from when the clock was ahead.
 */
export function isOutlived(entry: Entry, held: Held, nodeId: string): boolean {
  const own = held.replaced?.own
  const ours = entry.origin === nodeId && held.entry.origin === nodeId && held.from === ''
  return ours && own !== undefined && stampOf(entry) <= own.stamp && entry.data !== held.entry.data
}

function higher(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
