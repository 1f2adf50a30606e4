import type { CommitLevel } from '../../src/events/commit.ts'
import { quorum } from '../../src/events/commit.ts'
import { SkerryError } from '../../src/core/errors.ts'
import { quiet, VirtualEnv } from './env.ts'
import { SimNetwork } from './network.ts'
import { SimNode, type Running } from './node.ts'
import { promisedCopies } from './promise.ts'

/** What one run came to. */
export interface ScenarioReport {
  readonly seed: number
  readonly nodes: number
  readonly puts: number
  readonly acknowledged: number
  readonly faults: number
  readonly scans: number
  /** Acknowledgements that promised more than one copy in a region. */
  readonly promises: number
  /** Events that were on no disk but the one that is gone for good. */
  readonly singleCopiesLost: number
}

interface Put {
  readonly key: string
  readonly node: SimNode
  readonly level: CommitLevel
  acknowledged: boolean
  /** On how many disks it was when it was acknowledged. */
  copies: number
  /**
   * Copies that the level promises, by region: as placement was when the put was handed over, and
   * as it was a moment later, when it may just have begun with a peer more or less.
   */
  readonly promised: ReadonlyMap<string, number>[]
}

const LEVELS: readonly CommitLevel[] = [
  'ONE',
  'QUORUM',
  'QUORUM',
  'ALL',
  'LOCAL_QUORUM',
  'EACH_QUORUM',
]
const STEPS = 60
const STEP_MS = 400
const SETTLE_MS = 900_000

/**
 * Events under crashes, partitions, silent peers, lost messages, joins and a drop, all from one
 * seed. Checked on the way: no acknowledgement below its level. Checked after healing: every
 * acknowledged event is on as many distinct disks as it should, hints are used up, and a scan
 * sees each event once and in order.
 */
export class EventsScenario {
  readonly #seed: number
  readonly #env: VirtualEnv
  readonly #nodes = new Map<string, SimNode>()
  readonly #dropped: SimNode[] = []
  readonly #network: SimNetwork
  readonly #puts: Put[] = []
  readonly #replicationFactor: number
  readonly #options
  #faults = 0
  #scans = 0
  #promises = 0
  #made = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#env = new VirtualEnv(seed)
    this.#network = new SimNetwork(this.#env, this.#nodes)
    this.#replicationFactor = 1 + this.#env.pick(4)
    this.#options = {
      replicationFactor: this.#replicationFactor,
      replicationStrategy: {
        otherZoneReplicas: this.#env.pick(3),
        otherRegionReplicas: this.#env.pick(3),
      },
      pageRows: 1 + this.#env.pick(20),
      putTimeoutMs: 3_000,
      replicaTimeoutMs: 500,
      retryIntervalMs: 2_000,
      hintWindowMs: 600_000,
      sweepIntervalMs: 120_000,
    }
  }

  /** @throws with the seed, at the first thing that must not be */
  async run(): Promise<ScenarioReport> {
    const count = this.#replicationFactor + this.#env.pick(4)
    for (let node = 0; node < count; node++) await this.#env.pass(this.#join())
    for (let step = 0; step < STEPS; step++) {
      this.#disturb()
      for (let put = this.#env.pick(4); put > 0; put--) this.#put()
      if (this.#env.pick(12) === 0)
        this.#scan(this.#anyRunning()).catch((error) => this.#fail(error))
      await this.#env.advance(this.#env.random() * STEP_MS)
      this.#assertSound()
    }
    await this.#heal()
    return this.#check()
  }

  #disturb(): void {
    const dice = this.#env.pick(40)
    const faults: readonly (() => unknown)[] = [
      () => this.#crash(),
      () => this.#crash(),
      () => this.#restart(),
      () => this.#restart(),
      () => this.#restart(),
      () => this.#partition(),
      () => this.#network.heal(),
      () => this.#network.silent.add(this.#anyNode().id),
      () => (this.#network.loss = 0.2 * this.#env.random()),
      () => this.#join(),
      () => this.#drop(),
      () => this.#misjudge(),
    ]
    const fault = faults[dice]
    if (!fault) return
    this.#faults++
    void fault()
  }

  async #join(): Promise<void> {
    if (this.#made >= 9) return
    const place = { zone: `z${this.#env.pick(2)}`, region: `r${this.#env.pick(2)}` }
    const node = new SimNode(this.#env, this.#made++, place)
    this.#nodes.set(node.id, node)
    await this.#start(node)
    for (const other of this.#nodes.values()) {
      if (other !== node) other.meet(node)
    }
  }

  async #start(node: SimNode): Promise<void> {
    const transport = this.#network.transport.bind(this.#network, node.id)
    const { coordinator } = await node.start(this.#options, transport)
    for (const other of this.#nodes.values()) if (other !== node) node.meet(other)
    coordinator.on('error', (error) => this.#fail(error))
  }

  #crash(): void {
    const node = this.#anyNode()
    node.crash()
    if (this.#env.pick(2) === 0) this.#tell(node.id, false)
  }

  #restart(): void {
    const down = [...this.#nodes.values()].filter(({ isUp }) => !isUp)
    const node = down[this.#env.pick(down.length)]
    if (!node) return
    this.#start(node).catch((error) => this.#fail(error))
    if (this.#env.pick(2) === 0) this.#tell(node.id, true)
  }

  #partition(): void {
    this.#network.partition(new Map([...this.#nodes.keys()].map((id) => [id, this.#env.pick(2)])))
  }

  /** One node for good, disks and all; only one, so that a second copy has to be enough. */
  #drop(): void {
    if (this.#dropped.length > 0 || this.#nodes.size <= this.#replicationFactor) return
    const node = this.#anyNode()
    node.crash()
    this.#nodes.delete(node.id)
    this.#dropped.push(node)
    for (const other of this.#nodes.values()) other.forget(node)
  }

  /** Somebody takes a node for dead that is not, or the other way round. */
  #misjudge(): void {
    const { coordinator } = this.#anyRunning() ?? {}
    coordinator?.setAvailable(this.#anyNode().id, this.#env.pick(2) === 0)
  }

  #tell(id: string, available: boolean): void {
    for (const { running } of this.#nodes.values()) running?.coordinator.setAvailable(id, available)
  }

  #put(): void {
    const node = this.#anyNode()
    if (!node.running) return
    const { generateKey, coordinator } = node.running
    const level = LEVELS[this.#env.pick(LEVELS.length)] as CommitLevel
    const key = generateKey()
    const put: Put = { key, node, level, acknowledged: false, copies: 0, promised: [] }
    this.#puts.push(put)
    put.promised.push(this.#promisedTo(put))
    void quiet().then(() => put.promised.push(this.#promisedTo(put)))
    coordinator.put(put.key, { key: put.key, from: node.id }, level).then(
      ({ replicas }) => this.#acknowledged(put, replicas),
      (error: unknown) => {
        if (!(error instanceof SkerryError)) this.#fail(error)
      },
    )
  }

  #acknowledged(put: Put, replicas: readonly string[]): void {
    put.acknowledged = true
    const { key, level, node } = put
    const holders = [...this.#nodes.values(), ...this.#dropped].filter((other) => other.holds(key))
    for (const id of replicas) {
      if (!holders.some((holder) => holder.id === id)) this.#fail(`${id} does not have ${key}`)
    }
    const rf = this.#replicationFactor
    if (level === 'ONE' && !node.holds(key)) this.#fail(`ONE without the local copy of ${key}`)
    const needed = { ONE: 1, LOCAL_QUORUM: 1, EACH_QUORUM: 1, QUORUM: quorum(rf), ALL: rf }[level]
    if (holders.length < needed) this.#fail(`${level} of ${rf} with ${holders.length} of ${key}`)
    put.copies = holders.length
    this.#checkPromise(put, holders)
  }

  #promisedTo({ key, level, node }: Put): ReadonlyMap<string, number> {
    const { peers } = node
    return promisedCopies({ key, level, peers, region: node.place.region, ...this.#options })
  }

  /** What the level says of regions: a majority of the copies placed in the own one, or in each. */
  #checkPromise({ key, level, promised }: Put, holders: readonly SimNode[]): void {
    const kept = promised.filter((copies) =>
      [...copies].every(([region, needed]) => {
        const there = holders.filter(({ place }) => place.region === region).length
        return there >= needed
      }),
    )
    if (kept.length === 0) {
      const told = promised.map((copies) => JSON.stringify([...copies])).join(' or ')
      const held = holders.map(({ id, place }) => `${id} in ${place.region}`).join()
      this.#fail(`${level} promised ${told} of ${key}, it is on ${held}`)
    }
    if ([...(promised[0]?.values() ?? [])].some((needed) => needed > 1)) this.#promises++
  }

  /** Sees each event once and in order; all that had a quorum before, unless it says it can't. */
  async #scan(running: Running | undefined): Promise<void> {
    if (!running) return
    this.#scans++
    const drops = this.#dropped.length
    const due = this.#puts.filter(({ acknowledged, level }) => acknowledged && isMajor(level))
    const seen: string[] = []
    try {
      for await (const { key } of running.coordinator.scan()) seen.push(key)
    } catch (error) {
      if (error instanceof SkerryError && error.code === 'SKERRY_EVENTS_INCOMPLETE') return
      throw error
    }
    if (running.life.isOver || drops !== this.#dropped.length || drops > 0) return
    this.#assertOrder(seen)
    const known = new Set(seen)
    for (const { key } of due) if (!known.has(key)) this.#fail(`a scan missed ${key}`)
  }

  #assertOrder(keys: readonly string[]): void {
    keys.forEach((key, index) => {
      if (index > 0 && key <= (keys[index - 1] as string)) this.#fail(`${key} twice or astray`)
    })
  }

  async #heal(): Promise<void> {
    this.#network.heal()
    for (const node of this.#nodes.values()) if (!node.isUp) await this.#env.pass(this.#start(node))
    for (const id of this.#nodes.keys()) this.#tell(id, true)
    await this.#env.advance(SETTLE_MS)
    const [node] = this.#nodes.values() as unknown as [SimNode]
    const found = await this.#env.pass(node.running!.coordinator.repair())
    // Hints, list and sweeps of the nodes themselves must have left nothing to do.
    if (found.copied + found.missing + found.unconfirmed > 0) this.#fail(JSON.stringify(found))
  }

  async #check(): Promise<ScenarioReport> {
    const alive = [...this.#nodes.values()]
    let singleCopiesLost = 0
    for (const { key, acknowledged } of this.#puts) {
      const holders = alive.filter((node) => node.holds(key))
      if (holders.length === 0 && this.#dropped.some((node) => node.holds(key))) singleCopiesLost++
      else if (acknowledged && holders.length < this.#replicationFactor) {
        this.#fail(`${key} is on ${holders.map(({ id }) => id).join()} only`)
      }
    }
    for (const { id, running, conflicts } of alive) {
      const { hints, underReplicated, inFlight } = running!.coordinator.status()
      if (hints + inFlight > 0) this.#fail(`${id} still has ${hints} hints, ${inFlight} puts`)
      if (underReplicated > singleCopiesLost)
        this.#fail(`${id} still lists ${underReplicated} events`)
      if (conflicts > 0) this.#fail(`${id} saw ${conflicts} conflicts`)
    }
    this.#checkLoss()
    await this.#checkScan(alive[0]!)
    this.#assertSound()
    return this.#report(singleCopiesLost)
  }

  /** Only one disk is ever gone for good: what was on two when it was acknowledged is still there. */
  #checkLoss(): void {
    const alive = [...this.#nodes.values()]
    const lost = this.#puts.filter(
      ({ key, copies }) => copies > 1 && !alive.some((node) => node.holds(key)),
    )
    if (lost.length > 0) this.#fail(`${lost.map(({ key }) => key).join()} lost`)
  }

  async #checkScan(node: SimNode): Promise<void> {
    const seen: string[] = []
    const scan = (async () => {
      for await (const { key } of node.running!.coordinator.scan()) seen.push(key)
    })()
    await this.#env.pass(scan)
    this.#assertOrder(seen)
    const known = new Set(seen)
    for (const { key } of this.#puts) {
      const isHeld = [...this.#nodes.values()].some((other) => other.holds(key))
      if (isHeld !== known.has(key)) this.#fail(`the last scan is wrong about ${key}`)
    }
  }

  #report(singleCopiesLost: number): ScenarioReport {
    return {
      ...{ seed: this.#seed, nodes: this.#made, puts: this.#puts.length, singleCopiesLost },
      acknowledged: this.#puts.filter(({ acknowledged }) => acknowledged).length,
      ...{ faults: this.#faults, scans: this.#scans, promises: this.#promises },
    }
  }

  #anyNode(): SimNode {
    const nodes = [...this.#nodes.values()]
    return nodes[this.#env.pick(nodes.length)] as SimNode
  }

  #anyRunning(): Running | undefined {
    return this.#anyNode().running
  }

  readonly #problems: string[] = []

  /** Noted wherever it comes to light; the run throws it. */
  #fail(problem: unknown): void {
    const text = problem instanceof Error ? (problem.stack ?? problem.message) : String(problem)
    this.#problems.push(text)
  }

  #assertSound(): void {
    if (this.#problems.length === 0) return
    const told = this.#problems.slice(0, 5).join('\n  ')
    throw new Error(`seed ${this.#seed}, ${this.#problems.length} problems:\n  ${told}`)
  }
}

function isMajor(level: CommitLevel): boolean {
  return level === 'QUORUM' || level === 'ALL'
}
