import { type CommitAsked, type Commitment, neededFor } from '../src/core/commitment.ts'
import { compareVersions, type Entry } from '../src/core/entry.ts'
import { EVERYTHING } from '../src/core/path.ts'
import type { MergeSource, Write, Written } from '../src/store/store.ts'
import type { SyncOptions } from '../src/sync/options.ts'
import { Cluster, type ClusterPlan } from './cluster.ts'
import { sha256 } from './env.ts'
import { type Fault, Faults } from './faults.ts'
import { say } from './history.ts'
import { CALM } from './network.ts'
import type { Node } from './node.ts'
import { override } from './override.ts'
import { HOUR_MS, randomFaults, randomPlan } from './plans.ts'
import type { Scenario } from './scenario.ts'
import { converge, stopAll } from './settle.ts'
import type { World } from './world.ts'

/** By when all links are up though all nodes dial at once. */
const LINKED_MS = 60_000

/** How long a write waits for other nodes at most, and how long for its own disk. */
const LONGEST_WAIT_MS = 2000
const ON_DISK_MS = 1000

/** A disk is lost only where the scenario says so: then it is known how many are. */
const KINDS: readonly Fault[] = [
  ...(['kill', 'power', 'stop', 'pause', 'part', 'isolate'] as const),
  ...(['deafen', 'reset', 'tarPit', 'disk', 'clock'] as const),
]

/** How far clocks are off: also further than they may drift, so that nodes stamp anew what nobody has acknowledged. */
const SKEWS_MS = [0, 50, 5000, 20_000, HOUR_MS]

/** What nodes promised by answering writes at a level, and whether they keep it. */
class Promises {
  readonly #cluster: Cluster
  /** Of each path the newest version that was answered at QUORUM or ALL. */
  readonly #kept = new Map<string, Entry>()
  reached = 0
  short = 0
  /** Set when disks are lost: what is answered from then on may be of before. */
  closed = false

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** A write was answered: whoever is said to have it has it on its disk by now. */
  answered(asked: CommitAsked, written: readonly Written[], commitment: Commitment): void {
    if (this.closed) return
    const { reached, committed, missing } = commitment
    if (reached) this.reached++
    else this.short++
    const { world, nodes } = this.#cluster
    const counted = committed.length + missing.length
    if (counted !== nodes.length) {
      world.fail('commit', `${[...committed, ...missing].join(', ')} count, not ${nodes.length}`)
    }
    for (const { entry, changed } of written) {
      if (!changed) continue
      for (const name of committed) {
        // What the writer has on its own disk, under whatever stamp, the history of the simulation looks after.
        if (name === entry!.origin) continue
        const held = nodes.find((node) => node.name === name)!.disk.record(entry!.path)?.entry
        if (held !== undefined && follows(held, entry!)) continue
        world.fail('commit', `${name} is said to have ${say(entry)}, and has ${say(held)}`)
      }
      const needed = neededFor(asked.level, counted)
      if (reached && committed.length < needed) {
        world.fail('commit', `${say(entry)} is on ${committed.length} nodes, not ${needed}`)
      }
      if (reached && asked.level !== 'ONE') this.#keep(entry!)
    }
  }

  /** Every version that was answered is on every disk, or a newer one of its path. */
  check(): void {
    const { world, nodes } = this.#cluster
    for (const [path, entry] of this.#kept) {
      for (const { name, disk } of nodes) {
        const held = disk.record(path)?.entry
        if (held !== undefined && follows(held, entry)) continue
        world.fail('commit', `${say(entry)} was on enough nodes, and ${name} has ${say(held)}`)
      }
    }
  }

  #keep(entry: Entry): void {
    const before = this.#kept.get(entry.path)
    if (before === undefined || compareVersions(entry, before, sha256) > 0) {
      this.#kept.set(entry.path, entry)
    }
  }
}

/**
 * True if the version is that write, or was written later by somebody who knew it: a newer one, or one of the same node,
 * whichever of the two the node has stamped anew. All of a node's writes are known to it here, and they are numbered.
 */
function follows(held: Entry, entry: Entry): boolean {
  if (compareVersions(held, entry, sha256) >= 0) return true
  return held.origin === entry.origin && numberOf(held) >= numberOf(entry)
}

function numberOf({ data }: Entry): number {
  return (JSON.parse(data!) as { n: number }).n
}

/** Clients that write at random levels, one after the other with random pauses. */
class CommittedWork {
  readonly #cluster: Cluster
  readonly #promises: Promises
  #number = 0
  #running = true

  constructor(cluster: Cluster, promises: Promises) {
    this.#cluster = cluster
    this.#promises = promises
    this.#next(cluster.world.random.pick([2, 20]))
  }

  stop(): void {
    this.#running = false
  }

  #next(meanPauseMs: number): void {
    const { world, nodes } = this.#cluster
    world.at(-Math.log(1 - world.random.next()) * meanPauseMs, '', () => {
      if (!this.#running) return
      const node = world.random.pick(nodes)
      if (node.serving) this.#write(node)
      this.#next(meanPauseMs)
    })
  }

  #write(node: Node): void {
    const { random } = this.#cluster.world
    const level = random.pick(['ONE', 'QUORUM', 'QUORUM', 'ALL'] as const)
    const asked = { level, timeoutMs: random.pick([1, 50, LONGEST_WAIT_MS]) }
    const writes = Array.from({ length: random.pick([1, 1, 3]) }, () => this.#one())
    node.commit(writes, asked, (...came) => this.#promises.answered(asked, ...came))
  }

  #one(): Write {
    const data = `{"n":${this.#number++}}`
    return { path: `users/${this.#cluster.world.random.below(5)}`, decide: () => data }
  }
}

async function play(world: World, base: Partial<ClusterPlan>): Promise<void> {
  const { random } = world
  const { network, ...plan } = randomPlan(random, 'mesh')
  const size = random.pick([3, 5])
  const skewMs = random.pick(SKEWS_MS)
  const offsets = Array.from({ length: size }, () => random.within([-1, 1]) * skewMs)
  const clockOffsetMs = (node: number): number => offsets[node]!
  const cluster = new Cluster(world, {
    ...{ ...plan, size, clockOffsetMs, collectIntervalMs: HOUR_MS, keys: () => [EVERYTHING] },
    ...base,
  })
  const faults = new Faults(cluster, randomFaults(random, KINDS))
  cluster.start()
  await world.run(LINKED_MS)
  cluster.network.options = network ?? CALM
  const promises = new Promises(cluster)
  const work = new CommittedWork(cluster, promises)
  faults.start()
  await world.run(random.within([500, 4000]))
  work.stop()
  // All are answered by now, while what is broken stays so.
  await world.run(LONGEST_WAIT_MS + ON_DISK_MS)
  promises.closed = true
  loseMinority(cluster)
  faults.heal()
  await converge(cluster)
  promises.check()
  world.note(`${promises.reached} writes reached their level, ${promises.short} did not`)
  await world.run(0)
  await stopAll(cluster)
}

/** The disks of less than half of the nodes go at one moment, whichever they are. */
function loseMinority({ world, nodes }: Cluster): void {
  const left = [...nodes]
  for (let i = 0; i < Math.floor((nodes.length - 1) / 2); i++) {
    const node = left.splice(world.random.below(left.length), 1)[0]!
    world.note(`${node.name} loses its disk`)
    node.crash(true)
    node.lose(() => node.disk.wipe())
    node.start()
  }
}

/** The scenario, over a plan that a canary may change. */
export function commitScenario(base: Partial<ClusterPlan> = {}): Scenario {
  return {
    name: 'commits',
    summary: 'what a commit level answered is where it said, and outlives a minority of the disks',
    run: (world) => play(world, base),
  }
}

/** Links that acknowledge what they have not merged yet. */
export function hasty(options: SyncOptions): SyncOptions {
  const store = override(options.store, {
    merge: (held, entries: readonly Entry[], source: MergeSource) => {
      held.merge(entries, source).catch(() => undefined)
      return Promise.resolve({ changed: 0, aside: [], contests: [] })
    },
  })
  return { ...options, store }
}
