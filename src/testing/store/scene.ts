import assert from 'node:assert/strict'
import type { Entry } from '../../core/entry.ts'
import { NS_PER_MS } from '../../core/env.ts'
import type { Acknowledgement, Commit, Listing, Store, Write, Written } from '../../store/store.ts'
import { VirtualEnv } from '../env.ts'

/** How a suite opens a store. */
export interface OpenOptions {
  readonly nodeId?: string
  readonly maxClockDriftMs?: number
}

/** A place that holds one store: a directory, a server, or memory that outlives the store. */
export interface StorePlace {
  /** Opens the store that lies there, or makes one. The suite closes it before it opens it again. */
  open(env: VirtualEnv, options: OpenOptions): Promise<Store>
  /** A second place with a copy of what lies there, as a copied data directory would be. Closed stores only. */
  copy(): Promise<StorePlace>
  /** Clears it away; every store of it is closed. */
  remove(): Promise<void>
}

/** What a suite needs of a test framework, and of the store under test. */
export interface StoreSuiteOptions {
  /** Registers a test: `test` of Vitest, node:test or any other framework. */
  readonly test: (name: string, body: () => Promise<void>) => void
  /** Makes an empty place. */
  readonly place: () => Promise<StorePlace>
}

/** One test's places, stores and time. Whatever it opened is closed and cleared away at its end. */
export class Scene {
  readonly env = new VirtualEnv(1)
  readonly #makePlace: () => Promise<StorePlace>
  readonly #places: StorePlace[] = []
  readonly #open = new Set<Store>()

  constructor(makePlace: () => Promise<StorePlace>) {
    this.#makePlace = makePlace
  }

  async place(): Promise<StorePlace> {
    const place = await this.#makePlace()
    this.#places.push(place)
    return place
  }

  async copy(original: StorePlace): Promise<StorePlace> {
    const place = await original.copy()
    this.#places.push(place)
    return place
  }

  /** Opens the store of a place; of a fresh one by default. */
  async store(options: OpenOptions & { place?: StorePlace; env?: VirtualEnv } = {}) {
    const { place = await this.place(), env = this.env, ...rest } = options
    const store = await place.open(env, { nodeId: 'here', ...rest })
    this.#open.add(store)
    return store
  }

  async close(store: Store): Promise<void> {
    this.#open.delete(store)
    await store.close()
  }

  async end(): Promise<void> {
    for (const store of this.#open) await store.close()
    for (const place of this.#places) await place.remove()
  }
}

/** Registers tests that each have a {@link Scene}. */
export function scenes(options: StoreSuiteOptions) {
  return (name: string, body: (scene: Scene) => Promise<void>): void => {
    options.test(name, async () => {
      const scene = new Scene(options.place)
      try {
        await body(scene)
      } finally {
        await scene.end()
      }
    })
  }
}

/** A write that puts `data`, or deletes if it is null, whatever is there. */
export function put(path: string, data: string | null): Write {
  return { path, decide: () => data }
}

export async function set(store: Store, path: string, data: string | null): Promise<Written> {
  const [written] = await store.write([put(path, data)])
  assert.ok(written)
  return written
}

/** A version as a peer would send it, stamped `ms` milliseconds after the start of virtual time. */
export function version(path: string, ms: number, data: string | null, origin = 'there'): Entry {
  const stamp = new VirtualEnv().now() + BigInt(ms) * NS_PER_MS
  if (data === null) return { path, created: 0n, updated: stamp, origin, data }
  return { path, created: stamp, updated: 0n, origin, data }
}

/** Merges versions from a peer; resolves to how many changed anything. */
export async function merge(store: Store, ...entries: Entry[]): Promise<number> {
  return (await store.merge(entries, { peer: 'peer' })).changed
}

/** What a peer says of this store's feed, in one epoch of its own. */
export function said(peer: string, key: string, seq: number, epoch = 'e'): Acknowledgement {
  return { peer, key, epoch, seq, ever: seq, ownEpoch: 'own' }
}

/** What readers see, by path. */
export function seen({ entries }: Listing): Record<string, string | null> {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))
  return Object.fromEntries(sorted.map(({ path, data }) => [path, data]))
}

/** The data that readers see at the path. */
export async function dataAt(store: Store, path: string): Promise<string | null | undefined> {
  const now = store.readNow?.(path)
  const entry = await store.read(path)
  if (store.readNow !== undefined) assert.deepEqual(now, entry, 'what it reads at once')
  return entry?.data
}

/** Resolves once readers see the path. */
export function shown(store: Store, path: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = store.watch(({ changes }) => {
      if (!changes.some(({ entry, after }) => entry.path === path && after !== undefined)) return
      stop()
      resolve()
    })
  })
}

/** Resolves to the next commit. */
export function nextCommit(store: Store): Promise<Commit> {
  return new Promise((resolve) => {
    const stop = store.watch((commit) => {
      stop()
      resolve(commit)
    })
  })
}

/** Every change after `seq`, page by page. */
export async function feedAfter(store: Store, seq: number, limit = 3) {
  const changes = []
  for (;;) {
    const page = await store.changesAfter(seq, limit)
    changes.push(...page.changes)
    if (page.upTo === seq) return changes
    assert.ok(page.upTo > seq, 'a page moves forward')
    seq = page.upTo
  }
}

/** The newest change of each path, oldest first. */
export function newestOf<Each extends { entry: Entry }>(changes: readonly Each[]): Each[] {
  const newest = new Map<string, Each>()
  for (const change of changes) {
    newest.delete(change.entry.path)
    newest.set(change.entry.path, change)
  }
  return [...newest.values()]
}

/** True of an error with this code. */
export function coded(code: string) {
  return (error: unknown): boolean => (error as { code?: unknown }).code === code
}
