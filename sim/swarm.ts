import {
  anyAside,
  checkDigests,
  checkProgress,
  difference,
  tombstonesLeft,
  visibleDifference,
  withheldPaths,
} from './checkers.ts'
import { Cluster, type ClusterPlan, FAST_DISK, type Topology } from './cluster.ts'
import type { NetworkOptions } from './connection.ts'
import type { DiskOptions } from './disk.ts'
import { FAULTS, Faults } from './faults.ts'
import type { Random } from './random.ts'
import type { Scenario } from './scenario.ts'
import { Workload } from './workload.ts'

/**
 * By when all nodes must agree once everything has healed. The worst that may come together: a link that
 * is dead but not known to be (40 s), a dial that times out (10 s), backoff (30 s), twice.
 */
export const CONVERGENCE_LIMIT_MS = 180_000

/** By when a request that was made has its answer, once everything has healed. */
const IN_FLIGHT_MS = 2000

/** How often convergence is looked at. */
const POLL_MS = 500

/** By when all tombstones are gone: the word that all have them goes round with the pings. */
const COLLECTION_LIMIT_MS = 120_000

/** Longest offset of a clock, and so the longest that a version may be kept aside. */
const HOUR_MS = 3_600_000

/** What a cluster that has nothing to do may say: pings and their answers. */
const QUIET_MS = 60_000
const QUIET_FRAMES_PER_LINK = 40
const QUIET_BYTES_PER_FRAME = 64

/** Everything at random: the swarm chooses which faults a seed has, and how bad they are. */
export function swarm(topology: Topology, base: Partial<ClusterPlan> = {}): Scenario {
  return {
    name: `swarm-${topology}`,
    summary: `a ${topology} of nodes, random work and faults; at the end all must agree`,
    run: async (world) => {
      const cluster = new Cluster(world, { ...randomPlan(world.random, topology), ...base })
      const { random } = world
      const faults = new Faults(cluster, {
        kinds: FAULTS.filter(() => random.chance(0.35)),
        meanPauseMs: random.pick([100, 400, 1500]),
        lastsMs: random.pick([
          [1, 50],
          [10, 1000],
          [500, 5000],
          [10_000, 50_000],
        ]),
        clockStepMs: random.pick([1000, 30_000, 30_000, HOUR_MS]),
      })
      const workload = new Workload(cluster, {
        paths: random.pick([2, 5, 30]),
        meanPauseMs: random.pick([2, 10, 50]),
      })
      cluster.start()
      await world.run(random.pick([0, 100, 3000]))
      workload.start()
      faults.start()
      await world.run(random.within([500, 4000]))
      workload.stop()
      faults.heal()
      await settle(cluster)
      await stopAll(cluster)
    },
  }
}

function randomPlan(random: Random, topology: Topology): ClusterPlan {
  const skewMs = random.pick([0, 0, 0, 50, 50, 5000, 5000, 50_000, HOUR_MS])
  const offsets = Array.from({ length: 6 }, () => random.within([-1, 1]) * skewMs)
  const drifts = Array.from({ length: 6 }, () => random.within([-500, 500]))
  const narrow = random.chance(0.2)
  return {
    topology,
    size: 2 + random.below(topology === 'mesh' ? 3 : 4),
    clockOffsetMs: (i) => offsets[i]!,
    clockDriftPpm: (i) => drifts[i]!,
    disk: randomDisk(random),
    network: randomNetwork(random),
    // Hours of waiting for a clock's time to come would be full of repairs.
    repairIntervalMs: skewMs === HOUR_MS ? 600_000 : random.pick([2000, 600_000, 600_000]),
    collectIntervalMs: random.pick([200, 5000, 60_000]),
    // Some seeds have nodes that share less than the others.
    ...(narrow ? { keys: (i: number) => (i % 2 === 1 ? ['users/*', 'settings'] : ['**']) } : {}),
  }
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

/** After healing: all agree in bounded time without any read or write, nothing is lost, all is quiet. */
export async function settle(cluster: Cluster): Promise<void> {
  const { world, history } = cluster
  // What clients asked for before is still on its way to the disks.
  await world.run(IN_FLIGHT_MS)
  await converge(cluster)
  history.checkNothingLost()
  await checkProgress(cluster)
  await checkDigests(cluster)
  await decide(cluster)
  await checkVisible(cluster)
  await checkCollected(cluster)
  await checkQuiet(cluster)
  await world.run(0)
}

/** Waits till all nodes have all they share alike. */
export async function converge(cluster: Cluster): Promise<void> {
  const { world } = cluster
  const endMs = world.nowMs + CONVERGENCE_LIMIT_MS
  for (;;) {
    const serving = cluster.nodes.every((node) => node.serving)
    const left = serving ? await difference(cluster) : 'a node has not started'
    if (left === undefined) return
    if (world.nowMs >= endMs) {
      world.fail('convergence', `after ${CONVERGENCE_LIMIT_MS} ms without faults: ${left}`)
    }
    await world.run(POLL_MS)
  }
}

/** Operators decide on what is withheld, one way or the other; then all see the same again. */
async function decide(cluster: Cluster): Promise<void> {
  const { world, history } = cluster
  for (let rounds = 0; rounds < 10; rounds++) {
    const withheld = await withheldPaths(cluster)
    if (withheld.length === 0) return
    for (const [node, paths] of withheld) {
      for (const path of paths) history.decided(path)
      const how = world.random.pick(['release', 'drop'] as const)
      world.note(`${node.name}: ${how} ${paths.join(' ')}`)
      let decided = false
      void node.store.resolveWithheld(paths, how).then(() => (decided = true))
      await world.runUntil(() => decided, 10_000)
    }
    await converge(cluster)
  }
  world.fail('withheld', 'what operators decide on is withheld again and again')
}

/** Where every node that shares a path has a delete, its tombstone goes; and nothing brings it back. */
async function checkCollected(cluster: Cluster): Promise<void> {
  const { world } = cluster
  const intervalMs = cluster.plan.collectIntervalMs ?? 60_000
  const endMs = world.nowMs + COLLECTION_LIMIT_MS + 4 * intervalMs
  while ((await tombstonesLeft(cluster)) > 0) {
    if (world.nowMs >= endMs) {
      world.fail('collection', `${await tombstonesLeft(cluster)} tombstones are left`)
    }
    await world.run(POLL_MS)
  }
  await world.run(2 * COLLECTION_LIMIT_MS)
  const left = await tombstonesLeft(cluster)
  if (left > 0) world.fail('collection', `${left} tombstones came back`)
  await world.run(0)
}

/** Once no version is too far ahead of its time, readers of all nodes see the same. */
async function checkVisible(cluster: Cluster): Promise<void> {
  const { world } = cluster
  for (const node of cluster.nodes) node.plan.clock.set()
  if (await anyAside(cluster)) {
    // Clocks were wrong by at most an hour and some steps, and waits are cut at one hour.
    for (let hours = 0; hours < 6 && (await anyAside(cluster)); hours++) await world.run(HOUR_MS)
    await converge(cluster)
  }
  const left = await visibleDifference(cluster)
  if (left !== undefined) world.fail('visible', left)
  await world.run(0)
}

/** Nodes that agree send each other nothing but signs of life. */
async function checkQuiet(cluster: Cluster): Promise<void> {
  const { world, network, edges } = cluster
  if (cluster.plan.repairIntervalMs !== 600_000) return
  // Acknowledgements and checkpoints that are due are sent and saved first.
  await world.run(QUIET_MS)
  const before = { ...network.carried }
  await world.run(QUIET_MS)
  const frames = network.carried.frames - before.frames
  const bytes = network.carried.bytes - before.bytes
  const limit = edges.length * QUIET_FRAMES_PER_LINK
  if (frames > limit || bytes > limit * QUIET_BYTES_PER_FRAME) {
    world.fail('quiet', `${frames} frames, ${bytes} bytes in ${QUIET_MS} ms of nothing to do`)
  }
}

/** Every node ends in order within bounded time. */
export async function stopAll(cluster: Cluster): Promise<void> {
  const { world } = cluster
  let running = cluster.nodes.length
  for (const node of cluster.nodes) node.stop(() => running--)
  if (!(await world.runUntil(() => running === 0, 10_000))) {
    world.fail('stop', `${running} nodes have not stopped within 10 s`)
  }
  await world.run(0)
}
