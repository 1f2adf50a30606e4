import { Cluster, type ClusterPlan } from './cluster.ts'
import { type Fault, FAULTS, Faults } from './faults.ts'
import { randomFaults } from './plans.ts'
import type { Random } from './random.ts'
import type { Scenario } from './scenario.ts'
import { settle, stopAll } from './settle.ts'
import { Workload } from './workload.ts'
import type { World } from './world.ts'

/** A situation that seeds play through in ever other ways. All that is left out is random work and faults. */
export interface Scene {
  readonly name: string
  /** One line for people. */
  readonly summary: string
  readonly plan: (random: Random) => ClusterPlan
  /** What may go wrong; each seed has some of it. Default: everything. */
  readonly faults?: readonly Fault[]
  /** The mean time between two requests of clients, in milliseconds: one of these. Default: 2, 10 or 50. */
  readonly pausesMs?: readonly number[]
  /** Begins before the nodes start. */
  readonly begin?: (cluster: Cluster) => Act
}

/** What a scene does besides. */
export interface Act {
  /** Before anything goes wrong. */
  readonly calm?: () => Promise<void>
  /** While clients are at work and things go wrong. */
  readonly storm?: () => Promise<void>
  /** All has healed: mends what only the scene broke. */
  readonly mend?: () => Promise<void>
  /** All agree: what else must hold. */
  readonly check?: () => Promise<void>
}

/** The scenario that plays a scene; `base` goes over its plan, for stores and links that are broken on purpose. */
export function played(scene: Scene, base: Partial<ClusterPlan> = {}): Scenario {
  const { name, summary } = scene
  return { name, summary, run: (world) => play(scene, world, base) }
}

async function play(scene: Scene, world: World, base: Partial<ClusterPlan>): Promise<void> {
  const { random } = world
  const cluster = new Cluster(world, { ...scene.plan(random), ...base })
  const faults = new Faults(cluster, randomFaults(random, scene.faults ?? FAULTS))
  const workload = new Workload(cluster, {
    paths: random.pick([2, 5, 30]),
    meanPauseMs: random.pick(scene.pausesMs ?? [2, 10, 50]),
  })
  const act = scene.begin?.(cluster) ?? {}
  cluster.start()
  await act.calm?.()
  await world.run(random.pick([0, 100, 3000]))
  workload.start()
  faults.start()
  await world.run(random.within([500, 4000]))
  await act.storm?.()
  workload.stop()
  faults.heal()
  await act.mend?.()
  await settle(cluster)
  await act.check?.()
  await stopAll(cluster)
}
