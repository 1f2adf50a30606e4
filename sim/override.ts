import type { Store } from '../src/store/store.ts'

/** Methods in the place of a store's own; each gets the store first. */
export type Overrides = Partial<Record<keyof Store, (store: Store, ...args: never[]) => unknown>>

/** The store with some of its methods replaced. */
export function override(store: Store, methods: Overrides): Store {
  return new Proxy<Store>(store, {
    get(target, name) {
      const method = methods[name as keyof Store]
      if (method !== undefined) return method.bind(undefined, target)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
