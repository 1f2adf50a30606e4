import { ancestorScenarios } from './ancestor.ts'
import { TOPOLOGIES } from './cluster.ts'
import { deletionScenarios } from './deletion.ts'
import type { Scenario } from './scenario.ts'
import { swarm } from './swarm.ts'

/** Every scenario by name. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map(
  [
    ...TOPOLOGIES.map((topology) => swarm(topology)),
    ...ancestorScenarios,
    ...deletionScenarios(),
  ].map((scenario) => [scenario.name, scenario]),
)
