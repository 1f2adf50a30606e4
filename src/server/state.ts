import type { Committer } from '../core/commitment.ts'
import type { Env } from '../core/env.ts'
import { State } from '../state/state.ts'
import { ValueState } from '../state/values.ts'
import type { Store } from '../store/store.ts'
import { silent } from './log.ts'
import type { ResolvedOptions } from './options.ts'

/** The state of a node, in its two faces; what its hooks and listeners throw is logged. */
export function stateOn(
  store: Store,
  env: Env,
  options: ResolvedOptions,
  committer: Committer,
): ValueState {
  const { bodyLimitBytes, filters, logger = silent } = options
  const text = new State({
    store,
    env,
    committer,
    maxDataCharacters: bodyLimitBytes,
    filters,
    static: options.static,
    hookFailed: ({ hook, path, error }) =>
      logger.warn({ err: error, hook, path }, 'a filter refused or failed'),
  })
  return new ValueState(text, (path, error) =>
    logger.warn({ err: error, path }, 'a listener of a watch threw'),
  )
}
