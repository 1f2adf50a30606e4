import { isDeepStrictEqual } from 'node:util'
import { type Entry, entryJson, MISSING_ENTRY_JSON } from '../src/core/entry.ts'
import { isGlob, matches } from '../src/core/path.ts'
import type { State } from '../src/state/state.ts'
import type { Subscription } from '../src/state/subscription.ts'
import { visible } from '../src/store/layout.ts'
import type { Cluster } from './cluster.ts'
import { records } from './disk.ts'
import type { Node } from './node.ts'
import type { Random } from './random.ts'
import { Watcher } from './watcher.ts'

/** What is watched: of what clients write, most of it. */
const PATTERNS = ['users/*', 'users/*/posts/*', 'log/*', 'users/0', 'users/1', 'settings']

/** The most that watch at once. */
const MAX_WATCHING = 12

/** Over the bound of what may wait for a subscriber. */
const STALLED_BYTES = 2 ** 21

/** By when a view is there, and each who watches has it, once nothing is broken. */
const SHOWN_MS = 5000

/** Somebody who watches a node. */
interface Member {
  readonly pattern: string
  readonly node: Node
  /** That run of the node. */
  readonly state: State
  readonly watcher: Watcher
  readonly subscription: Subscription
}

/** Somebody who left, or whose node has ended, with what they had by then. */
type Absent = Pick<Member, 'pattern' | 'watcher'>

/**
 * Who watches paths and globs at all nodes. They come at any moment, leave, read too slowly, and come back with the
 * version that they had, to the same node or to another one. Whenever anything has changed at their node, what they
 * hold is what its disk has for readers.
 */
export class Audience {
  readonly #cluster: Cluster
  readonly #random: Random
  readonly #meanPauseMs: number
  readonly #followed = new WeakSet<State>()
  #members: Member[] = []
  #absent: Absent[] = []
  #running = false
  #comparisons = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#random = cluster.world.random.fork()
    this.#meanPauseMs = this.#random.pick([5, 20, 100])
  }

  start(): void {
    this.#running = true
    this.#next()
  }

  /** Nobody leaves any more, and who had left comes back. */
  async gather(): Promise<void> {
    const { world, nodes } = this.#cluster
    this.#running = false
    await world.runUntil(() => nodes.every((node) => node.serving), SHOWN_MS)
    this.#part()
    for (const absent of this.#absent.splice(0)) this.#watch(absent)
    for (const node of nodes) this.#join(node)
    for (const member of this.#members) drain(member)
  }

  /** All is quiet: everybody holds what their node has. */
  async check(): Promise<void> {
    const { world } = this.#cluster
    await world.run(SHOWN_MS)
    this.#part()
    for (const { node, pattern, watcher } of this.#members) {
      if (watcher.version !== undefined) continue
      world.fail('views', `${node.name} shows nothing of ${pattern} to who came to watch it`)
    }
    // Who came back and was told nothing had the newest version.
    for (const node of this.#cluster.nodes) await this.#compare(node, () => true)
    world.note(`${this.#comparisons} times what was watched was compared with what there is`)
    await world.run(0)
  }

  #next(): void {
    const pauseMs = -Math.log(1 - this.#random.next()) * this.#meanPauseMs
    this.#cluster.world.at(pauseMs, '', () => {
      if (!this.#running) return
      this.#part()
      this.#act()
      this.#next()
    })
  }

  #act(): void {
    const random = this.#random
    const kind = random.below(10)
    if (kind < 4) this.#join(random.pick(this.#cluster.nodes))
    else if (kind < 6) this.#leave()
    else if (kind < 8) this.#comeBack()
    else if (kind < 9) this.#stall()
    else for (const member of this.#members) drain(member)
  }

  #join(node: Node): void {
    if (this.#members.length >= MAX_WATCHING) return this.#leave()
    this.#watch({ pattern: this.#random.pick(PATTERNS), watcher: new Watcher() }, node)
  }

  #leave(): void {
    const [member] = this.#members.splice(this.#random.below(this.#members.length), 1)
    if (member === undefined) return
    member.subscription.close()
    this.#absent.push(member)
  }

  #comeBack(): void {
    const [absent] = this.#absent.splice(this.#random.below(this.#absent.length), 1)
    if (absent !== undefined) this.#watch(absent)
  }

  #stall(): void {
    const member = this.#members[this.#random.below(this.#members.length)]
    if (member !== undefined) member.watcher.bufferedBytes = STALLED_BYTES
  }

  #watch(absent: Absent, node = this.#random.pick(this.#cluster.nodes)): void {
    const { state } = node
    if (state === undefined || !node.serving) return void this.#absent.push(absent)
    const { pattern } = absent
    const watcher = absent.watcher.successor()
    this.#follow(node, state)
    const subscription = state.watch(pattern, watcher, watcher.version)
    this.#members.push({ pattern, node, state, watcher, subscription })
  }

  /** Compares after each commit of this run of the node; the views hear of it first. */
  #follow(node: Node, state: State): void {
    if (this.#followed.has(state)) return
    this.#followed.add(state)
    let due = false
    node.store.watch(() => {
      if (due) return
      due = true
      this.#cluster.world.at(0, '', async () => {
        due = false
        await this.#compare(node)
      })
    })
  }

  /** Takes out who has lost their node, or was given up as stuck. */
  #part(): void {
    const { world } = this.#cluster
    const left = this.#members.filter(({ node, state, watcher }) => {
      return watcher.reason !== undefined || node.state !== state
    })
    for (const { node, pattern, watcher } of left) {
      if (watcher.reason !== 'failed') continue
      world.fail('views', `${node.name} showed something of ${pattern} that does not follow`)
    }
    this.#members = this.#members.filter((member) => !left.includes(member))
    this.#absent = [...this.#absent, ...left].slice(-MAX_WATCHING)
  }

  /** Holds those who watch the node to what its disk has at this moment. */
  async #compare(node: Node, counts = isUpToDate): Promise<void> {
    this.#part()
    const members = this.#members.filter((member) => member.node === node && counts(member))
    if (members.length === 0) return
    const found = await records(node.disk.copy())
    const entries = found.flatMap((held) => visible(held) ?? [])
    for (const { pattern, watcher } of members) {
      this.#comparisons++
      const truth = shown(pattern, entries)
      if (isDeepStrictEqual(watcher.copy, JSON.parse(truth))) continue
      const held = JSON.stringify(watcher.copy)
      this.#cluster.world.fail(
        'views',
        `who watches ${pattern} at ${node.name} holds ${held} at ${watcher.version}, it has ${truth}`,
      )
    }
  }
}

/** True unless the member waits for a first frame, or reads too slowly for patches. */
function isUpToDate({ watcher }: Member): boolean {
  return watcher.texts.length > 0 && watcher.bufferedBytes === 0
}

/** All that waits for the member goes out. */
function drain({ watcher, subscription }: Member): void {
  watcher.bufferedBytes = 0
  subscription.drained()
}

/** What readers are to see of the pattern, as JSON: of a glob, the newest created first, ties by path. */
function shown(pattern: string, entries: readonly Entry[]): string {
  const matching = entries.filter(({ path }) => matches(pattern, path))
  if (!isGlob(pattern))
    return matching[0] === undefined ? MISSING_ENTRY_JSON : entryJson(matching[0])
  matching.sort((a, b) => {
    if (a.created !== b.created) return a.created > b.created ? -1 : 1
    return a.path < b.path ? -1 : 1
  })
  return `[${matching.map(entryJson).join(',')}]`
}
