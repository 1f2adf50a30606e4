import { skerryError } from '../../core/errors.ts'
import { depthOf, isGlob, matches } from '../../core/path.ts'
import type { Store } from '../../store/store.ts'

/** A key as the pivot protocol knows it: one path, or a glob that ends in its only `*`. */
export interface PivotKey {
  /** `users/*` or `settings`. */
  readonly path: string
  /** The path without its `/*`. */
  readonly base: string
  readonly isGlob: boolean
  readonly store: Store
  /** The HTTP address of the leader that this node follows for the key; undefined: it leads. */
  readonly leader: string | undefined
}

/** True if the protocol can name the key: Go nodes cut the first `/*` out of it, and know no other globs. */
export function isPivotPath(path: string): boolean {
  if (!isGlob(path)) return true
  return path.endsWith('/*') && !path.slice(0, -2).includes('*')
}

export function pivotKey(path: string, store: Store, leader: string | undefined): PivotKey {
  const glob = isGlob(path)
  return { path, base: glob ? path.slice(0, -2) : path, isGlob: glob, store, leader }
}

/** The keys of a node, and which of them a request is about. */
export class PivotKeys {
  readonly all: readonly PivotKey[]

  constructor(all: readonly PivotKey[]) {
    this.all = all
  }

  /** The key of an `/activity/{base}`. */
  ofBase(base: string): PivotKey {
    return this.#found(base, ({ base: own }) => own === base)
  }

  /** The key whose entries a GET asks for: any index below the base of a glob asks for the list. */
  ofRead(target: string): PivotKey {
    const depth = depthOf(target)
    return this.#found(target, ({ path, base, isGlob: glob }) =>
      glob ? depth === depthOf(path) && target.startsWith(`${base}/`) : path === target,
    )
  }

  /** The key that covers the path of a write. */
  ofPath(path: string): PivotKey {
    return this.#found(path, (key) => matches(key.path, path))
  }

  /** The key that covers the path in this store, if any does. */
  covering(store: Store, path: string): PivotKey | undefined {
    return this.all.find((key) => key.store === store && matches(key.path, path))
  }

  #found(asked: string, fits: (key: PivotKey) => boolean): PivotKey {
    const key = this.all.find(fits)
    if (key === undefined) throw skerryError('KEY_NOT_SHARED', asked)
    return key
  }
}
