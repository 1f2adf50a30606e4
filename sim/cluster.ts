import type { Env } from '../src/core/env.ts'
import { matches, sharedKeys } from '../src/core/path.ts'
import type { Engine } from '../src/store/engine.ts'
import type { Store } from '../src/store/store.ts'
import type { StateOptions } from '../src/state/state.ts'
import { Sync } from '../src/sync/sync.ts'
import type { SyncOptions } from '../src/sync/options.ts'
import type { Secrets } from '../src/sync/trust/secrets.ts'
import { Disk, type DiskOptions } from './disk.ts'
import { WallClock } from './env.ts'
import { History } from './history.ts'
import { offered, type Topology, upwards, urlOf } from './layout.ts'
import { CALM, Network } from './network.ts'
import type { NetworkOptions } from './connection.ts'
import { Node, type NodePlan } from './node.ts'
import type { World } from './world.ts'

/** How to build a cluster; what is left out is calm and fast. */
export interface ClusterPlan {
  readonly topology: Topology
  readonly size: number
  /** What the nodes share; default everything, or what the topology says. */
  readonly keys?: (node: number) => readonly string[]
  /** How far a node's wall clock is off, in milliseconds. */
  readonly clockOffsetMs?: (node: number) => number
  readonly clockDriftPpm?: (node: number) => number
  readonly disk?: DiskOptions
  readonly network?: NetworkOptions
  readonly repairIntervalMs?: number
  readonly collectIntervalMs?: number
  readonly tombstoneTtlMs?: number
  /** What the links of a node are sealed with; default: they are not. */
  readonly secrets?: (node: number) => Secrets | undefined
  /** Gives the node the next file of secrets. */
  readonly rotate?: (node: number) => void
  /** Changes what a node's links are made of; a canary puts broken parts there. */
  readonly sync?: (options: SyncOptions) => SyncOptions
  /** Changes what the state of a node stands on; a canary puts broken parts there. */
  readonly state?: (options: StateOptions) => StateOptions
  /** Opens the nodes' stores; a canary puts broken ones here. */
  readonly open?: (engine: Engine, env: Env, options: { nodeId: string }) => Promise<Store>
}

export const FAST_DISK: DiskOptions = { writeMs: [0.1, 2], scanMs: [0, 1], chunk: 100 }

/** Two nodes that are configured to be linked, and what they may share. */
export interface Edge {
  readonly a: Node
  readonly b: Node
  readonly keys: readonly string[]
}

/** Nodes named n0, n1, … with their links; in a star, chain or tree n0 leads, in a mixed one n0 and n1. */
export class Cluster {
  readonly world: World
  readonly network: Network
  readonly history: History
  readonly nodes: readonly Node[]
  readonly edges: readonly Edge[]
  readonly plan: ClusterPlan

  constructor(world: World, plan: ClusterPlan) {
    this.world = world
    this.plan = plan
    this.network = new Network(world, world.random.fork(), plan.network ?? CALM)
    this.history = new History(world, {
      together: (a, b, path) => this.#together(a.name, b.name, path),
      tombstoneTtlMs: plan.tombstoneTtlMs,
    })
    this.nodes = Array.from({ length: plan.size }, (_, i) => this.#node(i))
    this.edges = this.nodes.flatMap((_, i) => this.#edgesOf(i))
  }

  start(): void {
    for (const node of this.nodes) node.start()
  }

  /** The node's data directory, copied to another machine; it is not started yet. */
  clone(node: Node): Node {
    const i = this.nodes.indexOf(node)
    const twin = this.#node(i, `${node.name}-twin`)
    twin.disk.restore(node.disk.copy())
    this.history.cloned(node, twin)
    return twin
  }

  keysOf(node: Node): readonly string[] {
    return this.#offered(this.nodes.indexOf(node))
  }

  /** Cuts the nodes off from all others, both ways; or lets them back in. */
  isolate(node: Node, cut = true): void {
    for (const other of this.nodes) if (other !== node) this.part(node, other, cut)
  }

  part(a: Node, b: Node, cut = true): void {
    if (cut) {
      this.network.block(a.name, b.name)
      this.network.block(b.name, a.name)
    } else {
      this.network.unblock(a.name, b.name)
      this.network.unblock(b.name, a.name)
    }
  }

  /** True if changes of the path go from one node to the other, over whatever others. */
  #together(from: string, to: string, path: string): boolean {
    const reached = new Set([from])
    for (const name of reached) {
      for (const { a, b, keys } of this.edges) {
        if (!keys.some((key) => matches(key, path))) continue
        if (a.name === name) reached.add(b.name)
        if (b.name === name) reached.add(a.name)
      }
    }
    return reached.has(to)
  }

  #offered(i: number): readonly string[] {
    return this.plan.keys?.(i) ?? offered(this.plan.topology, i)
  }

  /** The links of a node with lower ones. */
  #edgesOf(i: number): Edge[] {
    const lower = upwards(this.plan.topology, i, this.plan.size).filter(({ to }) => to < i)
    return lower.map(({ to, keys = this.#offered(i) }) => ({
      a: this.nodes[to]!,
      b: this.nodes[i]!,
      keys: sharedKeys(this.#offered(to), keys),
    }))
  }

  #node(i: number, name = `n${i}`): Node {
    const { topology, disk = FAST_DISK, open, state } = this.plan
    const { world, network, history } = this
    const { clockOffsetMs, clockDriftPpm } = this.plan
    const plan: NodePlan = {
      name,
      id: `n${i}`,
      url: name === `n${i}` ? urlOf(i) : `sim://${name}`,
      disk: new Disk(disk, world.random.fork()),
      clock: new WallClock(world, clockOffsetMs?.(i) ?? 0, clockDriftPpm?.(i) ?? 0),
      links: (parts) => {
        const options = { ...parts, ...this.#told(topology, i), keys: this.#offered(i) }
        return new Sync(this.plan.sync?.(options) ?? options)
      },
      ...(open && { open }),
      ...(state && { state }),
    }
    return new Node(plan, { world, network, history })
  }

  /** What a node is told of others, and how often it looks after things. */
  #told(topology: Topology, i: number): Partial<SyncOptions> {
    const { repairIntervalMs, collectIntervalMs, tombstoneTtlMs } = this.plan
    const ways = upwards(topology, i, this.plan.size)
    const secrets = this.plan.secrets?.(i)
    const urls = topology === 'mesh' ? ways.map(({ to }) => urlOf(to)) : []
    const [leader, ...branches] = topology === 'mesh' ? [] : ways
    return {
      ...(leader && { leader: urlOf(leader.to) }),
      ...(leader?.keys && { leaderKeys: leader.keys }),
      branches: branches.map(({ to, keys = [] }) => ({ url: urlOf(to), keys })),
      peers: urls,
      ...(secrets && { secrets }),
      ...(repairIntervalMs !== undefined && { repairIntervalMs }),
      ...(collectIntervalMs !== undefined && { collectIntervalMs }),
      ...(tombstoneTtlMs !== undefined && { tombstoneTtlMs }),
    }
  }
}
