import type { Env } from '../src/core/env.ts'
import { matches } from '../src/core/path.ts'
import type { Engine } from '../src/store/engine.ts'
import type { Store } from '../src/store/store.ts'
import { Sync } from '../src/sync/sync.ts'
import { Disk, type DiskOptions } from './disk.ts'
import { WallClock } from './env.ts'
import { History } from './history.ts'
import { CALM, Network } from './network.ts'
import type { NetworkOptions } from './connection.ts'
import { Node } from './node.ts'
import type { World } from './world.ts'

export const TOPOLOGIES = ['star', 'chain', 'mesh', 'tree'] as const
export type Topology = (typeof TOPOLOGIES)[number]

/** How to build a cluster; what is left out is calm and fast. */
export interface ClusterPlan {
  readonly topology: Topology
  readonly size: number
  /** What the nodes share; default everything. */
  readonly keys?: (node: number) => readonly string[]
  /** How far a node's wall clock is off, in milliseconds. */
  readonly clockOffsetMs?: (node: number) => number
  readonly clockDriftPpm?: (node: number) => number
  readonly disk?: DiskOptions
  readonly network?: NetworkOptions
  readonly repairIntervalMs?: number
  readonly collectIntervalMs?: number
  readonly tombstoneTtlMs?: number
  /** Opens the nodes' stores; a canary puts broken ones here. */
  readonly open?: (engine: Engine, env: Env, options: { nodeId: string }) => Promise<Store>
}

export const FAST_DISK: DiskOptions = { writeMs: [0.1, 2], scanMs: [0, 1], chunk: 100 }

/** Two nodes that are configured to be linked, and what they may share. */
export interface Edge {
  readonly a: Node
  readonly b: Node
}

/** Nodes named n0, n1, … with their links; in a star, chain or tree n0 leads. */
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
    this.history = new History(world, (a, b, path) => this.#together(a.name, b.name, path))
    this.nodes = Array.from({ length: plan.size }, (_, i) => this.#node(i))
    this.edges = this.nodes.flatMap((b, i) =>
      parentsOf(plan.topology, i).map((parent) => ({ a: this.nodes[parent]!, b })),
    )
  }

  start(): void {
    for (const node of this.nodes) node.start()
  }

  keysOf(node: Node): readonly string[] {
    return this.plan.keys?.(this.nodes.indexOf(node)) ?? ['**']
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
    const shares = (node: Node): boolean => this.keysOf(node).some((key) => matches(key, path))
    const reached = new Set([from])
    for (const name of reached) {
      for (const { a, b } of this.edges) {
        if (!shares(a) || !shares(b)) continue
        if (a.name === name) reached.add(b.name)
        if (b.name === name) reached.add(a.name)
      }
    }
    return reached.has(to)
  }

  #node(i: number): Node {
    const { topology, disk = FAST_DISK, open } = this.plan
    const { repairIntervalMs, collectIntervalMs, tombstoneTtlMs } = this.plan
    const { world, network, history } = this
    const parents = parentsOf(topology, i).map(urlOf)
    const keys = this.plan.keys?.(i) ?? ['**']
    const intervals = {
      ...(repairIntervalMs !== undefined && { repairIntervalMs }),
      ...(collectIntervalMs !== undefined && { collectIntervalMs }),
      ...(tombstoneTtlMs !== undefined && { tombstoneTtlMs }),
    }
    // In a mesh every node dials every other one, so both ends dial.
    const upwards =
      topology === 'mesh'
        ? {
            peers: Array.from({ length: this.plan.size }, (_, j) => urlOf(j)).filter(
              (_, j) => j !== i,
            ),
          }
        : parents[0] === undefined
          ? {}
          : { leader: parents[0] }
    return new Node(
      {
        name: `n${i}`,
        url: urlOf(i),
        disk: new Disk(disk, world.random.fork()),
        clock: new WallClock(
          world,
          this.plan.clockOffsetMs?.(i) ?? 0,
          this.plan.clockDriftPpm?.(i) ?? 0,
        ),
        links: (parts) => new Sync({ ...parts, ...upwards, ...intervals, keys }),
        ...(open === undefined ? {} : { open }),
      },
      { world, network, history },
    )
  }
}

/** Which lower nodes a node is linked with. */
function parentsOf(topology: Topology, i: number): number[] {
  if (i === 0) return []
  switch (topology) {
    case 'star':
      return [0]
    case 'chain':
      return [i - 1]
    case 'tree':
      return [(i - 1) >> 1]
    case 'mesh':
      return Array.from({ length: i }, (_, j) => j)
  }
}

export function urlOf(i: number): string {
  return `sim://n${i}`
}
