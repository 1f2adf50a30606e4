import { ancestorScenarios } from './ancestor.ts'
import { commitScenario } from './commits.ts'
import { deletionScenarios } from './deletion.ts'
import type { Scenario } from './scenario.ts'
import { played, type Scene } from './scene.ts'
import { clone } from './scenes/clones.ts'
import { collection, fencing } from './scenes/deletes.ts'
import { drift } from './scenes/drift.ts'
import { mixedLeaders } from './scenes/leaders.ts'
import { rotationScene } from './scenes/rotation.ts'
import { topologyScene } from './scenes/topologies.ts'
import { watching } from './scenes/watching.ts'

/** Ways to link nodes. */
export const topologies: readonly Scene[] = [
  topologyScene('star'),
  topologyScene('chain'),
  topologyScene('tree'),
  topologyScene('mesh'),
  mixedLeaders,
]

/** What becomes of what was deleted. */
export const deletes: readonly Scene[] = [collection, fencing]

/** What turns a whole cluster, or a node, upside down. */
export const upheavals: readonly Scene[] = [clone, rotationScene()]

/** Clocks that lie. */
export const clocks: readonly Scene[] = [drift]

/** What those see who watch. */
export const views: readonly Scene[] = [watching]

/** What seeds play through: each seed another course of it. */
export const scenes: readonly Scene[] = [
  ...topologies,
  ...deletes,
  ...upheavals,
  ...clocks,
  ...views,
]

/** Every scenario by name. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map(
  [
    ...scenes.map((scene) => played(scene)),
    ...ancestorScenarios,
    ...deletionScenarios(),
    commitScenario(),
  ].map((scenario) => [scenario.name, scenario]),
)
