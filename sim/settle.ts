import {
  anyAside,
  checkDigests,
  checkProgress,
  difference,
  tombstonesLeft,
  visibleDifference,
  withheldPaths,
} from './checkers.ts'
import type { Cluster } from './cluster.ts'
import { HOUR_MS, RARE_REPAIRS_MS } from './plans.ts'

/**
 * By when all nodes must agree once everything has healed. The worst that may come together: a link that
 * is dead but not known to be (40 s), a dial that times out (10 s), backoff (30 s), twice.
 */
export const CONVERGENCE_LIMIT_MS = 180_000

/** By when a request that was made has its answer, once everything has healed. */
const IN_FLIGHT_MS = 2000

/** How often convergence is looked at. */
const POLL_MS = 500

/** By when nodes have noticed that clocks were put right: some questions for them, each answered. */
const MEASURED_MS = 40_000

/** By when all tombstones are gone: the word that all have them goes round with the pings. */
const COLLECTION_LIMIT_MS = 120_000

/** What a cluster that has nothing to do may say: pings and their answers. */
const QUIET_MS = 60_000
const QUIET_FRAMES_PER_LINK = 40
const QUIET_BYTES_PER_FRAME = 64

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
  // A node that finds its clock put right may stamp anew and compare: what is far ahead is kept aside from then on.
  await world.run(MEASURED_MS)
  await converge(cluster)
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
  if (cluster.plan.repairIntervalMs !== RARE_REPAIRS_MS) return
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
