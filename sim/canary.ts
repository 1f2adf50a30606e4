import type { Entry } from '../src/core/entry.ts'
import { LocalStore } from '../src/store/local.ts'
import type { MergeSource, Store } from '../src/store/store.ts'
import type { NodePlan } from './node.ts'

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

/** A store whose merge is replaced. */
function broken(
  merge: (store: Store, entries: readonly Entry[], source: MergeSource) => Promise<number>,
): NonNullable<NodePlan['open']> {
  return async (engine, env, options) => {
    const store = await LocalStore.open(engine, env, options)
    return new Proxy<Store>(store, {
      get(target, name) {
        if (name === 'merge') return merge.bind(undefined, target)
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }
}
