import { isGlob, matches } from '../core/path.ts'
import type { Value } from '../core/value.ts'
import { type Entry, newestFirst, stampOf } from './entry.ts'

/** A write that waits to be delivered. */
export interface PendingWrite {
  readonly kind: 'set' | 'patch' | 'delete'
  /** A glob only for `delete`. */
  readonly path: string
  /** The value, or the patch (RFC 7396); undefined for `delete`. */
  readonly data?: unknown
  /** By the client's hybrid clock, in nanoseconds; no other write of this client has it. */
  readonly stamp: bigint
}

/** What the pattern shows once the writes are in, as far as they win over what is there. */
export function overlaid(pattern: string, value: Value, writes: readonly PendingWrite[]): Value {
  if (isGlob(pattern)) return overlaidList(pattern, value as readonly Entry[], writes)
  let shown = value as Entry | null
  for (const write of writes) {
    if (matches(write.path, pattern)) shown = written(shown, pattern, write)
  }
  return shown
}

function overlaidList(
  pattern: string,
  list: readonly Entry[],
  writes: readonly PendingWrite[],
): readonly Entry[] {
  const own = writes.filter(({ path }) => isGlob(path) || matches(pattern, path))
  if (own.length === 0) return list
  const byPath = new Map(list.map((entry) => [entry.path, entry]))
  let changed = false
  for (const write of own) {
    const paths = isGlob(write.path) ? [...byPath.keys()] : [write.path]
    for (const path of paths) {
      if (!matches(write.path, path)) continue
      const before = byPath.get(path) ?? null
      const after = written(before, path, write)
      if (after === before) continue
      changed = true
      if (after === null) byPath.delete(path)
      else byPath.set(path, after)
    }
  }
  return changed ? [...byPath.values()].sort(newestFirst) : list
}

/** What a write makes of an entry; the entry itself if a newer version is there. */
function written(before: Entry | null, path: string, write: PendingWrite): Entry | null {
  const { kind, stamp } = write
  if (before !== null && stampOf(before) >= stamp) return before
  if (kind === 'delete') return null
  if (kind === 'patch' && before === null) return before
  const data = kind === 'set' ? write.data : mergePatched(before!.data, write.data)
  const index = path.slice(path.lastIndexOf('/') + 1)
  return {
    path,
    index,
    created: before?.created ?? stamp,
    updated: before === null ? 0n : stamp,
    data,
    pending: true,
  }
}

/** After: RFC 7396, section 2. */
function mergePatched(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const merged = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else merged.set(name, mergePatched(merged.get(name), value))
  }
  return Object.fromEntries(merged)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
