import type { Conflict } from '../sync/options.ts'
import { silent } from './log.ts'
import type { ResolvedOptions } from './options.ts'

/** Calls the hook of conflicts out of the merge that found one: what it throws or rejects with is only logged. */
export function conflictHook({
  onConflict,
  logger = silent,
}: Pick<ResolvedOptions, 'onConflict' | 'logger'>): (conflict: Conflict) => void {
  if (onConflict === undefined) return () => undefined
  return (conflict) => {
    const { path } = conflict.winner
    Promise.resolve(conflict)
      .then(onConflict)
      .catch((error: unknown) => logger.warn({ err: error, path }, 'a hook of conflicts failed'))
  }
}
