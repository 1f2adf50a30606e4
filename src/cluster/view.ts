import type { Dealer } from './dealer.ts'
import { takesWork } from './member.ts'
import type { Member } from './member.ts'
import type { Change, Snapshot } from './registry.ts'
import { movesBetween, NOBODY } from './table.ts'
import type { Share, SlotMove } from './table.ts'

/** Members and table at one version: what one process knows of the cluster. Immutable. */
export interface View {
  readonly run: string
  readonly version: number
  readonly members: ReadonlyMap<string, Member>
  /** Slot → id, `''` for nobody. */
  readonly owners: readonly string[]
}

export function viewOf({ run, version, members, owners }: Snapshot): View {
  return { run, version, members: new Map(members.map((member) => [member.id, member])), owners }
}

/** The next version. */
export function advance(view: View, { version, members, left, moves }: Change): View {
  const next = new Map(view.members)
  for (const id of left) next.delete(id)
  for (const member of members) next.set(member.id, member)
  if (moves.length === 0) return { ...view, version, members: next }
  const owners = [...view.owners]
  for (const { to, slots } of moves) for (const slot of slots) owners[slot] = to
  return { ...view, version, members: next, owners }
}

/** What somebody wants changed: members put in place of their earlier selves, and ids to remove. */
export interface Draft {
  readonly members?: readonly Member[]
  readonly left?: readonly string[]
}

/** A draft together with the moves it brings about, so that both are committed in one step. */
export interface Plan {
  readonly members: readonly Member[]
  readonly left: readonly string[]
  readonly owners: readonly string[]
  readonly moves: readonly SlotMove[]
}

export function planFor(view: View, { members = [], left = [] }: Draft, deal: Dealer): Plan {
  const after = advance(view, { version: view.version, members, left, moves: [] }).members
  const shares = sharesOf(after)
  if (sameShares(sharesOf(view.members), shares) && !hasOrphans(view)) {
    return { members, left, owners: view.owners, moves: [] }
  }
  // With nobody to take over, slots stay where they are: moving them would help no one.
  const owners =
    shares.length > 0
      ? deal(view.owners, shares)
      : view.owners.map((id) => (after.has(id) ? id : NOBODY))
  return { members, left, owners, moves: movesBetween(view.owners, owners) }
}

/**
 * Whether a slot is assigned to nobody who takes work, though there is somebody who does. No change
 * leaves that behind; a row or a table that was broken from outside may.
 */
export function hasOrphans({ members, owners }: View): boolean {
  const takers = new Set(sharesOf(members).map(({ id }) => id))
  return takers.size > 0 && owners.some((id) => !takers.has(id))
}

function sharesOf(members: ReadonlyMap<string, Member>): Share[] {
  return [...members.values()].filter(takesWork)
}

function sameShares(before: readonly Share[], after: readonly Share[]): boolean {
  if (before.length !== after.length) return false
  const weights = new Map(before.map(({ id, weight }) => [id, weight]))
  return after.every(({ id, weight }) => weights.get(id) === weight)
}
