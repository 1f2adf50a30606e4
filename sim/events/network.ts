import type { Peer } from '../../src/events/peers.ts'
import type { ReplicaRange } from '../../src/events/storage.ts'
import type { PeerTransport, Replica } from '../../src/events/transport.ts'
import type { VirtualEnv } from './env.ts'
import type { Life, SimNode } from './node.ts'

/**
 * A network that delays, loses and cuts. A request whose way is cut is refused at once or never
 * answered, as chance has it.
 */
export class SimNetwork {
  /** Part of requests, and of answers, that get lost. */
  loss = 0
  readonly #env: VirtualEnv
  readonly #nodes: ReadonlyMap<string, SimNode>
  /** Nodes of the same group reach each other. */
  readonly #groups = new Map<string, number>()
  /** Nodes that take requests and don't answer. */
  readonly silent = new Set<string>()

  constructor(env: VirtualEnv, nodes: ReadonlyMap<string, SimNode>) {
    this.#env = env
    this.#nodes = nodes
  }

  /** Splits the nodes into groups that don't reach each other. */
  partition(groups: ReadonlyMap<string, number>): void {
    this.#groups.clear()
    for (const [id, group] of groups) this.#groups.set(id, group)
  }

  heal(): void {
    this.#groups.clear()
    this.silent.clear()
    this.loss = 0
  }

  /** The network as one life of a node uses it. */
  transport(from: string, life: Life): PeerTransport {
    return {
      put: (peer: Peer, { key, text }: Replica) =>
        this.#call(life, from, peer.id, (node) => node.running!.log.writeReplica(key, text)),
      get: (peer: Peer, key: string) =>
        this.#call(life, from, peer.id, (node) => node.running!.log.readReplica(key)),
      range: (peer: Peer, range: ReplicaRange) =>
        this.#call(life, from, peer.id, (node) => node.running!.log.rangeReplicas(range)),
    }
  }

  #call<T>(life: Life, from: string, to: string, work: (node: SimNode) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const answer = (settle: () => void) => {
        if (this.#env.random() < this.loss || this.silent.has(to)) return
        this.#env.setTimer(this.#delayMs(), () => {
          if (!life.isOver && this.#reach(from, to)) settle()
        })
      }
      if (life.isOver || this.#env.random() < this.loss) return
      const isRefused = this.#env.random() < 0.5
      this.#env.setTimer(this.#delayMs(), () => {
        const node = this.#nodes.get(to)
        if (!node?.running || !this.#reach(from, to)) {
          if (isRefused && !life.isOver) reject(new Error('connection refused'))
          return
        }
        work(node).then(
          (value) => answer(() => resolve(value)),
          (error: Error) => answer(() => reject(error)),
        )
      })
    })
  }

  #delayMs(): number {
    return 1 + this.#env.random() * 30
  }

  #reach(from: string, to: string): boolean {
    return (this.#groups.get(from) ?? 0) === (this.#groups.get(to) ?? 0)
  }
}
