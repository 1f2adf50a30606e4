import type { Cluster } from '../cluster.ts'
import { Crossings } from '../crossings.ts'
import type { Topology } from '../layout.ts'
import { CALM } from '../network.ts'
import { randomPlan, RARE_REPAIRS_MS } from '../plans.ts'
import type { Scene } from '../scene.ts'
import { converge } from '../settle.ts'
import { Workload } from '../workload.ts'

/** By when all links are up and repaired though all nodes dial at once. */
const LINKED_MS = 60_000

/** How long clients work while crossings are counted, and how long what they did may be under way. */
const WORK_MS = 1000
const UNDER_WAY_MS = 5000

/** How often a change may cross one link: two nodes that learn of it at once may tell each other. */
const MOST_CROSSINGS: Readonly<Record<Topology, number>> = {
  star: 1,
  chain: 1,
  tree: 1,
  mixed: 1,
  mesh: 2,
}

const SUMMARIES: Readonly<Record<Exclude<Topology, 'mixed'>, string>> = {
  star: 'a leader and its nodes; a change crosses each link once',
  chain: 'nodes in a row, each the leader of the next; a change crosses each link once',
  tree: 'edge, branch and core; a change crosses each link once',
  mesh: 'all linked with all, up to 8; a change crosses each link at most twice',
}

/** Nodes linked in this way: counted while all is well, then random work and faults. */
export function topologyScene(topology: Exclude<Topology, 'mixed'>): Scene {
  return {
    name: topology,
    summary: SUMMARIES[topology],
    plan: (random) => randomPlan(random, topology),
    begin: (cluster) => ({ calm: () => countCrossings(cluster) }),
  }
}

/** Fails if a change crosses a link more often than it should while nothing goes wrong. */
async function countCrossings(cluster: Cluster): Promise<void> {
  const { world, network, nodes, plan } = cluster
  // Repairs that run beside the streams carry some of what these carry, too.
  if (plan.repairIntervalMs !== RARE_REPAIRS_MS) return
  const { options } = network
  const offsets = nodes.map((node) => node.plan.clock.offsetMs)
  network.options = CALM
  for (const node of nodes) node.plan.clock.set()
  await world.run(LINKED_MS)
  await converge(cluster)
  const crossings = new Crossings(network)
  const workload = new Workload(cluster, { paths: 5, meanPauseMs: 5 })
  workload.start()
  await world.run(WORK_MS)
  workload.stop()
  await world.run(UNDER_WAY_MS)
  network.tap = undefined
  judge(cluster, crossings)
  network.options = options
  nodes.forEach((node, i) => node.plan.clock.step(offsets[i]!))
}

function judge({ world, plan, edges }: Cluster, { most, versions, total }: Crossings): void {
  world.note(`${versions} changes crossed ${edges.length} links ${total} times in all`)
  const limit = MOST_CROSSINGS[plan.topology]
  if (most.times > limit) {
    world.fail('crossings', `a change crossed ${most.link} ${most.times} times, not ${limit}`)
  }
  if (versions === 0) world.fail('crossings', 'no change crossed any link')
}
