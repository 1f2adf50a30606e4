import type { MemoryEngine } from '../src/store/memory.ts'
import { checkProgress } from './checkers.ts'
import type { Cluster } from './cluster.ts'
import type { Node } from './node.ts'
import type { Random } from './random.ts'

/** What may go wrong while a cluster is at work. */
export const FAULTS = [
  'kill',
  'power',
  'stop',
  'pause',
  'part',
  'isolate',
  'deafen',
  'reset',
  'tarPit',
  'disk',
  'wipe',
  'rewind',
  'clock',
] as const
export type Fault = (typeof FAULTS)[number]

export interface FaultOptions {
  /** Swarm testing: each seed has some kinds of faults only, and so more of those. */
  readonly kinds: readonly Fault[]
  /** The mean time between two faults, in milliseconds. */
  readonly meanPauseMs: number
  /** How long a fault lasts, in milliseconds. */
  readonly lastsMs: readonly [low: number, high: number]
  /** The furthest that a clock is set forwards or backwards at once, in milliseconds. */
  readonly clockStepMs: number
}

/** Breaks things at random, and mends each after a while. */
export class Faults {
  readonly #cluster: Cluster
  readonly #options: FaultOptions
  readonly #random: Random
  readonly #copies = new Map<Node, MemoryEngine>()
  #running = false

  constructor(cluster: Cluster, options: FaultOptions) {
    this.#cluster = cluster
    this.#options = options
    this.#random = cluster.world.random.fork()
  }

  start(): void {
    this.#running = true
    if (this.#options.kinds.length > 0) this.#next()
  }

  /** No further fault; and what is broken is mended at once. */
  heal(): void {
    this.#running = false
    this.#cluster.world.note('everything heals')
    this.#cluster.network.heal()
    for (const node of this.#cluster.nodes) {
      node.disk.fault(0, [])
      node.resume()
      // A disk that failed to sync takes no write before the node is started again.
      if (this.#options.kinds.includes('disk')) node.crash(false)
      node.start()
    }
  }

  #next(): void {
    const pauseMs = -Math.log(1 - this.#random.next()) * this.#options.meanPauseMs
    this.#cluster.world.at(pauseMs, '', async () => {
      if (!this.#running) return
      const node = this.#random.pick(this.#cluster.nodes)
      const kind = this.#random.pick(this.#options.kinds)
      this.#cluster.world.note(`fault: ${kind} ${node.name}`)
      this.#strike(kind, node)
      this.#next()
      await checkProgress(this.#cluster)
      this.#cluster.history.checkNothingLost()
    })
  }

  #strike(kind: Fault, node: Node): void {
    const { network } = this.#cluster
    const other = this.#random.pick(this.#cluster.nodes)
    switch (kind) {
      case 'kill':
      case 'power':
        node.crash(kind === 'power')
        return this.#later(() => node.start())
      case 'stop':
        return node.stop(() => this.#startAfterStop(node))
      case 'pause':
        node.pause()
        return this.#later(() => node.resume())
      case 'part':
        this.#cluster.part(node, other)
        return this.#later(() => this.#cluster.part(node, other, false))
      case 'isolate':
        this.#cluster.isolate(node)
        return this.#later(() => this.#cluster.isolate(node, false))
      case 'deafen':
        network.block(other.name, node.name)
        return this.#later(() => network.unblock(other.name, node.name))
      case 'reset':
        return network.reset(node.name, other.name)
      case 'tarPit':
        network.tarPit(node.plan.url, true)
        return this.#later(() => network.tarPit(node.plan.url, false))
      case 'disk':
        node.disk.fault(0.3, this.#random.pick([['write'], ['sync'], ['write', 'sync']]))
        return this.#later(() => this.#replaceDisk(node))
      case 'wipe':
        return this.#lose(node, () => node.disk.wipe())
      case 'rewind':
        return this.#rewind(node)
      case 'clock':
        return node.plan.clock.step(this.#random.within([-1, 1]) * this.#options.clockStepMs)
    }
  }

  #startAfterStop(node: Node): void {
    // Stopping may have taken until after the healing.
    if (this.#running) this.#later(() => node.start())
    else node.start()
  }

  #replaceDisk(node: Node): void {
    node.disk.fault(0, [])
    node.crash(false)
    this.#later(() => node.start())
  }

  /** The first strike makes a backup, the next one puts it back. */
  #rewind(node: Node): void {
    const copy = this.#copies.get(node)
    this.#copies.delete(node)
    if (copy === undefined) this.#copies.set(node, node.disk.copy())
    else this.#lose(node, () => node.disk.restore(copy))
  }

  #lose(node: Node, replacement: () => void): void {
    node.crash(this.#random.chance(0.5))
    node.lose(replacement)
    this.#later(() => node.start())
  }

  #later(mend: () => void): void {
    this.#cluster.world.at(this.#random.within(this.#options.lastsMs), '', () => {
      // After the healing nothing is left to mend.
      if (this.#running) mend()
    })
  }
}
