import { readSecrets, type Secret, type Secrets } from '../../src/sync/trust/secrets.ts'
import { difference } from '../checkers.ts'
import type { Cluster, ClusterPlan } from '../cluster.ts'
import { TOPOLOGIES } from '../layout.ts'
import { CALM } from '../network.ts'
import { randomPlan, RARE_REPAIRS_MS } from '../plans.ts'
import type { Random } from '../random.ts'
import type { Act, Scene } from '../scene.ts'
import { converge } from '../settle.ts'
import { Workload } from '../workload.ts'

const SECRETS = {
  old: 'the secret that is to be replaced, 1',
  new: 'the secret that takes its place, two',
}

/** What the file of a node holds, step by step. */
type Steps = readonly (readonly (keyof typeof SECRETS)[])[]

/** At each step others may be one step ahead or behind. */
const STEPS: Steps = [['old'], ['old', 'new'], ['new', 'old'], ['new']]

/** By when a link that was reset again and again is open: it is dialed after at most 30 s. */
const GAP_MS = 45_000

/** How long clients work between two changes of a file. */
const WORK_MS = 300

/** How far each node has come in replacing the secret. */
class Rotation {
  readonly #steps: number[]
  readonly #files: readonly Secret[][]

  constructor(size: number, steps: Steps) {
    this.#steps = Array.from({ length: size }, () => 0)
    this.#files = steps.map((names) => readSecrets(names.map((name) => SECRETS[name]).join('\n')))
  }

  advance(node: number): void {
    this.#steps[node]!++
  }

  of(node: number): Secrets {
    return () => this.#files[this.#steps[node]!]!
  }
}

/** The secret of a cluster is replaced under traffic; random work and faults follow. */
export function rotationScene(steps = STEPS): Scene {
  return {
    name: 'rotation',
    summary: 'the secret of a cluster is replaced under traffic, node by node, without a gap',
    plan: (random) => sealedPlan(random, steps),
    begin: (cluster) => rotating(cluster),
  }
}

function sealedPlan(random: Random, steps: Steps): ClusterPlan {
  const plan = randomPlan(random, random.pick(TOPOLOGIES))
  const rotation = new Rotation(plan.size, steps)
  return {
    ...plan,
    repairIntervalMs: RARE_REPAIRS_MS,
    secrets: (node: number) => rotation.of(node),
    rotate: (node: number) => rotation.advance(node),
  }
}

function rotating(cluster: Cluster): Act {
  const { world, network } = cluster
  network.tap = (from, to, frame) => {
    if (Buffer.from(frame).includes('users/')) {
      world.fail('sealed', `${from} sends ${to} a path that can be read on the way`)
    }
  }
  return { calm: () => replaceAll(cluster) }
}

/** Step by step all nodes get the next file; whatever link is cut meanwhile comes back at once. */
async function replaceAll(cluster: Cluster): Promise<void> {
  const { world, network, nodes, plan } = cluster
  const { options } = network
  network.options = CALM
  for (const node of nodes) node.plan.clock.set()
  await converge(cluster)
  const workload = new Workload(cluster, { paths: 5, meanPauseMs: 20 })
  for (let step = 1; step < STEPS.length; step++) {
    const order = nodes.map((_, i) => i).sort(() => world.random.next() - 0.5)
    for (const i of order) {
      plan.rotate?.(i)
      world.note(`n${i} gets file ${step}`)
      for (const other of nodes) network.reset(nodes[i]!.name, other.name)
      workload.start()
      await world.run(WORK_MS)
      workload.stop()
      await expectLinked(cluster, i)
    }
  }
  network.options = options
}

/** Every link is open again, none was refused for its secret, and what was written meanwhile has passed. */
async function expectLinked(cluster: Cluster, i: number): Promise<void> {
  const { world } = cluster
  const endMs = world.nowMs + GAP_MS
  for (;;) {
    for (const { name, status } of cluster.nodes) {
      const refused = status?.waiting.find(({ lastError }) => lastError?.includes('UNTRUSTED'))
      if (refused) world.fail('gap', `n${i} replaces its secret: ${name} ${refused.lastError}`)
    }
    const left = await difference(cluster)
    if (left === undefined) return
    if (world.nowMs >= endMs) world.fail('gap', `n${i} replaces its secret, then ${left}`)
    await world.run(100)
  }
}
