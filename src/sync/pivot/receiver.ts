import { type Entry, stampOf, tombstone } from '../../core/entry.ts'
import type { Store } from '../../store/store.ts'
import type { PivotKey } from './keys.ts'
import type { PivotPeers } from './peers.ts'
import { isSameWrite } from './wire.ts'

/** Where a write from a peer goes. */
export interface Target {
  readonly key: PivotKey
  readonly path: string
  /** The peer that it came from, by its name in the feed. */
  readonly from: string
}

/** What came of a POST beyond being taken. */
export interface Taken {
  /** When the path was deleted, if that is what stands. */
  readonly deleted?: bigint
  /** Readers don't see it: it is kept aside for its stamp, or withheld. Who sent it must not let go of it. */
  readonly hidden?: true
}

/**
 * Takes what peers post and delete. The newest version wins whatever order they come in; a peer that is
 * overruled is brought to look again, by a new stamp on what overruled it.
 */
export class Receiver {
  readonly #peers: PivotPeers
  readonly #tellAgain: (key: PivotKey) => void

  /** @param tellAgain brings every node to look at the key again */
  constructor(peers: PivotPeers, tellAgain: (key: PivotKey) => void) {
    this.#peers = peers
    this.#tellAgain = tellAgain
  }

  /** Stores an entry with its own times, unless something newer is there. */
  async post(target: Target, entry: Entry): Promise<Taken> {
    await this.#peers.heard(target.from, [target.key])
    await this.#take(target, entry)
    const { store } = target.key
    const held = await store.newest(target.path)
    // Nothing there: it is withheld.
    if (held === undefined) return { hidden: true }
    if (held.data === null) return { deleted: stampOf(held) }
    const isHidden = isSameWrite(held, entry) && isAside(held, await store.read(target.path))
    return isHidden ? { hidden: true } : {}
  }

  async #take(target: Target, entry: Entry): Promise<void> {
    const { store } = target.key
    const held = await store.newest(target.path)
    if (held === undefined) return this.#merge(target, entry)
    if (isSameWrite(held, entry)) return
    const stamp = stampOf(entry)
    const shown = await store.read(target.path)
    if (isAside(held, shown)) {
      if (stamp > stampOf(held)) return this.#merge(target, entry)
      if (shown !== undefined && stampOf(shown) >= stamp) return this.#tellAgain(target.key)
      // What readers see is older: this write lands on the version kept aside, as a local one would.
      return write(store, target.path, entry.data)
    }
    if (held.data !== null || stamp <= stampOf(held)) return this.#merge(target, entry)
    // Created anew. Peers compare `updated` only, and may still hold what came before the tombstone.
    if (stamp <= store.time()) return write(store, target.path, entry.data)
    await this.#merge(target, { ...entry, created: stamp, updated: stamp })
  }

  /** Deletes as of `time`. A time that is not above the held stamp was inferred from absence: it is refused. */
  async delete(target: Target, time: bigint): Promise<void> {
    const { store } = target.key
    const { path } = target
    await this.#peers.heard(target.from, [target.key])
    const held = await store.newest(path)
    const shown = await store.read(path)
    if (held !== undefined && isAside(held, shown) && time <= stampOf(held)) {
      if (shown === undefined || time <= stampOf(shown)) return this.#tellAgain(target.key)
      return write(store, path, null)
    }
    if (held !== undefined && held.data !== null && time <= stampOf(held)) {
      return this.#overrule(target)
    }
    await this.#merge(target, tombstone(path, time, ''))
  }

  async #merge(target: Target, entry: Entry): Promise<void> {
    const { store } = target.key
    // It may be from before a delete that is forgotten here: then it is withheld.
    await store.merge([entry], { peer: target.from, doubted: new Set([target.path]) })
    if (entry.data === null) return
    const held = await store.newest(target.path)
    const isOverruled = held !== undefined && !isSameWrite(held, entry)
    // Unless somebody has written on top of it meanwhile; then peers hear of that anyway.
    if (isOverruled) await this.#overrule(target)
  }

  /** What readers see stands: it gets a new stamp, so that the peer takes it over what it has. */
  async #overrule(target: Target): Promise<void> {
    const { store } = target.key
    const [written] = await store.write([
      { path: target.path, restated: true, decide: (shown) => shown?.data ?? undefined },
    ])
    if (written?.changed !== true) this.#tellAgain(target.key)
  }
}

async function write(store: Store, path: string, data: string | null): Promise<void> {
  await store.write([{ path, decide: () => data }])
}

/** True if the newest version is kept aside for its stamp, and readers see another one. */
export function isAside(newest: Entry, shown: Entry | undefined): boolean {
  if (shown === undefined) return newest.data !== null
  return newest.data === null || stampOf(shown) !== stampOf(newest)
}
