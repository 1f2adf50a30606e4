import { expect, test } from 'vitest'
import { commitScenario, hasty } from '../../sim/commits.ts'
import { simulate } from '../../sim/scenario.ts'

const FIRST_SEED = Number(process.env['SKERRY_SEED'] ?? 20_778_000)
const RUNS = 40

test(
  'what a commit level answered is where it said, and outlives a minority of the disks',
  { timeout: 300_000 },
  async () => {
    const scenario = commitScenario()
    const failures: string[] = []
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
      const { violation } = await simulate(scenario, seed)
      if (violation === undefined) continue
      failures.push(`npm run sim -- --scenario ${scenario.name} --seed ${seed}: ${violation}`)
    }
    expect(failures).toEqual([])
  },
)

test(
  'a node that acknowledges before its disk has it is found out',
  { timeout: 300_000 },
  async () => {
    const scenario = commitScenario({ sync: hasty })
    const found: string[] = []
    for (let seed = 1; seed <= RUNS && found.length === 0; seed++) {
      const { violation } = await simulate(scenario, seed)
      if (violation?.startsWith('commit: ') === true) found.push(violation)
    }
    expect(found).not.toEqual([])
  },
)
