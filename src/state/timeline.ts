import type { Entry } from '../core/entry.ts'

/** The order of lists: newest created first, ties by path. */
export function newestFirst(a: Entry, b: Entry): number {
  if (a.created !== b.created) return a.created > b.created ? -1 : 1
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}
