import type { Store } from '../store/store.ts'
import type { KnownPeer, KnownPeers } from './known.ts'
import type { Standing } from './lag.ts'
import type { Session } from './session.ts'

/** Where a link that has ended had come. */
interface Left {
  readonly epoch: string
  readonly positions: ReadonlyMap<string, number>
}

/**
 * Up to where each known peer has this store's feed: by the word of its link, else by what the last one heard. For a
 * peer that was not linked since the node started it is what was kept on the disk, which may lag behind by a moment.
 */
export class Standings {
  readonly #store: Store
  readonly #known: KnownPeers
  readonly #session: (nodeId: string) => Session | undefined
  readonly #left = new Map<string, Left>()

  /** @param session what goes on with a node that is linked now */
  constructor(store: Store, known: KnownPeers, session: (nodeId: string) => Session | undefined) {
    this.#store = store
    this.#known = known
    this.#session = session
  }

  /** The peer is let in: what was heard of it before may no longer hold. */
  begin(nodeId: string): void {
    this.#left.delete(nodeId)
  }

  /** The link with the peer is over. */
  end(nodeId: string, epoch: string, session: Session | undefined): void {
    const positions = new Map<string, number>()
    for (const key of session?.keys ?? []) {
      const position = session?.position(key)
      if (position !== undefined) positions.set(key, position)
    }
    this.#left.set(nodeId, { epoch, positions })
  }

  get all(): Standing[] {
    for (const nodeId of this.#left.keys()) {
      if (this.#known.get(nodeId)?.forgotten !== false) this.#left.delete(nodeId)
    }
    return this.#known.all.flatMap((peer) => this.of(peer))
  }

  /**
   * One for each key that the peer shares; none if nothing waits for it: it is forgotten, or it is away and keeps
   * nothing.
   */
  of(peer: KnownPeer): Standing[] {
    const session = this.#session(peer.nodeId)
    if (peer.forgotten || (!peer.durable && session === undefined)) return []
    const keys = session?.keys ?? this.#known.sharedWith(peer)
    return keys.map((key) => {
      const position = session?.position(key) ?? this.#heard(peer, key)
      return { store: this.#store, peer: peer.nodeId, key, position }
    })
  }

  #heard({ nodeId, epoch }: KnownPeer, key: string): number {
    const said = this.#store.acknowledged(nodeId, key)
    const kept = said?.epoch === epoch ? said.seq : 0
    const left = this.#left.get(nodeId)
    return left?.epoch === epoch ? Math.max(kept, left.positions.get(key) ?? 0) : kept
  }
}
