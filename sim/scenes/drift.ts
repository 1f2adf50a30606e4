import { DEFAULT_MAX_CLOCK_DRIFT_MS } from '../../src/core/hlc.ts'
import type { Cluster } from '../cluster.ts'
import { TOPOLOGIES } from '../layout.ts'
import { HOUR_MS, randomPlan, RARE_REPAIRS_MS } from '../plans.ts'
import type { Scene } from '../scene.ts'

/** How long a clock stays wrong. */
const WRONG_MS: readonly [number, number] = [50, 3000]

const ROUNDS = 4

/** Wall clocks further off than they may be: from the start, jumping, and put right again. */
export const drift: Scene = {
  name: 'drift',
  summary: 'clocks off by more than the allowed drift, jumping, and put right again',
  plan: (random) => {
    const plan = randomPlan(random, random.pick(TOPOLOGIES))
    const wrong = random.below(plan.size)
    const offsetMs = beyondDrift(random.within([-1, 1]))
    return {
      ...plan,
      clockOffsetMs: (i) => (i === wrong ? offsetMs : 0),
      repairIntervalMs: RARE_REPAIRS_MS,
    }
  },
  begin: (cluster) => ({ storm: () => jump(cluster) }),
}

/** From just above the allowed drift to an hour, either way. */
function beyondDrift(share: number): number {
  const drift =
    DEFAULT_MAX_CLOCK_DRIFT_MS + Math.abs(share) * (HOUR_MS - DEFAULT_MAX_CLOCK_DRIFT_MS)
  return Math.sign(share) * drift
}

/** One clock after another is set wrong while clients are at work; most are put right again. */
async function jump({ world, nodes }: Cluster): Promise<void> {
  const { random } = world
  for (let round = 0; round < ROUNDS; round++) {
    const { clock } = random.pick(nodes).plan
    clock.step(beyondDrift(random.within([-1, 1])))
    await world.run(random.within(WRONG_MS))
    if (random.chance(0.7)) clock.set()
    await world.run(random.within(WRONG_MS))
  }
}
