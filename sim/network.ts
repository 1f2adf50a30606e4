import type { Channel, Transport } from '../src/sync/transport.ts'
import { Connection, type Medium, type NetworkOptions } from './connection.ts'
import type { Process } from './process.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** A network without faults: what remains when all has healed. */
export const CALM: NetworkOptions = {
  delayMs: [0.2, 2],
  bytesPerMs: 10_000,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reset: 0,
  refuse: 0,
}

/** When a dial gives up if nobody answers. */
const DIAL_TIMEOUT_MS = 10_000

/** Who listens at an address. */
export interface Listener {
  readonly process: Process
  readonly accept: (channel: Channel) => void
}

/** The network between all nodes, and what is wrong with it. */
export class Network implements Medium {
  readonly world: World
  readonly random: Random
  options: NetworkOptions
  readonly #listeners = new Map<string, Listener>()
  /** Addresses where connections are accepted and then nothing ever comes back. */
  readonly #tarPits = new Set<string>()
  readonly #blocked = new Set<string>()
  readonly #connections = new Set<Connection>()
  readonly carried = { frames: 0, bytes: 0 }
  tap: Medium['tap']

  constructor(world: World, random: Random, options: NetworkOptions) {
    this.world = world
    this.random = random
    this.options = options
  }

  listen(url: string, listener: Listener): void {
    this.#listeners.set(url, listener)
  }

  /** A listener that lets everybody in and never answers; or no longer. */
  tarPit(url: string, on: boolean): void {
    if (on) this.#tarPits.add(url)
    else this.#tarPits.delete(url)
  }

  transport(process: Process): Transport {
    return {
      dial: (url) =>
        new Promise((resolve, reject) => this.#dial(process, url, { resolve, reject })),
    }
  }

  /** Nothing goes from one machine to the other any more; the way back is not touched. */
  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`)
  }

  unblock(from: string, to: string): void {
    this.#blocked.delete(`${from}>${to}`)
    for (const connection of this.#connections) connection.release()
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(`${from}>${to}`)
  }

  /** Every way is open again and the network is calm. */
  heal(): void {
    this.options = CALM
    this.#blocked.clear()
    this.#tarPits.clear()
    for (const connection of this.#connections) connection.release()
  }

  /** Breaks all connections between two machines, as a router that restarts does. */
  reset(a: string, b: string): void {
    for (const connection of this.#connections) {
      if (connection.joins(a, b)) connection.reset()
    }
  }

  /**
   * The process is gone. With its machine still up, the other sides learn that connections are
   * reset; if the power failed they learn nothing.
   */
  abandon(process: Process, silently: boolean): void {
    for (const connection of this.#connections) connection.abandon(process, silently)
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection)
  }

  /** How long one frame is under way. */
  delay(): number {
    return this.random.within(this.options.delayMs)
  }

  #dial(
    process: Process,
    url: string,
    settle: { resolve: (channel: Channel) => void; reject: (error: Error) => void },
  ): void {
    const { name } = process
    const reject = (why: string): void => settle.reject(new Error(`${url}: ${why}`))
    this.world.at(this.delay(), `${name} dials ${url}`, () => {
      const listener = this.#listeners.get(url)
      const target = listener?.process
      if (listener === undefined || !listener.process.alive) {
        process.at(this.delay(), `${name} is refused`, () => reject('connection refused'))
        return
      }
      const cut = this.isBlocked(name, target!.name) || this.isBlocked(target!.name, name)
      if (cut || (target!.paused && !this.#tarPits.has(url))) {
        process.at(DIAL_TIMEOUT_MS, `${name} gives up dialling`, () => reject('timed out'))
        return
      }
      if (this.random.chance(this.options.refuse)) {
        process.at(this.delay(), `${name} is refused`, () => reject('connection refused'))
        return
      }
      this.#connect(process, listener, { ...settle, silent: this.#tarPits.has(url) })
    })
  }

  #connect(
    process: Process,
    { process: target, accept }: Listener,
    { resolve, silent }: { resolve: (channel: Channel) => void; silent: boolean },
  ): void {
    const delayMs = this.delay()
    const connection = new Connection(this, process, target, delayMs)
    this.#connections.add(connection)
    // The dialler's machine may meanwhile have lost the process: then the kernel resets at once.
    process.at(delayMs, `${process.name} reaches ${target.name}`, () => resolve(connection.dialler))
    if (!silent)
      target.at(0, `${target.name} accepts ${process.name}`, () => accept(connection.acceptor))
    if (!process.alive) connection.abandon(process, false)
  }
}
