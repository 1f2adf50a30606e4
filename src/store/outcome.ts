import { type Entry, tombstone } from '../core/entry.ts'
import type { Held } from './layout.ts'
import type { Written } from './store.ts'

/** Who writes, and when. */
export interface Hand {
  readonly stamp: bigint
  readonly origin: string
}

/** The version that a write makes of what readers see; null data deletes. */
export function versionOf(
  path: string,
  seen: Entry | undefined,
  data: string | null,
  { stamp, origin }: Hand,
): Entry {
  if (data === null) return tombstone(path, stamp, origin)
  if (seen === undefined) return { path, created: stamp, updated: 0n, origin, data }
  return { path, created: seen.created, updated: stamp, origin, data }
}

/** What came of a write that left things. */
export function left(held: Held | undefined): Written {
  return { entry: held?.entry, changed: false, seq: held?.seq ?? 0 }
}

/** The same write as of another stamp, lower than its own. */
export function restamped({ path, created, updated, origin, data }: Entry, stamp: bigint): Entry {
  if (data === null) return tombstone(path, stamp, origin)
  const overwritten = updated > created
  if (!overwritten) return { path, created: stamp, updated: 0n, origin, data }
  return { path, created: created < stamp ? created : stamp, updated: stamp, origin, data }
}
