import type { CancelTimer, Env } from '../../src/core/env.ts'
import { Coordinator } from '../../src/events/coordinator.ts'
import { createKeyGenerator, type KeyGenerator } from '../../src/events/key.ts'
import { openEventLog, type EventLog } from '../../src/events/log.ts'
import type { CoordinatorOptions } from '../../src/events/options.ts'
import type { PeerLocation } from '../../src/events/peers.ts'
import type { PeerTransport } from '../../src/events/transport.ts'
import type { Engine, EngineItem, EngineOp, EngineRange } from '../../src/store/engine.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import type { VirtualEnv } from './env.ts'

/** One life of a node: what it started stops having any effect when it ends. */
export class Life implements Env {
  isOver = false
  readonly #env: VirtualEnv
  readonly #skewNs: bigint

  constructor(env: VirtualEnv, skewMs: number) {
    this.#env = env
    this.#skewNs = BigInt(skewMs) * 1_000_000n
  }

  now(): bigint {
    return this.#env.now() + this.#skewNs
  }

  monotonicMs(): number {
    return this.#env.monotonicMs()
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    return this.#env.setTimer(delayMs, () => {
      if (!this.isOver) callback()
    })
  }

  random(): number {
    return this.#env.random()
  }

  hash(text: string): string {
    return this.#env.hash(text)
  }
}

/** A disk that outlives its node's lives; a write takes time, and a crash may cut it off. */
export class Disk {
  readonly engine = new MemoryEngine()
  readonly #env: VirtualEnv

  constructor(env: VirtualEnv) {
    this.#env = env
  }

  /** The disk as one life of the node sees it. */
  mount(life: Life): Engine {
    const { engine } = this
    return {
      durable: true,
      get: (key: string) => engine.get(key),
      scan: (range: EngineRange): AsyncIterable<readonly EngineItem[]> => engine.scan(range),
      write: (ops: readonly EngineOp[]) => this.#write(ops, life),
      close: () => Promise.resolve(),
    }
  }

  #write(ops: readonly EngineOp[], life: Life): Promise<void> {
    return new Promise((resolve) => {
      this.#env.setTimer(this.#env.random() * 4, () => {
        // At the crash the write was under way: it may have reached the disk, but nobody hears.
        if (!life.isOver) void this.engine.write(ops).then(resolve)
        else if (this.#env.random() < 0.5) void this.engine.write(ops)
      })
    })
  }
}

/** Where a node stands. */
export interface Place {
  readonly zone: string
  readonly region: string
}

/** A running node. */
export interface Running {
  readonly life: Life
  readonly log: EventLog
  readonly coordinator: Coordinator
  readonly generateKey: KeyGenerator
}

/** A node of the simulated cluster: its disks stay, the rest comes and goes. */
export class SimNode {
  readonly id: string
  readonly place: Place
  readonly disk: Disk
  readonly #hintDisk: Disk
  readonly #env: VirtualEnv
  readonly #skewMs: number
  readonly #process: number
  #life: Life | undefined
  running: Running | undefined
  conflicts = 0
  /** Whom its coordinator knows in this life. */
  readonly peers = new Map<string, PeerLocation>()

  constructor(env: VirtualEnv, index: number, place: Place) {
    this.id = `n${index}`
    this.place = place
    this.disk = new Disk(env)
    this.#hintDisk = new Disk(env)
    this.#env = env
    this.#process = index
    this.#skewMs = env.pick(2_000) - 1_000
  }

  async start(
    options: Omit<CoordinatorOptions, 'env' | 'id' | 'engine' | 'transport'>,
    transport: (life: Life) => PeerTransport,
  ): Promise<Running> {
    const life = new Life(this.#env, this.#skewMs)
    this.#life = life
    const log = await openEventLog(this.disk.mount(life), { env: life })
    const engine = this.#hintDisk.mount(life)
    const own = { env: life, id: this.id, engine, transport: transport(life) }
    const coordinator = new Coordinator(log, { ...options, ...own })
    coordinator.on('conflict', () => this.conflicts++)
    const generateKey = createKeyGenerator({ env: life, process: this.#process, node: 'sim' })
    this.peers.clear()
    this.running = { life, log, coordinator, generateKey }
    return this.running
  }

  /** Running, or about to. */
  get isUp(): boolean {
    return this.#life?.isOver === false
  }

  /** Makes another node known, placed as it stands from here. */
  meet(other: SimNode): void {
    if (!this.running) return
    const { zone, region } = other.place
    const location =
      region !== this.place.region ? { region } : zone !== this.place.zone ? { zone } : {}
    this.peers.set(other.id, location)
    this.running.coordinator.addPeer({ id: other.id }, location)
  }

  /** Another node is gone for good. */
  forget(other: SimNode): void {
    this.peers.delete(other.id)
    this.running?.coordinator.dropPeer({ id: other.id })
  }

  crash(): void {
    if (this.#life) this.#life.isOver = true
    this.running = undefined
  }

  /** Whether the event lies on the disk, whatever the node is doing. */
  holds(key: string): boolean {
    return this.disk.engine.get(`events/log/${key}`) !== undefined
  }
}
