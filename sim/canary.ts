import type { Entry } from '../src/core/entry.ts'
import { LocalStore } from '../src/store/local.ts'
import type { CollectionRule, Merged, MergeSource, Store } from '../src/store/store.ts'
import type { NodePlan } from './node.ts'
import { override, type Overrides } from './override.ts'

/**
 * Stores that are broken on purpose. The checkers must find each of them out: a simulator that finds
 * nothing wrong here would find nothing wrong anywhere.
 */
export const canaries: Readonly<Record<string, NonNullable<NodePlan['open']>>> = {
  /** Versions are compared by origin first, and only then by time. */
  'origin decides before time': broken(async (store, entries, source) => {
    const winners: Entry[] = []
    for (const entry of entries) {
      const held = await store.newest(entry.path)
      if (held === undefined || held.origin <= entry.origin) winners.push(entry)
    }
    return store.merge(winners, source)
  }),
  /** Deletes of other nodes are not taken in. */
  'tombstones are ignored': broken((store, entries, source) =>
    store.merge(
      entries.filter(({ data }) => data !== null),
      source,
    ),
  ),
  /** A checkpoint is written before what it covers. */
  'checkpoints run ahead': broken(async (store, entries, source) => {
    await store.saveCheckpoints(source.checkpoints ?? [])
    return store.merge(entries, source)
  }),
  /** Tombstones go at once, whoever lacks them. */
  'tombstones are collected too early': replaced({
    collect: (store, rule: CollectionRule) => store.collect({ ...rule, waitFor: [] }),
  }),
  /** Nothing is left of tombstones that went. */
  'no horizon is kept': replaced({
    collect: (store, rule: CollectionRule) => store.collect({ ...rule, linked: false }),
  }),
  /** Nothing is ever collected. */
  'tombstones never go': replaced({ collect: () => Promise.resolve(0) }),
  /** The disk is not waited for. */
  'writes are acknowledged too early': async (engine, env, options) => {
    const hasty = {
      durable: true,
      get: engine.get.bind(engine),
      scan: engine.scan.bind(engine),
      close: engine.close.bind(engine),
      write: async (...[ops, shown]: Parameters<typeof engine.write>) => {
        void engine.write(ops)
        shown?.()
      },
    }
    return LocalStore.open(hasty, env, options)
  },
}

/** A store that merges what may undo deletes like anything else; the scripts on deletion find it out. */
export const credulous = broken((store, entries, source) =>
  store.merge(entries, { ...source, doubted: new Set(), repair: false }),
)

/** A store whose merge is replaced. */
function broken(
  merge: (store: Store, entries: readonly Entry[], source: MergeSource) => Promise<Merged>,
): NonNullable<NodePlan['open']> {
  return replaced({ merge })
}

/** A store some of whose methods are replaced. */
export function replaced(methods: Overrides): NonNullable<NodePlan['open']> {
  return async (engine, env, options) =>
    override(await LocalStore.open(engine, env, options), methods)
}
