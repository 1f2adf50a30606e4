import type { Coordinator } from './coordinator.ts'
import type { PeerLocation } from './peers.ts'

/** What a coordinator has to know of a member of the cluster. */
export interface EventMember {
  readonly id: string
  /** Host name or address, with or without a scheme; without means http. */
  readonly address: string
  readonly port: number
  /** Empty where the cluster has no zones; zones are told apart within their region. */
  readonly zone: string
  readonly region: string
  readonly weight: number
  readonly status: 'alive' | 'suspect' | 'dead'
}

/**
 * Keeps a coordinator's peers in step with the members of a cluster. The result is to be called
 * with all members whenever one of them joins, leaves, dies or comes back.
 *
 * @param self id of this node among the members; until it is one of them, no peer is known
 * @example
 * const follow = followMembers(coordinator, 'n1')
 * for (const event of ['joined', 'left', 'died', 'revived'] as const) {
 *   cluster.on(event, () => follow(cluster.members()))
 * }
 * follow(cluster.members())
 */
export function followMembers(
  coordinator: Coordinator,
  self: string,
): (members: readonly EventMember[]) => void {
  /** What each peer was added as. */
  const known = new Map<string, string>()
  let own: EventMember | undefined
  return (members) => {
    // A node that left still knows where it stands, and whom it may send replicas to.
    own = members.find(({ id }) => id === self) ?? own
    if (!own) return
    const standing = own
    const others = members.filter(({ id }) => id !== self)
    for (const id of [...known.keys()]) {
      if (others.some((member) => member.id === id)) continue
      known.delete(id)
      coordinator.dropPeer({ id })
    }
    for (const member of others) {
      const peer = { id: member.id, url: urlOf(member) }
      const location = locationOf(member, standing)
      const told = JSON.stringify([peer, location])
      if (known.get(member.id) !== told) coordinator.addPeer(peer, location)
      known.set(member.id, told)
      coordinator.setAvailable(member.id, member.status !== 'dead')
    }
  }
}

function locationOf(member: EventMember, own: EventMember): PeerLocation {
  const { zone, region, weight } = member
  if (region !== own.region) return { region: region === '' ? 'no region' : region, weight }
  return zone === own.zone ? { weight } : { zone: zone === '' ? 'no zone' : zone, weight }
}

function urlOf({ address, port }: EventMember): string {
  if (address.includes('://')) return `${address}:${port}`
  const isIpv6 = address.includes(':') && !address.startsWith('[')
  return `http://${isIpv6 ? `[${address}]` : address}:${port}`
}
