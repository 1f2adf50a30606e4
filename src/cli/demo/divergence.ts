import { laterMillisecond } from './condition.ts'
import { type Country, countryOf, heldBack, loadedIn } from './countries.ts'
import type { Writer } from './writer.ts'

/** One of something for each node of the demo. */
export interface Trio<T> {
  readonly leader: T
  readonly north: T
  readonly south: T
}

/** What one node does by itself. */
interface Plan {
  readonly create: readonly Country[]
  readonly edit: readonly Country[]
  readonly delete: readonly Country[]
}

/** More than one node writes these while they can't hear each other. */
const disputed = {
  editedByAll: countryOf('FR'),
  editedByTwo: countryOf('JP'),
  createdByTwo: heldBack.at(-1)!,
  editedThenDeleted: countryOf('SJ'),
  deletedThenEdited: countryOf('CC'),
  deletedByTwo: countryOf('AQ'),
}

/** The paths of the countries that more than one node writes. */
export const disputedPaths = Object.values(disputed).map(({ path }) => path)

/** No country is in two of these, and none is disputed. */
const plans: Trio<Plan> = {
  leader: {
    create: heldBack.slice(0, 4),
    edit: editable('EU').slice(0, 10),
    delete: [countryOf('TF')],
  },
  north: {
    create: heldBack.slice(4, 8),
    edit: editable('SA'),
    delete: [countryOf('BV'), countryOf('GS')],
  },
  south: {
    create: heldBack.slice(8, -1),
    edit: editable('OC').slice(0, 12),
    delete: [countryOf('HM'), countryOf('UM')],
  },
}

function editable(continent: string): Country[] {
  return loadedIn(continent).filter(({ path }) => !disputedPaths.includes(path))
}

/** Has the three nodes write at the same time, each on its own, and then against each other. */
export async function diverge({ leader, north, south }: Trio<Writer>): Promise<void> {
  await Promise.all([
    carryOut(plans.leader, leader),
    carryOut(plans.north, north),
    carryOut(plans.south, south),
  ])
  await Promise.all([
    leader.edit(disputed.editedByAll),
    north.edit(disputed.editedByAll),
    south.edit(disputed.editedByAll),
    north.edit(disputed.editedByTwo),
    south.edit(disputed.editedByTwo),
    north.create(disputed.createdByTwo),
    south.create(disputed.createdByTwo),
    north.edit(disputed.editedThenDeleted),
    south.delete(disputed.deletedThenEdited),
    north.delete(disputed.deletedByTwo),
    south.delete(disputed.deletedByTwo),
  ])
  await laterMillisecond()
  await south.delete(disputed.editedThenDeleted)
  await leader.edit(disputed.deletedThenEdited)
}

async function carryOut(plan: Plan, writer: Writer): Promise<void> {
  for (const country of plan.create) await writer.create(country)
  for (const country of plan.edit) await writer.edit(country)
  for (const country of plan.delete) await writer.delete(country)
}
