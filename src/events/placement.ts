import { hashOf, mix, type PlacedPeer } from './peers.ts'

/** How many replicas a coordinator places by name, beyond the local one. */
export interface ReplicationStrategy {
  readonly otherZoneReplicas: number
  readonly otherRegionReplicas: number
}

/** Where the replicas of one key go, besides the local copy. */
export interface Placement {
  /** The chosen peers, best first: other zones, other regions, then the own zone. */
  readonly replicas: readonly PlacedPeer[]
  /** Everybody else in the order in which they stand in for a peer that fails. */
  readonly spares: readonly PlacedPeer[]
}

/**
 * Chooses the peers that get a replica of `key`: other zones, other regions, own zone, and
 * whatever is left of `count` from anywhere. The same key, peers and strategy give the same
 * answer, so that a reader knows where to look first.
 *
 * Within a group the walk is that of Cassandra's NetworkTopologyStrategy over peers ranked by
 * weighted rendezvous hashing: no zone twice before each has been used once, no peer twice ever.
 *
 * @param count how many replicas are wanted besides the local one; fewer come back if there are
 *   fewer peers
 */
export function place(
  key: string,
  peers: readonly PlacedPeer[],
  count: number,
  strategy: ReplicationStrategy,
): Placement {
  // Where everybody gets a copy there is nothing to choose.
  if (count >= peers.length) return { replicas: peers, spares: [] }
  const ranked = rank(key, peers)
  const chosen = new Set<PlacedPeer>()
  const take = (group: readonly PlacedPeer[], wanted: number) => {
    for (const peer of spread(group, Math.min(wanted, count - chosen.size))) chosen.add(peer)
  }
  if (strategy.otherZoneReplicas > 0) take(ranked.filter(inOtherZone), strategy.otherZoneReplicas)
  if (strategy.otherRegionReplicas > 0) {
    take(ranked.filter(inOtherRegion), strategy.otherRegionReplicas)
  }
  if (chosen.size < count) take(ranked.filter(inOwnZone), count)
  if (chosen.size < count) {
    take(
      ranked.filter((peer) => !chosen.has(peer)),
      count,
    )
  }
  return { replicas: [...chosen], spares: ranked.filter((peer) => !chosen.has(peer)) }
}

/** The peers, best first for `key`; a change of weight moves keys only to or from that peer. */
export function rank(key: string, peers: readonly PlacedPeer[]): PlacedPeer[] {
  const ranked = [...peers]
  if (ranked.length < 2) return ranked
  const keyHash = hashOf(key)
  const scores = new Map<PlacedPeer, number>()
  for (const peer of ranked) scores.set(peer, score(keyHash, peer))
  const scoreOf = (peer: PlacedPeer) => scores.get(peer) as number
  return ranked.sort((a, b) => scoreOf(b) - scoreOf(a) || (a.id < b.id ? -1 : 1))
}

/** Weighted rendezvous hashing: -weight / ln(u), with u uniform in (0, 1) for this key and peer. */
function score(keyHash: number, { seed, weight }: PlacedPeer): number {
  return -weight / Math.log((mix(keyHash ^ seed) + 0.5) / 0x1_0000_0000)
}

/** `count` of the ranked peers, each zone (or region) once before any is used again. */
export function spread(ranked: readonly PlacedPeer[], count: number): readonly PlacedPeer[] {
  if (count >= ranked.length) return ranked
  const domains = new Map<string, PlacedPeer[]>()
  for (const peer of ranked) {
    const domain = domainOf(peer)
    const members = domains.get(domain)
    if (members) members.push(peer)
    else domains.set(domain, [peer])
  }
  const chosen: PlacedPeer[] = []
  const wanted = Math.min(count, ranked.length)
  for (let round = 0; chosen.length < wanted; round++) {
    for (const members of domains.values()) {
      const peer = members[round]
      if (peer && chosen.length < wanted) chosen.push(peer)
    }
  }
  return chosen
}

/** One text for the zone or region a peer stands in, unlike that of any other. */
function domainOf({ zone, region }: PlacedPeer): string {
  if (zone !== undefined) return `zone ${zone}`
  return region === undefined ? '' : `region ${region}`
}

function inOwnZone(peer: PlacedPeer): boolean {
  return peer.zone === undefined && peer.region === undefined
}

function inOtherZone(peer: PlacedPeer): boolean {
  return peer.zone !== undefined
}

function inOtherRegion(peer: PlacedPeer): boolean {
  return peer.region !== undefined
}

/**
 * Who stands in for a failed replica: an untried peer of the same zone, else of the same region,
 * else the best of the others.
 */
export function substituteFor(
  failed: { readonly zone: string | undefined; readonly region: string | undefined },
  untried: readonly PlacedPeer[],
): PlacedPeer | undefined {
  let sameRegion: PlacedPeer | undefined
  for (const peer of untried) {
    if (peer.region !== failed.region) continue
    if (peer.zone === failed.zone) return peer
    sameRegion ??= peer
  }
  return sameRegion ?? untried[0]
}
