import { expect, test } from 'vitest'
import { ancestorScenarios } from '../../sim/ancestor.ts'
import { simulate } from '../../sim/scenario.ts'

// P13, the cost of a change on the link, is in test/sync/bytes.test.ts.

const SEEDS = [1, 2, 3]
/** P5 lost something in every run of the ancestor; here it has 20 to lose anything in. */
const P5_SEEDS = Array.from({ length: 20 }, (_, i) => i + 1)

test.each(ancestorScenarios.map((scenario) => ({ ...scenario, id: scenario.name.toUpperCase() })))(
  '$id: $summary',
  async (scenario) => {
    for (const seed of scenario.name === 'p5' ? P5_SEEDS : SEEDS) {
      const { violation } = await simulate(scenario, seed)
      expect(violation, `npm run sim -- --scenario ${scenario.name} --seed ${seed}`).toBe(undefined)
    }
  },
  300_000,
)
