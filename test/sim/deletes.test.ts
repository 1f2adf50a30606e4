import { expect, test } from 'vitest'
import { deletionScenarios } from '../../sim/deletion.ts'
import { simulate } from '../../sim/scenario.ts'
import { deletes } from '../../sim/scenarios.ts'
import { FIRST_SEED, shareOfSeeds } from './seeds.ts'

shareOfSeeds(deletes)

test.each(deletionScenarios())('$name: $summary', { timeout: 60_000 }, async (scenario) => {
  for (const seed of [1, FIRST_SEED]) {
    const { violation } = await simulate(scenario, seed)
    expect(violation, `npm run sim -- --scenario ${scenario.name} --seed ${seed}`).toBe(undefined)
  }
})
