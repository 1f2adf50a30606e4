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

/** What seeds play through: each seed another course of it. */
export const scenes: readonly Scene[] = [
  topologyScene('star'),
  topologyScene('chain'),
  topologyScene('tree'),
  topologyScene('mesh'),
  mixedLeaders,
  collection,
  fencing,
  clone,
  rotationScene(),
  drift,
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
