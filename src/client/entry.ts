import type { StateEntry } from '../core/value.ts'

/** An entry as clients have it. */
export interface Entry<T = unknown> extends StateEntry<T> {
  /** Set while a write of this device is in it that no node has confirmed yet. */
  readonly pending?: true
}

/** The newest of an entry's times: what decides between two versions of a path. */
export function stampOf({ created, updated }: Entry): bigint {
  return created > updated ? created : updated
}

/** The order of lists: newest created first, ties by path. */
export function newestFirst(a: Entry, b: Entry): number {
  if (a.created !== b.created) return a.created > b.created ? -1 : 1
  return a.path < b.path ? -1 : 1
}
