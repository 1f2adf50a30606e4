import { pack, readStamp, readText, readTuple, unpack } from '../../core/codec.ts'
import { NS_PER_MS } from '../../core/env.ts'
import type { CollectionRule, Store } from '../../store/store.ts'
import { NAMELESS } from './address.ts'
import type { PivotKey } from './keys.ts'

/** The most peers of the pivot protocol that a node knows by name; further ones are known as one without a name. */
export const MAX_PIVOT_PEERS = 1000

/** Where they lie among the store's notes. */
const NOTES = 'pivot/peer/'

/** A peer that is heard of all the time is written down again only after so long. */
const CONTACT_NS = 3_600_000n * NS_PER_MS

/** A peer that shares keys by the pivot protocol. */
export interface PivotPeer {
  /** Its name in feeds: `pivot:` and its `host:port`. */
  readonly name: string
  /** The keys that it has been told of, has read, or has written to; none, once nothing waits for it any more. */
  readonly keys: readonly string[]
  /** When it was heard of last, give or take an hour: nanoseconds. */
  readonly since: bigint
}

/**
 * The peers that this node has shared keys with by the pivot protocol, durably. They acknowledge nothing, so a
 * tombstone under a key of theirs goes only once it has expired. One that was silent for as long as that is fenced:
 * nothing waits for it any more, and what it offers from before is withheld, as from each of them. Keys with a
 * store of their own are left out: nothing is collected there.
 */
export class PivotPeers {
  readonly #store: Store
  readonly #peers = new Map<string, PivotPeer>()
  #saving: Promise<unknown> = Promise.resolve()
  #loaded: Promise<void> | undefined

  constructor(store: Store) {
    this.#store = store
  }

  /** Reads them from the store; once that has worked, does nothing. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined
      throw error
    })
    return this.#loaded
  }

  /** Those that share keys by now. */
  get sharing(): readonly PivotPeer[] {
    return [...this.#peers.values()].filter(({ keys }) => keys.length > 0)
  }

  /** True if some peer may hold what was deleted here, whether anything waits for it or not. */
  get any(): boolean {
    return this.#peers.size > 0
  }

  /** True if the peer shares keys by now. */
  has(name: string): boolean {
    return (this.#peers.get(name)?.keys.length ?? 0) > 0
  }

  /** Notes, before it is told anything, that a peer may share the keys though nobody has heard of it yet. */
  async expect(name: string, keys: readonly PivotKey[]): Promise<void> {
    await this.#note(name, keys, () => false)
  }

  /** Notes, before anything is taken from it or shown to it, that a peer is there and shares the keys. */
  async heard(name: string, keys: readonly PivotKey[]): Promise<void> {
    const now = this.#store.time()
    await this.#note(name, keys, ({ since }) => now - since > CONTACT_NS)
  }

  /** Somebody who says no name reads a key: a peer, unless those that are known account for it. */
  async read(key: PivotKey): Promise<void> {
    await this.load()
    const named = this.sharing.some(
      ({ name, keys }) => name !== NAMELESS && keys.includes(key.path),
    )
    if (!named) await this.heard(NAMELESS, [key])
  }

  /**
   * Nothing waits for the peer any more; false if nothing did. It is remembered that there was one: what is
   * deleted may be with it still.
   */
  async drop(name: string): Promise<boolean> {
    await this.load()
    return this.#inTurn(async () => {
      const known = this.#peers.get(name)
      if (known === undefined || known.keys.length === 0) return false
      await this.#put({ ...known, keys: [] })
      return true
    })
  }

  /**
   * What a collection waits for because of them.
   * @param expired tombstones stamped at or below have expired; so has a peer that was not heard of since
   */
  waitFor(expired: bigint): CollectionRule['waitFor'] {
    return this.sharing
      .filter(({ since }) => since + CONTACT_NS > expired)
      .map(({ name, keys }) => ({ peer: name, epoch: '', keys }))
  }

  async #note(
    name: string,
    shared: readonly PivotKey[],
    isStale: (peer: PivotPeer) => boolean,
  ): Promise<void> {
    const keys = shared.filter(({ store }) => store === this.#store).map(({ path }) => path)
    if (keys.length === 0) return
    await this.load()
    const isNews = (peer: PivotPeer | undefined): boolean =>
      peer === undefined || isStale(peer) || keys.some((key) => !peer.keys.includes(key))
    if (!isNews(this.#peers.get(name))) return
    await this.#inTurn(async () => {
      const known = this.#peers.get(name)
      if (!isNews(known)) return
      const isTooMany = known === undefined && this.sharing.length >= MAX_PIVOT_PEERS
      const as = isTooMany ? NAMELESS : name
      const all = [...new Set([...(this.#peers.get(as)?.keys ?? []), ...keys])]
      await this.#put({ name: as, keys: all, since: this.#store.time() })
    })
  }

  async #put(peer: PivotPeer): Promise<void> {
    const { name, keys, since } = peer
    const leaving = this.#leaving(name)
    const gone = leaving === undefined ? [] : [{ name: NOTES + leaving }]
    await this.#store.saveNotes([...gone, { name: NOTES + name, value: pack([keys, since]) }])
    if (leaving !== undefined) this.#peers.delete(leaving)
    this.#peers.set(name, peer)
  }

  /** Which record of a peer that shares nothing has to go, to make room for the name. */
  #leaving(name: string): string | undefined {
    if (this.#peers.has(name) || this.#peers.size < MAX_PIVOT_PEERS) return undefined
    return [...this.#peers.values()].find(({ keys }) => keys.length === 0)?.name
  }

  /** One change of the records at a time. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#saving.then(change)
    this.#saving = turn.catch(() => undefined)
    return turn
  }

  async #load(): Promise<void> {
    for (const { name, value } of await this.#store.notes(NOTES)) {
      const [keys, since] = readTuple(unpack(value), 'pivot peer')
      const peer = name.slice(NOTES.length)
      this.#peers.set(peer, {
        name: peer,
        keys: readTuple(keys, 'keys').map((key) => readText(key, 'key')),
        since: readStamp(since, 'since'),
      })
    }
  }
}
