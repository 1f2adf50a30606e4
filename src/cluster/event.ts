import { takesWork } from './member.ts'
import type { Member } from './member.ts'
import type { View } from './view.ts'
import { movesBetween } from './table.ts'
import type { SlotMove } from './table.ts'

/** What happened to a member. */
export type MemberEventType = 'joined' | 'suspect' | 'died' | 'revived' | 'left' | 'draining'

/** What a cluster tells whoever listens. Every process of the cluster sees the same, in order. */
export type ClusterEvent =
  /** This process is ready; `nodeId` is its monitor's id. */
  | { readonly type: 'started'; readonly nodeId: string }
  | { readonly type: MemberEventType; readonly nodeId: string; readonly version: number }
  /** Slots changed their assigned node to `nodeId`, from `from`; either may be empty. */
  | ({ readonly type: 'moved'; readonly nodeId: string; readonly version: number } & SlotMove)
  /**
   * All slots that moved for one change, `nodeId` being the member that brought it about; empty where
   * the leader mended a table that was broken from outside.
   */
  | {
      readonly type: 'rebalanced'
      readonly nodeId: string
      readonly version: number
      readonly moved: number
    }
  /** Something went wrong that no caller is there to hear of. */
  | { readonly type: 'error'; readonly nodeId: string; readonly error: Error }

export type ClusterEventType = ClusterEvent['type']

/** What happened between two views. A pure function of both, so all processes tell the same story. */
export function eventsBetween(before: View, after: View): ClusterEvent[] {
  const { version } = after
  const events: ClusterEvent[] = []
  let cause = ''
  for (const id of new Set([...before.members.keys(), ...after.members.keys()])) {
    const [was, is] = [before.members.get(id), after.members.get(id)]
    if (was === is) continue
    if (cause === '' && worksAs(was) !== worksAs(is)) cause = id
    for (const type of happened(was, is)) events.push({ type, nodeId: id, version })
  }
  if (before.owners === after.owners) return events
  const moves = movesBetween(before.owners, after.owners)
  for (const move of moves) events.push({ type: 'moved', nodeId: move.to, version, ...move })
  const moved = moves.reduce((sum, { slots }) => sum + slots.length, 0)
  if (moved > 0) events.push({ type: 'rebalanced', nodeId: cause, version, moved })
  return events
}

function happened(was: Member | undefined, is: Member | undefined): MemberEventType[] {
  if (is === undefined) return ['left']
  const types: MemberEventType[] = []
  if (was === undefined) types.push('joined')
  const before = was?.status ?? 'alive'
  if (before === 'alive' && is.status === 'suspect') types.push('suspect')
  if (before !== 'dead' && is.status === 'dead') types.push('died')
  if (before === 'dead' && is.status !== 'dead') types.push('revived')
  if (is.draining && was?.draining !== true) types.push('draining')
  if (types.length === 0 && was !== undefined && movedPlace(was, is)) types.push('joined')
  return types
}

/** Joined again with another address or place, and alive all along. */
function movedPlace(was: Member, is: Member): boolean {
  return (['address', 'port', 'path', 'zone', 'region'] as const).some(
    (field) => was[field] !== is[field],
  )
}

/** The weight a member takes work with; 0 if it takes none. */
function worksAs(member: Member | undefined): number {
  return member !== undefined && takesWork(member) ? member.weight : 0
}
