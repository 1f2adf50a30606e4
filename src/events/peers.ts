import { skerryError } from '../core/errors.ts'

/**
 * A node that can hold replicas. Only `id` means something to the coordinator; whatever else it
 * carries (a host name, a port) is for the transport.
 */
export interface Peer {
  /** Any string that is not empty; names the same node for ever. */
  readonly id: string
  readonly [property: string]: unknown
}

/** Where a peer stands, seen from this node. */
export interface PeerLocation {
  /** Another zone of this node's region. Wins over `region`. Neither: this node's own zone. */
  readonly zone?: string | undefined
  /** Another region. */
  readonly region?: string | undefined
  /** Share of the replicas compared with its neighbours; default 1. */
  readonly weight?: number | undefined
}

/** A known node with its place, as placement and commit tracking see it. */
export interface PlacedPeer {
  readonly id: string
  readonly peer: Peer
  /** `undefined`: this node's own zone, or another region. */
  readonly zone: string | undefined
  /** `undefined`: this node's own region. */
  readonly region: string | undefined
  readonly weight: number
  /** False while the node is known to be down: it gets hints instead of replicas. */
  readonly available: boolean
  /** Hash of the id, kept for ranking. */
  readonly seed: number
}

/** The peers a coordinator knows, each once, wherever it stands. */
export class PeerBook {
  readonly #peers = new Map<string, PlacedPeer>()
  #list: readonly PlacedPeer[] | undefined
  #up: readonly PlacedPeer[] | undefined

  get size(): number {
    return this.#peers.size
  }

  /** Every peer, in the order of first mention; the array is never changed, only replaced. */
  get list(): readonly PlacedPeer[] {
    return (this.#list ??= [...this.#peers.values()])
  }

  /** The peers that are not known to be down. */
  get up(): readonly PlacedPeer[] {
    return (this.#up ??= this.list.filter(({ available }) => available))
  }

  get(id: string): PlacedPeer | undefined {
    return this.#peers.get(id)
  }

  /**
   * Adds a peer, or updates its address and place; a peer named again is available again.
   * @returns whether the peer was unknown
   * @throws SKERRY_EVENTS_PEER_INVALID
   */
  add(peer: Peer, location: PeerLocation = {}): boolean {
    const { zone, region, weight = 1 } = location
    assertId(peer)
    assertName('zone', zone)
    assertName('region', region)
    if (!(Number.isFinite(weight) && weight > 0)) {
      throw skerryError('EVENTS_PEER_INVALID', `weight ${weight} is not above 0`)
    }
    const { id } = peer
    const isNew = !this.#peers.has(id)
    this.#set({
      ...{ id, peer, weight, zone, available: true, seed: hashOf(id) },
      region: zone === undefined ? region : undefined,
    })
    return isNew
  }

  /** Forgets a peer wherever it was filed. @returns the forgotten peer, if it was known */
  drop(id: string): PlacedPeer | undefined {
    const dropped = this.#peers.get(id)
    this.#peers.delete(id)
    this.#list = this.#up = undefined
    return dropped
  }

  /** Marks a peer up or down. @returns whether that changed anything */
  setAvailable(id: string, available: boolean): boolean {
    const known = this.#peers.get(id)
    if (!known || known.available === available) return false
    this.#set({ ...known, available })
    return true
  }

  #set(peer: PlacedPeer): void {
    this.#peers.set(peer.id, peer)
    this.#list = this.#up = undefined
  }
}

function assertId(peer: Peer): void {
  const id: unknown = (peer as Peer | undefined)?.id
  if (typeof id !== 'string' || id === '') {
    throw skerryError('EVENTS_PEER_INVALID', 'it needs an id, a string that is not empty')
  }
}

function assertName(what: string, name: unknown): void {
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw skerryError('EVENTS_PEER_INVALID', `its ${what} is not a string with characters in it`)
  }
}

/**
 * 32-bit hash of a string: FNV-1a with the finaliser of MurmurHash3, without which FNV-1a spreads
 * similar ids badly.
 */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return mix(hash)
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
export function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
