import type { Write } from '../src/store/store.ts'
import type { Cluster } from './cluster.ts'
import type { Node } from './node.ts'
import type { Random } from './random.ts'

export interface WorkloadOptions {
  /** How many paths of each kind there are: the fewer, the more writes meet. */
  readonly paths: number
  /** The mean time between two requests to the whole cluster, in milliseconds. */
  readonly meanPauseMs: number
}

/** The most paths of one kind that a glob delete takes in one request. */
const MAX_DELETED = 50

/** Clients of all nodes: they write, edit, delete, write again, push, delete by glob, and read. */
export class Workload {
  readonly #cluster: Cluster
  readonly #options: WorkloadOptions
  readonly #random: Random
  #number = 0
  #running = false

  constructor(cluster: Cluster, options: WorkloadOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#random = cluster.world.random.fork()
  }

  start(): void {
    this.#running = true
    this.#next()
  }

  stop(): void {
    this.#running = false
  }

  #next(): void {
    const pauseMs = -Math.log(1 - this.#random.next()) * this.#options.meanPauseMs
    this.#cluster.world.at(pauseMs, '', () => {
      if (!this.#running) return
      const node = this.#random.pick(this.#cluster.nodes)
      if (node.serving) this.#request(node)
      this.#next()
    })
  }

  #request(node: Node): void {
    const kind = this.#random.below(20)
    const path = this.#path()
    if (kind < 7) node.write([this.#set(path)])
    else if (kind < 10) node.write([this.#edit(path)])
    else if (kind < 13) node.write([{ path, decide: () => null }])
    else if (kind < 15) node.write([this.#push()])
    else if (kind < 16) node.write([this.#set(path), this.#edit(this.#path()), this.#edit(path)])
    else if (kind < 17) this.#deleteGlob(node)
    else node.read(path)
  }

  #path(): string {
    const { paths } = this.#options
    const user = this.#random.below(paths)
    const kind = this.#random.below(8)
    if (kind === 0) return this.#random.chance(0.5) ? 'settings' : 'drafts/1'
    if (kind < 3) return `users/${user}/posts/${this.#random.below(paths)}`
    return `users/${user}`
  }

  #set(path: string): Write {
    const data = `{"n":${this.#number++}}`
    return { path, decide: () => data }
  }

  #edit(path: string): Write {
    const n = this.#number++
    return { path, decide: (held) => (held ? `{"n":${n},"of":${held.data!.length}}` : undefined) }
  }

  #push(): Write {
    const data = `{"n":${this.#number++}}`
    return { path: (stamp) => `log/${stamp.toString(16)}`, decide: () => data }
  }

  #deleteGlob(node: Node): void {
    const glob = this.#random.pick(['users/*', 'users/*/posts/*', 'log/*'])
    node.list(glob, ({ entries }) => {
      const some = entries.slice(0, MAX_DELETED)
      if (node.serving && some.length > 0) {
        node.write(some.map(({ path }) => ({ path, decide: () => null })))
      }
    })
  }
}
