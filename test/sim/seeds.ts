import { describe, expect, test } from 'vitest'
import { type Scenario, simulate } from '../../sim/scenario.ts'
import { played, type Scene } from '../../sim/scene.ts'

/** The same code must be judged alike on each day; `npm run sim` and SKERRY_SEED try fresh seeds. */
export const FIRST_SEED = Number(process.env['SKERRY_SEED'] ?? 20_778_000)
const RUNS = Number(process.env['SKERRY_RUNS'] ?? 40)

/** What is broken on purpose and lives for this many seeds has not been found out. */
const BROKEN_RUNS = 40

/** The deadline of a share that never ends: one that takes a minute alone takes five where others use the cores. */
const DEADLINE_MS = 900_000

/** Plays as many seeds of each scene as every change has to pass. */
export function shareOfSeeds(scenes: readonly Scene[]): void {
  describe('a share of the seeds', () => {
    for (const scene of scenes) {
      test(
        `${scene.name}, ${RUNS} seeds from ${FIRST_SEED}`,
        { timeout: DEADLINE_MS },
        async () => {
          expect(await failures(played(scene), RUNS)).toEqual([])
        },
      )
    }
  })
}

/** The failures of a scenario in so many seeds, each with the command that replays it. */
export async function failures(scenario: Scenario, runs: number): Promise<string[]> {
  const failed: string[] = []
  for (let seed = FIRST_SEED; seed < FIRST_SEED + runs; seed++) {
    const { violation } = await simulate(scenario, seed)
    if (violation === undefined) continue
    failed.push(`npm run sim -- --scenario ${scenario.name} --seed ${seed}: ${violation}`)
  }
  return failed
}

/** Fails unless the scenario, in which something is broken on purpose, violates the rule; default: any rule. */
export async function expectFoundOut(scenario: Scenario, rule = ''): Promise<void> {
  for (let seed = 1; seed <= BROKEN_RUNS; seed++) {
    const { violation } = await simulate(scenario, seed)
    if (violation?.startsWith(rule && `${rule}:`)) return
  }
  expect.fail(`${BROKEN_RUNS} seeds, and no violation of ${rule || 'any rule'}`)
}
