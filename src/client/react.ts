import { useMemo, useSyncExternalStore } from 'react'
import type { Client } from './client.ts'
import type { Entry } from './entry.ts'
import type { ClientError } from './error.ts'
import type { SyncState } from './status.ts'

/** What a component sees of a path or glob. */
export interface Seen<V> {
  /** The newest value; undefined before anything is known. */
  readonly value: V | undefined
  /** True while the node keeps it in step. */
  readonly live: boolean
  /** Why the node refuses to show it. */
  readonly failure: ClientError | undefined
}

const NOTHING: Seen<unknown> = Object.freeze({ value: undefined, live: false, failure: undefined })

/** A watch as React reads it: open as long as somebody subscribes, with snapshots that stay the same until it changes. */
class WatchStore {
  readonly #client: Client
  readonly #pattern: string
  #seen = NOTHING

  constructor(client: Client, pattern: string) {
    this.#client = client
    this.#pattern = pattern
  }

  readonly subscribe = (tell: () => void): (() => void) => {
    const watch = this.#client.watch<unknown>(this.#pattern)
    const look = (): void => {
      const { value, live, failure } = watch
      this.#seen = Object.freeze({ value, live, failure })
    }
    watch.listen(() => {
      look()
      tell()
    })
    look()
    return () => watch.close()
  }

  readonly snapshot = (): Seen<unknown> => this.#seen
}

/**
 * Watches a glob or a path for as long as the component is there; it renders again with each change.
 *
 * @example
 * const { value: users = [] } = useWatch<User>(client, 'users/*')
 */
export function useWatch<T = unknown>(
  client: Client,
  glob: `${string}*${string}`,
): Seen<readonly Entry<T>[]>
export function useWatch<T = unknown>(client: Client, path: string): Seen<Entry<T> | null>
export function useWatch(client: Client, pattern: string): Seen<unknown> {
  const store = useMemo(() => new WatchStore(client, pattern), [client, pattern])
  return useSyncExternalStore(store.subscribe, store.snapshot, store.snapshot)
}

/**
 * How the client stands to its node; the component renders again when that changes.
 *
 * @example
 * const { online, pending } = useSync(client)
 */
export function useSync(client: Client): SyncState {
  const source = useMemo(() => {
    const { sync } = client
    return { subscribe: (tell: () => void) => sync.subscribe(tell), state: () => sync.state }
  }, [client])
  return useSyncExternalStore(source.subscribe, source.state, source.state)
}
