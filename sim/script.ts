import type { Entry } from '../src/core/entry.ts'
import { Cluster, type ClusterPlan } from './cluster.ts'
import type { Node } from './node.ts'
import { settle, stopAll } from './settle.ts'
import type { World } from './world.ts'

/** The longest that a step of a script may take. */
const STEP_LIMIT_MS = 60_000

/** A cluster that is told, step by step, what happens to it. In a star n0 leads. */
export class Script {
  readonly cluster: Cluster
  readonly world: World

  constructor(world: World, plan: Partial<ClusterPlan> = {}) {
    this.world = world
    this.cluster = new Cluster(world, { topology: 'star', size: 3, ...plan })
    this.cluster.start()
  }

  get leader(): Node {
    return this.node(0)
  }

  node(i: number): Node {
    return this.cluster.nodes[i]!
  }

  /** Writes the value, and waits until the node acknowledges it. */
  async put(node: Node, path: string, value: unknown): Promise<void> {
    await this.#write(node, path, JSON.stringify(value))
  }

  async delete(node: Node, path: string): Promise<void> {
    await this.#write(node, path, null)
  }

  /** What readers of the node see at the path. */
  async read(node: Node, path: string): Promise<Entry | undefined> {
    let found: { entry: Entry | undefined } | undefined
    node.read(path, (entry) => (found = { entry }))
    await this.until('a read', () => found !== undefined)
    return found!.entry
  }

  /** Fails unless all these nodes show these values: path → JSON text, or undefined for nothing. */
  async expect(nodes: readonly Node[], shown: Record<string, string | undefined>): Promise<void> {
    for (const node of nodes) {
      for (const [path, data] of Object.entries(shown)) {
        const entry = await this.read(node, path)
        if (entry?.data === data) continue
        this.world.fail('shown', `${node.name} shows ${entry?.data} at ${path}, not ${data}`)
      }
    }
    await this.world.run(0)
  }

  /** Cuts the node off from all others, or lets it back in. */
  cut(node: Node, cut = true): void {
    this.cluster.isolate(node, cut)
  }

  /** Waits until the node has ended in order. */
  async stop(node: Node): Promise<void> {
    let stopped = false
    node.stop(() => (stopped = true))
    await this.until(`${node.name} stops`, () => stopped)
  }

  /** An operator says at `node` that `gone` won't come back. */
  async forget(node: Node, gone: Node): Promise<void> {
    let done = false
    node.forget(gone.name, () => (done = true))
    await this.until(`${node.name} forgets ${gone.name}`, () => done)
  }

  async start(node: Node): Promise<void> {
    node.start()
    await this.until(`${node.name} starts`, () => node.serving)
  }

  /** Lets everything come to rest, and holds the cluster to all that it promises. */
  settle(): Promise<void> {
    return settle(this.cluster)
  }

  /** Settles, and ends every node. */
  async finish(): Promise<void> {
    await this.settle()
    await stopAll(this.cluster)
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    if (await this.world.runUntil(condition, STEP_LIMIT_MS)) return
    this.world.fail('script', `${what}: not within ${STEP_LIMIT_MS} ms`)
    await this.world.run(0)
  }

  async #write(node: Node, path: string, data: string | null): Promise<void> {
    await this.until(`${node.name} serves`, () => node.serving)
    let written = false
    node.write([{ path, decide: () => data }], () => (written = true))
    await this.until(`a write of ${path} on ${node.name}`, () => written)
  }
}
