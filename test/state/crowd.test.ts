import { expect, test } from 'vitest'
import { Random } from '../../sim/random.ts'
import { entryJson, MISSING_ENTRY_JSON } from '../../src/core/entry.ts'
import { isGlob } from '../../src/core/path.ts'
import { State } from '../../src/state/state.ts'
import type { Subscription } from '../../src/state/subscription.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { ManualEnv } from './manual-env.ts'
import { Watcher } from '../../sim/watcher.ts'

/** The same code must be judged alike on each day; SKERRY_SEED plays another crowd. */
const SEED = Number(process.env['SKERRY_SEED'] ?? 20_778)
const STEPS = 10_000
const QUIET_EVERY = 100
const MAX_SUBSCRIBERS = 30
const BIG = 150

const PATTERNS = [
  'box/*',
  'box/*',
  '*',
  'box/*/*',
  'big/*',
  'big/*',
  'box/1',
  'box/2',
  'big/7',
  'a',
]
const PATHS = ['a', 'b', 'box/1', 'box/2', 'box/3', 'box/4', 'box/1/x', 'box/2/x', 'box/3/y']

/** Over the bound of what may wait for a subscriber. */
const STALLED_BYTES = 2 ** 21

interface Member {
  readonly pattern: string
  readonly watcher: Watcher
  readonly subscription: Subscription
}

/** What happened, so that the test knows that it tested something. */
interface Tally {
  snapshots: number
  patches: number
  resumedByPatches: number
  resumedByNothing: number
  resumedBySnapshot: number
  collapsed: number
  stuck: number
}

/** A state, those who watch it, and those who left and may come back. */
class Crowd {
  readonly #env = new ManualEnv(SEED)
  readonly #random = new Random(SEED)
  readonly #store: LocalStore
  readonly #state: State
  #members: Member[] = []
  readonly #gone: { pattern: string; watcher: Watcher }[] = []
  readonly #pending: Promise<unknown>[] = []
  readonly tally: Tally = {
    snapshots: 0,
    patches: 0,
    resumedByPatches: 0,
    resumedByNothing: 0,
    resumedBySnapshot: 0,
    collapsed: 0,
    stuck: 0,
  }

  constructor(store: LocalStore, env: ManualEnv) {
    this.#store = store
    this.#env = env
    this.#state = new State({ store, env })
  }

  static async gather(): Promise<Crowd> {
    const env = new ManualEnv(SEED)
    const store = await LocalStore.open(new MemoryEngine(), env, { nodeId: 'here' })
    const crowd = new Crowd(store, env)
    for (let n = 0; n < BIG; n++) await crowd.#state.set(`big/${n}`, `{"n":${n}}`)
    return crowd
  }

  /** One step, which nobody waits for unless it says so. */
  async step(): Promise<void> {
    const random = this.#random
    const kinds: [weight: number, act: () => void | Promise<unknown>][] = [
      [24, () => this.#write()],
      [6, () => this.#remove()],
      [4, () => this.#merge()],
      [12, () => this.#read()],
      [10, () => this.#join()],
      [7, () => this.#drop()],
      [9, () => this.#resume()],
      [4, () => this.#stall()],
      [6, () => this.#drain()],
      [8, () => Promise.resolve()],
      [4, () => Promise.all(this.#pending)],
      [2, () => this.#env.advance(random.below(40_000))],
    ]
    let draw = random.below(kinds.reduce((sum, [weight]) => sum + weight, 0))
    const chosen = kinds.find(([weight]) => (draw -= weight) < 0)!
    await chosen[1]()
    this.#env.advance(random.below(2))
  }

  /** Waits until nothing is under way; then everybody must hold what the server has. */
  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0))
    // Who was given up as stuck comes back later, like all others who left.
    const stuck = this.#members.filter(({ watcher }) => watcher.reason === 'stuck')
    this.#members = this.#members.filter((member) => !stuck.includes(member))
    for (const member of stuck) this.#left(member)
    this.tally.stuck += stuck.length
    for (const { pattern, watcher, subscription } of this.#members) {
      if (watcher.bufferedBytes > 0 && watcher.version !== undefined) this.tally.collapsed++
      watcher.bufferedBytes = 0
      subscription.drained()
      if (watcher.version === undefined) await watcher.frames(1)
      expect(watcher.reason).toBeUndefined()
      expect(watcher.copy, `${pattern}, SKERRY_SEED=${SEED}`).toEqual(await this.#truth(pattern))
    }
  }

  async #truth(pattern: string): Promise<unknown> {
    if (isGlob(pattern)) {
      return JSON.parse(`[${(await this.#state.list(pattern)).map(entryJson).join(',')}]`)
    }
    const entry = await this.#state.get(pattern)
    return JSON.parse(entry === undefined ? MISSING_ENTRY_JSON : entryJson(entry))
  }

  #write(): void {
    const random = this.#random
    const writing = random.chance(0.2)
      ? this.#state.push('box/*', this.#data())
      : this.#state.set(this.#path(), this.#data())
    this.#pending.push(writing)
  }

  #remove(): void {
    const glob = this.#random.chance(0.3)
    // The big list is emptied seldom, so that it stays big.
    const globs = this.#random.chance(0.05) ? ['big/*'] : ['box/*', 'box/*', '*']
    this.#pending.push(this.#state.delete(glob ? this.#random.pick(globs) : this.#path()))
  }

  /** Versions from a peer, many at once and some of them older than what is here. */
  #merge(): void {
    const entries = Array.from({ length: 1 + this.#random.below(30) }, () => {
      const created = this.#env.now() - BigInt(this.#random.below(5)) * 1_000_000n
      return { path: this.#path(), created, updated: 0n, origin: 'peer', data: this.#data() }
    })
    this.#pending.push(this.#store.merge(entries, { peer: 'peer' }))
  }

  #read(): void {
    const pattern = this.#random.pick(PATTERNS)
    this.#pending.push(isGlob(pattern) ? this.#state.list(pattern) : this.#state.get(pattern))
  }

  #join(): void {
    if (this.#members.length >= MAX_SUBSCRIBERS) return this.#drop()
    this.#watch(this.#random.pick(PATTERNS), new Watcher())
  }

  #drop(): void {
    const [member] = this.#members.splice(this.#random.below(this.#members.length), 1)
    if (member === undefined) return
    member.subscription.close()
    this.#left(member)
  }

  #left(member: Member): void {
    for (const text of member.watcher.texts) {
      this.tally[text.startsWith('{"snapshot":true') ? 'snapshots' : 'patches']++
    }
    if (member.watcher.version !== undefined) this.#gone.push(member)
    if (this.#gone.length > MAX_SUBSCRIBERS) this.#gone.shift()
  }

  /** Somebody comes back with the version that they left with. */
  #resume(): void {
    const [gone] = this.#gone.splice(this.#random.below(this.#gone.length), 1)
    if (gone === undefined || this.#members.length >= MAX_SUBSCRIBERS) return
    const back = gone.watcher.successor()
    this.#watch(gone.pattern, back, gone.watcher.version)
    const [first] = back.texts
    if (first === undefined) this.tally.resumedByNothing++
    else if (first.startsWith('{"snapshot":true')) this.tally.resumedBySnapshot++
    else this.tally.resumedByPatches++
  }

  #watch(pattern: string, watcher: Watcher, version?: string): void {
    const subscription = this.#state.watch(pattern, watcher, version)
    this.#members.push({ pattern, watcher, subscription })
  }

  #stall(): void {
    const member = this.#someone()
    if (member !== undefined) member.watcher.bufferedBytes = STALLED_BYTES
  }

  #drain(): void {
    const member = this.#someone()
    if (member === undefined) return
    member.watcher.bufferedBytes = 0
    member.subscription.drained()
  }

  #someone(): Member | undefined {
    return this.#members[this.#random.below(this.#members.length)]
  }

  #path(): string {
    const random = this.#random
    return random.chance(0.5) ? random.pick(PATHS) : `big/${random.below(BIG)}`
  }

  #data(): string {
    const random = this.#random
    const n = random.below(1000)
    if (random.chance(0.1)) return random.pick(['null', '[]', '"text"', '-1.5e3', 'true', '{}'])
    if (random.chance(0.8)) return `{"n":${n}}`
    // Large enough for a patch to look inside.
    const member = random.pick(['a', 'b/c', 'd~e', '', '__proto__'])
    return `{"${member}":${n},"list":[${n},${n % 7}],"filler":"${'x'.repeat(300)}"}`
  }
}

test(`${STEPS} steps of seed ${SEED}: every subscriber ends equal to the server`, async () => {
  const crowd = await Crowd.gather()
  for (let n = 1; n <= STEPS; n++) {
    await crowd.step()
    if (n % QUIET_EVERY === 0) await crowd.settle()
  }
  await crowd.settle()
  console.log(`SKERRY_SEED=${SEED}`, crowd.tally)
  // Every kind of thing happened.
  for (const [what, times] of Object.entries(crowd.tally)) expect(times, what).toBeGreaterThan(0)
})
