import { Ledger } from '../../src/cluster/ledger.ts'
import { Checker } from './checker.ts'
import { Fleet, INTERVAL_MS, LEASE_MS, MAX_FAILURES } from './fleet.ts'
import type { Process } from './fleet.ts'
import { RegistryServer } from './registry.ts'
import { World } from './world.ts'

const TROUBLE_MS = 50_000
/** A takeover, a recovery, a detection and a handover, one after the other. */
const QUIET_MS = LEASE_MS * 5 + INTERVAL_MS * (MAX_FAILURES + 2) * 2
const HOUR_MS = 3_600_000
/** Of so many seeds one also has members that step aside. */
const ASIDE_EVERY = 5

/** What one seed brought. */
export interface Outcome {
  readonly seed: number
  /** Empty if all went well. */
  readonly violations: readonly string[]
  /** The same for the same seed. */
  readonly digest: string
  readonly deaths: number
  readonly failovers: number
}

/**
 * Monitors and workers under trouble that the seed chooses: processes crash, stand still and come
 * back, probes and registry are cut off, clocks step, the registry fails over to a copy that lags.
 * Then quiet.
 *
 * @param LedgerClass a broken one, to see that the checkers notice.
 */
export async function runClusterScenario(
  seed: number,
  LedgerClass: typeof Ledger = Ledger,
): Promise<Outcome> {
  const scenario = new Scenario(seed, LedgerClass)
  return scenario.run()
}

class Scenario {
  readonly #seed: number
  readonly #world: World
  readonly #server: RegistryServer
  readonly #fleet: Fleet
  readonly #checker: Checker
  readonly #faults: readonly Fault[]
  readonly #keys: ReadonlySet<string>
  readonly #workers: readonly string[]
  readonly #monitors: readonly string[]
  #buried: string | undefined
  #failovers = 0

  constructor(seed: number, LedgerClass: typeof Ledger) {
    this.#seed = seed
    const world = new World(seed)
    const slots = world.pick([16, 32, 64])
    this.#world = world
    this.#server = new RegistryServer(world, slots, world.between(20, 500), LedgerClass)
    this.#fleet = new Fleet(world, this.#server, slots)
    this.#checker = new Checker(world, this.#fleet)
    this.#keys = new Set(Array.from({ length: 200 }, (_, index) => `key-${index}`))
    this.#workers = names('w', world.integer(2, 6))
    this.#monitors = names('m', world.integer(1, 3))
    const all = Object.keys(this.#causes) as Fault[]
    const drawn = all.filter((fault) => fault !== 'stepAside' && world.chance(0.5))
    // Not drawn, so that a seed which once showed a defect keeps its world.
    const withAside = seed % ASIDE_EVERY === ASIDE_EVERY - 1
    this.#faults = withAside ? [...drawn, 'stepAside'] : drawn
  }

  async run(): Promise<Outcome> {
    const world = this.#world
    for (const name of this.#monitors) this.#start(name, 'monitor')
    for (const name of this.#workers) this.#start(name, 'worker')
    this.#every(50, () => this.#fleet.watchImpairments())
    this.#every(25, () => this.#checker.checkHolders())
    await world.run(LEASE_MS * 2)
    this.#distribute()
    const began = world.now
    while (world.now < began + TROUBLE_MS) {
      await world.run(world.now + world.between(500, 4_000))
      if (this.#faults.length > 0) this.#causes[world.pick(this.#faults)]()
    }
    this.#heal()
    await world.run(world.now + QUIET_MS)
    this.#checker.checkDeaths()
    const judged = this.#checker.checkQuiet(this.#keys, this.#buried)
    await world.run(world.now + LEASE_MS)
    await judged
    return this.#outcome()
  }

  /** Each kind of trouble, caused once. */
  readonly #causes = {
    crashWorker: () => this.#crash(this.#world.pick(this.#workers), 'worker'),
    crashMonitor: () => this.#crash(this.#world.pick(this.#monitors), 'monitor'),
    pause: () => {
      const { host } = this.#world.pick(this.#fleet.processes)
      host.pause(this.#world.between(200, 10_000))
    },
    cutRegistry: () => {
      const { host } = this.#world.pick(this.#fleet.processes)
      this.#server.cut.add(host.name)
      this.#world.after(this.#world.between(500, 12_000), () => this.#server.cut.delete(host.name))
    },
    cutProbes: () => {
      const pair = `${this.#world.pick(this.#monitors)}→${this.#world.pick(this.#workers)}`
      this.#fleet.cut.add(pair)
      this.#world.after(this.#world.between(500, 15_000), () => this.#fleet.cut.delete(pair))
    },
    hangMember: () => {
      const name = this.#world.pick(this.#workers)
      this.#fleet.hung.add(name)
      this.#world.after(this.#world.between(300, 12_000), () => this.#fleet.hung.delete(name))
    },
    stepClock: () => {
      const byMs = this.#world.between(-HOUR_MS, HOUR_MS)
      // A registry that lost its latest epochs *and* whose clock went back could repeat them.
      const serverMs = this.#faults.includes('failOver') ? Math.abs(byMs) : byMs
      if (this.#world.chance(0.3)) this.#server.stepWallClock(serverMs)
      else this.#world.pick(this.#fleet.processes).host.stepWallClock(byMs)
    },
    failOver: () => {
      this.#failovers++
      this.#server.failOver(this.#world.between(100, 4_000))
      // Keys acknowledged within the lag are lost with it: whoever owns them distributes again.
      this.#world.after(5_000, () => this.#distribute())
    },
    unkindNetwork: () => {
      const { faults } = this.#server
      Object.assign(faults, {
        loss: this.#world.between(0, 0.1),
        slow: this.#world.between(0, 0.1),
      })
      this.#world.after(5_000, () => Object.assign(faults, { loss: 0, slow: 0 }))
    },
    drain: () => {
      const name = this.#world.pick(this.#workers)
      const process = this.#fleet.named(name)
      if (process === undefined || process.host.crashed) return
      // It may well fail in trouble; a later start joins again, and so does the healing.
      void process.cluster.drain(name).catch(() => {})
    },
    stepAside: () => {
      const name = this.#world.pick(this.#workers)
      const process = this.#fleet.named(name)
      if (process === undefined || process.host.crashed) return
      // Its health check answers all along, so it takes work again with the next heartbeat.
      void process.cluster.stepAside(name).catch(() => {})
      if (this.#world.chance(0.5)) this.#crash(name, 'worker')
    },
  }

  #start(name: string, kind: 'monitor' | 'worker'): void {
    this.#fleet.start(name, kind).then(
      (process) => this.#welcome(process),
      () => {
        // The registry was out of reach just then: as any supervisor, try again.
        this.#fleet.named(name)?.host.crash()
        this.#world.after(500, () => this.#start(name, kind))
      },
    )
  }

  #welcome(process: Process): void {
    this.#checker.watch(process)
    process.cluster.on('died', ({ nodeId }) => this.#checker.checkDeath(nodeId))
  }

  #crash(name: string, kind: 'monitor' | 'worker'): void {
    const process = this.#fleet.named(name)
    if (process === undefined || process.host.crashed) return
    process.host.crash()
    this.#world.note(`crash ${name}`)
    const gone = kind === 'worker' && this.#buried === undefined && this.#world.chance(0.3)
    if (gone) this.#buried = name
    else this.#world.after(this.#world.between(200, 20_000), () => this.#start(name, kind))
  }

  #distribute(): void {
    const again = (): void => this.#world.after(1_000, () => this.#distribute())
    const running = this.#fleet.processes.filter(({ host }) => host.running)
    if (running.length === 0) return again()
    this.#world.pick(running).cluster.distribute(this.#keys).catch(again)
  }

  #heal(): void {
    this.#world.note('heal')
    this.#server.cut.clear()
    this.#fleet.cut.clear()
    this.#fleet.hung.clear()
    Object.assign(this.#server.faults, { loss: 0, slow: 0 })
    this.#world.after(QUIET_MS / 2, () => void this.#rejoinDrained())
  }

  /** What was drained stays drained until it joins again. */
  async #rejoinDrained(): Promise<void> {
    for (const { host, worker, cluster } of this.#fleet.processes) {
      if (host.crashed || worker === undefined) continue
      const input = { id: host.name, address: 'simulated', port: 1, path: `/${host.name}` }
      const drained = cluster.members().some(({ id, draining }) => id === host.name && draining)
      if (drained) await cluster.join(input)
    }
  }

  #every(periodMs: number, step: () => void): void {
    step()
    this.#world.after(periodMs, () => this.#every(periodMs, step))
  }

  #outcome(): Outcome {
    const deaths = this.#fleet.processes
      .flatMap(({ events }) => events)
      .filter(({ event }) => event.type === 'died').length
    const violations = [...this.#checker.violations, ...this.#fleet.failures]
    const { digest } = this.#world
    return { seed: this.#seed, violations, digest, deaths, failovers: this.#failovers }
  }
}

type Fault =
  | 'crashWorker'
  | 'crashMonitor'
  | 'pause'
  | 'cutRegistry'
  | 'cutProbes'
  | 'hangMember'
  | 'stepClock'
  | 'failOver'
  | 'unkindNetwork'
  | 'drain'
  | 'stepAside'

function names(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)
}
