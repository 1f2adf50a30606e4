import type { ClusterPlan } from './cluster.ts'
import { FAST_DISK } from './cluster.ts'
import type { NetworkOptions } from './connection.ts'
import type { DiskOptions } from './disk.ts'
import type { Fault, FaultOptions } from './faults.ts'
import type { Topology } from './layout.ts'
import type { Random } from './random.ts'

/** The longest offset of a clock, and so the longest that a version may be kept aside. */
export const HOUR_MS = 3_600_000

/** With repairs so far between, what a run does is done by the streams. */
export const RARE_REPAIRS_MS = 600_000

/** Clocks, disks, network and what is shared, all as the seed has it. */
export function randomPlan(random: Random, topology: Topology): ClusterPlan {
  const skewMs = random.pick([0, 0, 0, 50, 50, 5000, 5000, 50_000, HOUR_MS])
  const offsets = Array.from({ length: 6 }, () => random.within([-1, 1]) * skewMs)
  const drifts = Array.from({ length: 6 }, () => random.within([-500, 500]))
  const narrow = topology !== 'mixed' && random.chance(0.2)
  return {
    topology,
    size: randomSize(random, topology),
    // Beyond the sixth node clocks are right.
    clockOffsetMs: (i) => offsets[i] ?? 0,
    clockDriftPpm: (i) => drifts[i] ?? 0,
    disk: randomDisk(random),
    network: randomNetwork(random),
    // Hours of waiting for a clock's time to come would be full of repairs.
    repairIntervalMs:
      skewMs === HOUR_MS ? RARE_REPAIRS_MS : random.pick([2000, RARE_REPAIRS_MS, RARE_REPAIRS_MS]),
    collectIntervalMs: random.pick([200, 5000, 60_000]),
    // Some seeds have nodes that share less than the others.
    ...(narrow ? { keys: (i: number) => (i % 2 === 1 ? ['users/*', 'settings'] : ['**']) } : {}),
  }
}

function randomSize(random: Random, topology: Topology): number {
  // A mesh of 8 has 28 links: most seeds do with less.
  if (topology === 'mesh') return random.pick([2, 3, 4, 4, 8])
  return (topology === 'mixed' ? 3 : 2) + random.below(4)
}

function randomDisk(random: Random): DiskOptions {
  if (random.chance(0.5)) return FAST_DISK
  return {
    writeMs: [0.5, random.pick([1, 5, 40])],
    scanMs: [0, random.pick([1, 10])],
    chunk: random.pick([1, 3, 20]),
  }
}

function randomNetwork(random: Random): NetworkOptions {
  const sometimes = (rate: number): number => (random.chance(0.3) ? rate : 0)
  return {
    delayMs: random.pick([
      [0.1, 1],
      [1, 20],
      [20, 200],
    ]),
    bytesPerMs: random.pick([10_000, 100]),
    loss: sometimes(0.01),
    duplicate: sometimes(0.05),
    reorder: sometimes(0.02),
    reset: sometimes(0.01),
    refuse: sometimes(0.3),
  }
}

/** How often what goes wrong, for how long, and how far clocks are set wrong. */
export function randomFaults(random: Random, kinds: readonly Fault[]): FaultOptions {
  return {
    kinds: kinds.filter(() => random.chance(0.35)),
    meanPauseMs: random.pick([100, 400, 1500]),
    lastsMs: random.pick([
      [1, 50],
      [10, 1000],
      [500, 5000],
      [10_000, 50_000],
    ]),
    clockStepMs: random.pick([1000, 30_000, 30_000, HOUR_MS]),
  }
}
