import { expect, test } from 'vitest'
import { RARE_REPAIRS_MS } from '../../sim/plans.ts'
import { simulate } from '../../sim/scenario.ts'
import { played } from '../../sim/scene.ts'
import { topologyScene } from '../../sim/scenes/topologies.ts'

test(
  'in a full mesh of 8 a change crosses each of the 28 links at most twice',
  { timeout: 120_000 },
  async () => {
    const mesh = played(topologyScene('mesh'), { size: 8, repairIntervalMs: RARE_REPAIRS_MS })
    const lines: string[] = []
    // The scene itself fails if a change crosses any link more than twice.
    const { violation } = await simulate(mesh, 1, (line) => lines.push(line))
    expect(violation).toBeUndefined()
    const counted = lines.join('\n').match(/(\d+) changes crossed 28 links (\d+) times in all/)
    const [changes, crossings] = [Number(counted?.[1]), Number(counted?.[2])]
    expect(changes).toBeGreaterThan(50)
    // It takes 7 links to reach everybody; both ends of another one may tell each other at once.
    expect(crossings).toBeGreaterThanOrEqual(7 * changes)
    expect(crossings).toBeLessThanOrEqual(2 * 28 * changes)
  },
)
