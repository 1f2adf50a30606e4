import { MIN_TOMBSTONE_TTL_MS } from '../../src/sync/options.ts'
import type { Cluster } from '../cluster.ts'
import { FAULTS } from '../faults.ts'
import { TOPOLOGIES } from '../layout.ts'
import { randomPlan } from '../plans.ts'
import type { Scene } from '../scene.ts'

/** How soon tombstones expire where nodes are away for longer than that: the least that a node takes. */
const TTL_MS = MIN_TOMBSTONE_TTL_MS

/** Tombstones go early and often, while random nodes are away, crash, or lose their disks. */
export const collection: Scene = {
  name: 'collection',
  summary: 'tombstones go as soon as all have them; nodes are away, crash or lose their disks',
  plan: (random) => ({
    ...randomPlan(random, random.pick(TOPOLOGIES)),
    collectIntervalMs: random.pick([50, 200, 1000]),
  }),
  begin: (cluster) => ({ storm: () => cluster.world.run(cluster.world.random.within([0, 5000])) }),
}

/** Nodes stay away for longer than tombstones are kept, or come back with an old disk. */
export const fencing: Scene = {
  name: 'fencing',
  summary: 'nodes are away for longer than tombstones are kept, or come back with an old disk',
  plan: (random) => ({
    ...randomPlan(random, random.pick(TOPOLOGIES)),
    // Whether a tombstone has expired is to be the same question everywhere.
    clockOffsetMs: () => 0,
    clockDriftPpm: () => 0,
    collectIntervalMs: 1000,
    tombstoneTtlMs: TTL_MS,
  }),
  faults: FAULTS.filter((fault) => fault !== 'clock'),
  // What goes on lasts for minutes.
  pausesMs: [10, 60, 300],
  begin: (cluster) => ({ storm: () => stayAway(cluster) }),
}

/** One node is cut off, its clients still at work, until all others have forgotten what was deleted. */
async function stayAway(cluster: Cluster): Promise<void> {
  const { world, nodes } = cluster
  const { random } = world
  const away = random.pick(nodes)
  const backup = away.disk.copy()
  cluster.isolate(away)
  // A link that is cut without a word would last, and carry what is due once it is mended.
  for (const node of nodes) cluster.network.reset(away.name, node.name)
  await world.run(random.within([1, 2.5]) * TTL_MS)
  if (random.chance(0.5)) return
  away.crash(random.chance(0.5))
  away.lose(() => away.disk.restore(backup))
  away.start()
  await world.run(random.within([0, 5000]))
}
