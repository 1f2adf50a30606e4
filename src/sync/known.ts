import { pack, readStamp, readText, readTuple, unpack } from '../core/codec.ts'
import { skerryError } from '../core/errors.ts'
import { EVERYTHING, sharedKeys } from '../core/path.ts'
import type { CollectionRule, Store } from '../store/store.ts'
import type { Forget } from './messages.ts'

/** The most nodes that a node knows. */
export const MAX_KNOWN_PEERS = 1000

/** Where the nodes that a store has been linked with lie among its notes. */
const NOTES = 'peer/'

/** Another node that this one has been linked with, or heard of because it won't come back. */
export interface KnownPeer {
  readonly nodeId: string
  /** The epoch that it had when it was linked last. */
  readonly epoch: string
  /** The key paths that the last link shared. */
  readonly keys: readonly string[]
  /** False if what it holds goes with its process: then nothing waits for it. */
  readonly durable: boolean
  /** When it was linked last, or forgotten: nanoseconds. */
  readonly since: bigint
  /** True once an operator has said that it won't come back. */
  readonly forgotten: boolean
}

/**
 * The nodes that this one has been linked with, durably. A tombstone waits for all of them that share its path,
 * whether they answer or not, until one of them is forgotten.
 */
export class KnownPeers {
  readonly #store: Store
  readonly #keys: readonly string[]
  readonly #peers = new Map<string, KnownPeer>()
  #loaded: Promise<void> | undefined

  /** @param keys what this node shares */
  constructor(store: Store, keys: readonly string[]) {
    this.#store = store
    this.#keys = keys
  }

  /** Reads them from the store; once that has worked, does nothing. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined
      throw error
    })
    return this.#loaded
  }

  get all(): readonly KnownPeer[] {
    return [...this.#peers.values()]
  }

  get(nodeId: string): KnownPeer | undefined {
    return this.#peers.get(nodeId)
  }

  /** What it shares with this node. */
  sharedWith({ keys }: KnownPeer): string[] {
    return sharedKeys(this.#keys, keys)
  }

  /** Those whose word counts: durable, and not forgotten. */
  get counted(): KnownPeer[] {
    return this.all.filter(({ durable, forgotten }) => durable && !forgotten)
  }

  /** Those whose word counts, with what each shares with this node. */
  get sharing(): { readonly nodeId: string; readonly keys: readonly string[] }[] {
    return this.counted.map((peer) => ({ nodeId: peer.nodeId, keys: this.sharedWith(peer) }))
  }

  /**
   * Which tombstones this node may collect.
   * @param addresses how many nodes it is told to link with: as long as it knows fewer, some are still to come
   * @param others what is known of peers by another protocol
   */
  rule(
    expired: bigint,
    addresses: number,
    others: Pick<CollectionRule, 'waitFor' | 'linked'>,
  ): CollectionRule {
    const mine = this.counted.map((peer) => {
      return { peer: peer.nodeId, epoch: peer.epoch, keys: this.sharedWith(peer) }
    })
    const waitFor = [...mine, ...others.waitFor]
    if (this.#peers.size < addresses) waitFor.push({ peer: '', epoch: '', keys: [EVERYTHING] })
    return { waitFor, expired, keys: this.#keys, linked: others.linked || this.#peers.size > 0 }
  }

  /**
   * Keeps what is known of a node, in the place of what was.
   * @throws SKERRY_PEERS_TOO_MANY if it would be one too many
   */
  async save(peer: KnownPeer): Promise<void> {
    const { nodeId, epoch, keys, durable, since, forgotten } = peer
    const leaving = this.#peers.has(nodeId) ? undefined : this.#makeRoom()
    const value = pack([epoch, keys, durable, since, forgotten])
    const notes = [{ name: `${NOTES}${nodeId}`, value }]
    const gone = leaving === undefined ? [] : [{ name: `${NOTES}${leaving}` }]
    await this.#store.saveNotes([...gone, ...notes])
    if (leaving !== undefined) this.#peers.delete(leaving)
    this.#peers.set(nodeId, peer)
  }

  /** Those that won't come back, as nodes tell each other. */
  get forgotten(): Forget['nodes'] {
    return this.all
      .filter(({ forgotten }) => forgotten)
      .map(({ nodeId, since }) => [nodeId, since] as const)
  }

  /** Notes that a node won't come back; false if that is no news, or it was linked since. */
  async forget(nodeId: string, since: bigint): Promise<boolean> {
    const known = this.#peers.get(nodeId)
    if (known !== undefined && (known.forgotten || known.since >= since)) return false
    if (known === undefined && this.#peers.size >= MAX_KNOWN_PEERS) return false
    const unknown = { nodeId, epoch: '', keys: [], durable: true }
    await this.save({ ...(known ?? unknown), since, forgotten: true })
    return true
  }

  /** Whom to drop for another one, if need be: nothing waits for who is in memory only or forgotten. */
  #makeRoom(): string | undefined {
    if (this.#peers.size < MAX_KNOWN_PEERS) return undefined
    const free = this.all.filter(({ durable, forgotten }) => !durable || forgotten)
    const oldest = free.sort((a, b) => (a.since < b.since ? -1 : 1))[0]
    if (oldest === undefined) throw skerryError('PEERS_TOO_MANY', MAX_KNOWN_PEERS)
    return oldest.nodeId
  }

  async #load(): Promise<void> {
    for (const { name, value } of await this.#store.notes(NOTES)) {
      const nodeId = name.slice(NOTES.length)
      // What came by a link meanwhile is newer.
      if (!this.#peers.has(nodeId)) this.#peers.set(nodeId, unpackPeer(nodeId, value))
    }
  }
}

function unpackPeer(nodeId: string, bytes: Uint8Array): KnownPeer {
  const [epoch, keys, durable, since, forgotten] = readTuple(unpack(bytes), 'peer')
  return {
    nodeId,
    epoch: readText(epoch, 'epoch'),
    keys: readTuple(keys, 'keys').map((key) => readText(key, 'key')),
    durable: durable === true,
    since: readStamp(since, 'since'),
    forgotten: forgotten === true,
  }
}
