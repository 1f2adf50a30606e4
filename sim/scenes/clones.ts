import type { Cluster } from '../cluster.ts'
import type { Node } from '../node.ts'
import { CALM } from '../network.ts'
import { TOPOLOGIES } from '../layout.ts'
import { randomPlan } from '../plans.ts'
import type { Scene } from '../scene.ts'
import { converge } from '../settle.ts'
import { Workload } from '../workload.ts'

/** By when a clone has asked everybody it knows, and links that were cut are known to be dead. */
const ASKED_MS = 60_000

/** How long clients work at original and clone apart. */
const APART_MS: readonly [number, number] = [0, 3000]

/** A data directory is copied and started twice, then one of the two goes; random work and faults follow. */
export const clone: Scene = {
  name: 'clone',
  summary:
    'a data directory is started twice: the newcomer is refused; then either of them goes on',
  plan: (random) => randomPlan(random, random.pick(TOPOLOGIES)),
  begin: (cluster) => ({ calm: () => cloneOne(cluster) }),
}

async function cloneOne(cluster: Cluster): Promise<void> {
  const { world, network } = cluster
  const { random } = world
  const { options } = network
  network.options = CALM
  await work(cluster)
  await converge(cluster)
  const original = random.pick(cluster.nodes)
  const twin = cluster.clone(original)
  await work(cluster)
  twin.start()
  await world.run(ASKED_MS)
  expectRefused(cluster, twin)
  await write(cluster, twin)
  if (random.chance(0.5)) await takePlace(cluster, original, twin)
  // The directory that was copied is thrown away, and what was only there with it.
  twin.crash(false)
  twin.lose(() => twin.disk.wipe())
  original.start()
  await converge(cluster)
  network.options = options
}

/** While a node answers, no other run of it is let in anywhere. */
function expectRefused({ world }: Cluster, twin: Node): void {
  const { links = [], waiting = [] } = twin.status ?? {}
  const open = links.filter((link) => link.open)
  if (open.length > 0) world.fail('clones', `${twin.name} was let in by ${open[0]!.peer}`)
  const others = waiting.filter(({ lastError }) => !lastError?.includes('SKERRY_NODE_CLONED'))
  if (others.length > 0) world.fail('clones', `${twin.name} was told ${others[0]!.lastError}`)
}

/** The original goes, and the clone is at work in its place until that comes back. */
async function takePlace(cluster: Cluster, original: Node, twin: Node): Promise<void> {
  const { world } = cluster
  original.crash(world.random.chance(0.5))
  await world.run(2 * ASKED_MS)
  await write(cluster, twin)
  await world.run(world.random.within([0, 5000]))
}

/** Clients of the nodes, for a while. */
async function work(cluster: Cluster): Promise<void> {
  const workload = new Workload(cluster, { paths: 5, meanPauseMs: 20 })
  workload.start()
  await cluster.world.run(cluster.world.random.within(APART_MS))
  workload.stop()
}

/** Clients that do not know that they talk to a clone. */
async function write({ world }: Cluster, twin: Node): Promise<void> {
  for (let n = 0; n < 5 && twin.serving; n++) {
    const data = world.random.chance(0.3) ? null : `{"twin":${n}}`
    twin.write([{ path: `users/${world.random.below(5)}`, decide: () => data }])
    await world.run(100)
  }
}
