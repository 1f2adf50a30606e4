import { skerryError } from '../core/errors.ts'
import type { ResolvedOptions } from './options.ts'
import type { PeerBook, PlacedPeer } from './peers.ts'
import type { ReplicaRange, ReplicaStore } from './storage.ts'
import type { PeerTransport, Replica } from './transport.ts'
import type { WalkSource } from './walk.ts'

/** The nodes that a walk can ask, and those it can't. */
export interface ReachableNodes {
  readonly sources: readonly WalkSource[]
  readonly down: readonly string[]
}

/** This node and its peers as places to read from and to copy to, all with the same deadline. */
export class Nodes {
  readonly #options: ResolvedOptions
  readonly #store: ReplicaStore
  readonly #transport: PeerTransport
  readonly #peers: PeerBook

  constructor(
    options: ResolvedOptions,
    store: ReplicaStore,
    transport: PeerTransport,
    peers: PeerBook,
  ) {
    this.#options = options
    this.#store = store
    this.#transport = transport
    this.#peers = peers
  }

  get localId(): string {
    return this.#options.id
  }

  /** Everybody, this node first. */
  all(): ReachableNodes {
    const local: WalkSource = {
      id: this.localId,
      range: (range) => this.#store.rangeReplicas(range),
    }
    const { list } = this.#peers
    return {
      sources: [
        local,
        ...list.filter(({ available }) => available).map((peer) => this.#from(peer)),
      ],
      down: list.filter(({ available }) => !available).map(({ id }) => id),
    }
  }

  async put(id: string, replica: Replica): Promise<void> {
    if (id === this.localId) await this.#store.writeReplica(replica.key, replica.text)
    else await this.#inTime(this.#transport.put(this.#peer(id).peer, replica))
  }

  async get(id: string, key: string): Promise<string | undefined> {
    if (id === this.localId) return this.#store.readReplica(key)
    return this.#inTime(this.#transport.get(this.#peer(id).peer, key))
  }

  #from(placed: PlacedPeer): WalkSource {
    const range = (range: ReplicaRange) => this.#inTime(this.#transport.range(placed.peer, range))
    return { id: placed.id, range }
  }

  #peer(id: string): PlacedPeer {
    const placed = this.#peers.get(id)
    if (!placed) throw skerryError('EVENTS_PEER_INVALID', `'${id}' is not known (any more)`)
    return placed
  }

  /** A peer that stays silent must not hold up whoever asked it. */
  #inTime<T>(answer: Promise<T>): Promise<T> {
    const { env, replicaTimeoutMs } = this.#options
    return new Promise<T>((resolve, reject) => {
      const cancel = env.setTimer(replicaTimeoutMs, () => {
        reject(skerryError('EVENTS_SILENT', replicaTimeoutMs))
      })
      answer.then(resolve, reject).finally(cancel)
    })
  }
}
