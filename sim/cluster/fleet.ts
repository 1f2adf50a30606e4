import { Cluster } from '../../src/cluster/cluster.ts'
import type { ClusterEvent } from '../../src/cluster/event.ts'
import { resolveClusterOptions } from '../../src/cluster/options.ts'
import type { Prober, ProbeResult } from '../../src/cluster/prober.ts'
import type { Worker } from '../../src/cluster/worker.ts'
import { RegistryClient } from './registry.ts'
import type { RegistryServer } from './registry.ts'
import { Host } from './world.ts'
import type { World } from './world.ts'

export const INTERVAL_MS = 2_000
export const TIMEOUT_MS = 500
export const MAX_FAILURES = 3
export const LEASE_MS = 3_000

/** One simulated process of a cluster. */
export interface Process {
  readonly host: Host
  readonly cluster: Cluster
  /** Of a member's process. */
  worker: Worker | undefined
  /** What it was told, with the moment. */
  readonly events: { at: number; event: ClusterEvent }[]
}

/** All processes that run or ran, and who can reach whom. */
export class Fleet {
  readonly world: World
  readonly server: RegistryServer
  readonly processes: Process[] = []
  readonly #slots: number
  /** `monitor→member` pairs whose probes get lost. */
  readonly cut = new Set<string>()
  /** Members whose health check accepts and never answers. */
  readonly hung = new Set<string>()
  /** When each member was last seen in a state in which it may rightly be called dead. */
  readonly impairedAt = new Map<string, number>()
  /** Mistakes that no caller saw. */
  readonly failures: string[] = []

  constructor(world: World, server: RegistryServer, slots: number) {
    this.world = world
    this.server = server
    this.#slots = slots
  }

  /** Starts a process: a monitor, or the worker of the member with that name. */
  async start(name: string, kind: 'monitor' | 'worker'): Promise<Process> {
    const host = new Host(this.world, name)
    const options = resolveClusterOptions(
      {
        id: name,
        monitor: kind === 'monitor',
        heartbeatIntervalMs: INTERVAL_MS,
        heartbeatTimeoutMs: TIMEOUT_MS,
        heartbeatMaxFailures: MAX_FAILURES,
        leaseMs: LEASE_MS,
        handoverTimeoutMs: LEASE_MS,
        slots: this.#slots,
        moveConcurrency: 8,
      },
      name,
    )
    const registry = new RegistryClient(this.server, host)
    const prober = this.#prober(host)
    const cluster = new Cluster({ env: host.env, registry, prober, options })
    const process: Process = { host, cluster, worker: undefined, events: [] }
    this.processes.push(process)
    this.#listen(process)
    await cluster.start()
    if (kind === 'worker') {
      await cluster.join({ id: name, address: 'simulated', port: 1, path: `/${name}` })
      process.worker = cluster.worker(name)
      process.worker.on('revoked', ({ waitUntil }) => waitUntil(this.#finishWork(host)))
      await process.worker.start()
    }
    return process
  }

  /** The latest process of that name. */
  named(name: string): Process | undefined {
    return this.processes.findLast(({ host }) => host.name === name)
  }

  get monitors(): Process[] {
    return this.processes.filter(({ host, worker }) => !host.crashed && worker === undefined)
  }

  /**
   * Notes which members may rightly be called dead for what is now: those that don't answer, and
   * those cut off from one monitor while no other one is able to vouch for them.
   */
  watchImpairments(): void {
    const names = new Set(this.processes.map(({ host }) => host.name))
    for (const name of names) {
      const isCut = ({ host }: Process): boolean => this.cut.has(`${host.name}→${name}`)
      const vouchers = this.monitors.filter((process) => !isCut(process) && this.#canVouch(process))
      const mayDie = this.monitors.some(isCut) && vouchers.length === 0
      if (!this.#answers(name) || mayDie) this.impairedAt.set(name, this.world.now)
    }
  }

  #canVouch({ host }: Process): boolean {
    const { cut, up, faults } = this.server
    return host.running && up && faults.loss === 0 && !cut.has(host.name)
  }

  #answers(name: string): boolean {
    return this.named(name)?.host.running === true && !this.hung.has(name)
  }

  #listen({ host, cluster, events }: Process): void {
    const types = ['joined', 'suspect', 'died', 'revived', 'left', 'draining'] as const
    for (const type of types) {
      cluster.on(type, (event) => {
        events.push({ at: this.world.now, event })
        this.world.note(`${this.world.now.toFixed(3)} ${host.name} ${type} ${event.nodeId}`)
      })
    }
    cluster.on('error', ({ error }) => {
      if (!error.message.includes('registry')) this.failures.push(`${host.name}: ${error.message}`)
    })
  }

  /** Work in flight takes a moment to come to its end. */
  async #finishWork(host: Host): Promise<void> {
    await new Promise<void>((resolve) => host.after(this.world.between(0, 200), resolve))
  }

  #prober(host: Host): Prober {
    const probe = (url: string, timeoutMs: number): Promise<ProbeResult> =>
      new Promise((resolve) => {
        const name = new URL(url).pathname.slice(1)
        const answer = (outcome: 'alive' | 'missed', tookMs: number): void =>
          host.after(tookMs, () => resolve({ outcome, tookMs }))
        const lost = this.cut.has(`${host.name}→${name}`) || this.hung.has(name)
        const target = this.named(name)?.host
        if (lost || target === undefined) return answer('missed', timeoutMs)
        if (target.crashed) return answer('missed', this.world.chance(0.5) ? 1 : timeoutMs)
        // A process that stands still answers when it goes on, if that is not too late.
        host.after(timeoutMs, () => resolve({ outcome: 'missed', tookMs: timeoutMs }))
        this.world.after(this.world.between(0.2, 3), () =>
          target.deliver(() => answer('alive', this.world.between(0.2, 3))),
        )
      })
    return { probe, close: () => {} }
  }
}
