import type { Entry } from '../src/core/entry.ts'
import { Digest } from '../src/store/digest.ts'
import { LocalStore } from '../src/store/local.ts'
import type { Commit, FeedPage, MergeSource, Write, Written } from '../src/store/store.ts'
import type { Transport } from '../src/sync/transport.ts'
import { canaries, credulous, replaced } from './canary.ts'
import type { ClusterPlan } from './cluster.ts'
import { sha256 } from './env.ts'
import type { NodePlan } from './node.ts'
import { override, type Overrides } from './override.ts'
import type { Scene } from './scene.ts'
import { clone } from './scenes/clones.ts'
import { fencing } from './scenes/deletes.ts'
import { drift } from './scenes/drift.ts'
import { mixedLeaders } from './scenes/leaders.ts'
import { rotationScene } from './scenes/rotation.ts'
import { topologyScene } from './scenes/topologies.ts'
import { watching } from './scenes/watching.ts'

/** A part that is broken on purpose, where it shows, and the rule that must find it out. */
interface Sabotage {
  readonly scene: Scene
  readonly plan: Partial<ClusterPlan>
  readonly rule: string
}

/** A feed that forgets which peer a change came from. */
const forgetful = replaced({
  changesAfter: async (store, seq: number, limit: number): Promise<FeedPage> => {
    const { changes, upTo } = await store.changesAfter(seq, limit)
    return { changes: changes.map((change) => ({ ...change, from: '' })), upTo }
  },
})

/** A store all of whose runs have one id. */
const ageless: NonNullable<NodePlan['open']> = async (engine, env, options) =>
  new Proxy(await LocalStore.open(engine, env, options), {
    get(store, name) {
      if (name === 'run') return 'run'
      const value: unknown = Reflect.get(store, name, store)
      return typeof value === 'function' ? (value.bind(store) as unknown) : value
    },
  })

/** A disk that refuses a write, and a store that acknowledges it all the same. */
const careless: NonNullable<NodePlan['open']> = async (engine, env, options) =>
  override(await LocalStore.open(engine, env, options), {
    write: (store, writes: readonly Write[]) =>
      store.write(writes).catch(() =>
        writes.map(({ path, decide }): Written => {
          const stamp = env.now()
          const at = typeof path === 'string' ? path : path(stamp)
          const data = decide(undefined) ?? null
          const entry = { path: at, created: stamp, updated: stamp, origin: options.nodeId, data }
          return { entry, changed: true, seq: store.seq + 1 }
        }),
      ),
  })

/** A store whose clients wait for something besides its disk. */
const waiting: NonNullable<NodePlan['open']> = async (engine, env, options) =>
  override(await LocalStore.open(engine, env, options), {
    write: async (store, writes: readonly Write[]) => {
      await new Promise<void>((resolve) => env.setTimer(500, resolve))
      return store.write(writes)
    },
  })

/** A store whose timers never fire, so that nothing is released that it keeps aside. */
const timeless: NonNullable<NodePlan['open']> = (engine, env, options) =>
  LocalStore.open(engine, { ...env, setTimer: () => () => undefined }, options)

/** A store that shows the first version of a path again while it keeps one aside. */
const nostalgic = replaced({
  watch: (store, listener: (commit: Commit) => void) => {
    const first = new Map<string, Entry>()
    return store.watch(({ changes, seq }) => {
      const told = changes.map((change) => {
        const { entry, after } = change
        if (after === undefined) return change
        if (!first.has(entry.path)) first.set(entry.path, after)
        return entry === after ? change : { ...change, after: first.get(entry.path)! }
      })
      listener({ changes: told, seq })
    })
  },
})

/** Links whose store has some methods replaced. */
function linked(methods: Overrides): Partial<ClusterPlan> {
  return { sync: (options) => ({ ...options, store: override(options.store, methods) }) }
}

/** Links that delete what a peer, which they compare with, has not offered. */
const covetous = linked({
  merge: async (store, entries: readonly Entry[], source: MergeSource) => {
    const merged = await store.merge(entries, source)
    if (source.repair !== true) return merged
    const offered = new Set(entries.map(({ path }) => path))
    const held = await store.list('**')
    const absent = held.entries.filter(({ path }) => !offered.has(path))
    await store.write(absent.map(({ path }) => ({ path, inferred: true, decide: () => null })))
    return merged
  },
})

/** Links that are dialed once only. */
const faintHearted: Partial<ClusterPlan> = {
  sync: ({ transport, ...options }) => {
    const dialed = new Set<string>()
    const dial: Transport['dial'] = async (url) => {
      if (dialed.has(url)) throw new Error('it was dialed before')
      dialed.add(url)
      return transport.dial(url)
    }
    return { ...options, transport: { dial } }
  },
}

/** States whose store has some methods replaced. */
function viewed(methods: Overrides): Partial<ClusterPlan> {
  return { state: (options) => ({ ...options, store: override(options.store, methods) }) }
}

/** Views that do not hear of what comes from peers. */
const deaf = viewed({
  watch: (store, listener: (commit: Commit) => void) =>
    store.watch(({ changes, seq }) => {
      listener({ changes: changes.filter(({ from }) => from === ''), seq })
    }),
})

/** Lists that are older than the number says that they come with. */
const behind = viewed({
  list: async (store, pattern: string) => {
    const { entries } = await store.list(pattern)
    const { seq } = await store.list(pattern)
    return { seq: seq + 1, entries }
  },
})

const star = topologyScene('star')

/** What is broken, by what is wrong with it; after the invariant whose rule finds it. */
export const sabotages: Readonly<Record<string, Sabotage>> = {
  'I1 I8: a link that was lost is not dialed again': {
    scene: star,
    plan: faintHearted,
    rule: 'convergence',
  },
  'I1: digests stay as they were at first': {
    scene: star,
    plan: { open: replaced({ digest: () => Promise.resolve(new Digest(sha256)) }) },
    rule: 'digests',
  },
  'I2: tombstones are collected too early': {
    scene: star,
    plan: { open: canaries['tombstones are collected too early']! },
    rule: 'loss',
  },
  'I2: what the disk refused is acknowledged': {
    scene: star,
    plan: { open: careless },
    rule: 'durability',
  },
  'I3 I12: what a fenced node has is merged like anything else': {
    scene: fencing,
    plan: { open: credulous },
    rule: 'order',
  },
  'I3 I10: what was there before is shown while a version waits': {
    scene: drift,
    plan: { open: nostalgic },
    rule: 'tombstones',
  },
  'I4: versions change on their way': {
    scene: star,
    plan: linked({
      merge: (store, entries: readonly Entry[], source: MergeSource) =>
        store.merge(
          entries.map((entry) => ({ ...entry, origin: source.peer })),
          source,
        ),
    }),
    rule: 'invention',
  },
  'I5: checkpoints run ahead': {
    scene: star,
    plan: { open: canaries['checkpoints run ahead']! },
    rule: 'checkpoints',
  },
  'I6: what a peer lacks is deleted': { scene: star, plan: covetous, rule: 'absence' },
  'I7: subscribers hear of no change of a peer': { scene: watching, plan: deaf, rule: 'views' },
  'I7: what is written while somebody joins is missed': {
    scene: watching,
    plan: behind,
    rule: 'views',
  },
  'I7: a reader sees what is deleted or kept aside': {
    scene: drift,
    plan: { open: replaced({ read: (store, path: string) => store.newest(path) }) },
    rule: 'reads',
  },
  'I7 I10: what is kept aside stays there': {
    scene: drift,
    plan: { open: timeless },
    rule: 'visible',
  },
  'I9: a write waits for more than its disk': {
    scene: star,
    plan: { open: waiting },
    rule: 'latency',
  },
  'I11: everything is compared all the time': {
    scene: drift,
    plan: { sync: (options) => ({ ...options, repairIntervalMs: 2000 }) },
    rule: 'quiet',
  },
  'I13: tombstones never go': {
    scene: star,
    plan: { open: canaries['tombstones never go']! },
    rule: 'collection',
  },
  'I15: changes go back to where they came from': {
    scene: star,
    plan: { open: forgetful },
    rule: 'crossings',
  },
  'I19: links carry more than their keys': {
    scene: mixedLeaders,
    plan: {
      sync: ({ leaderKeys: _, branches = [], ...options }) => ({
        ...options,
        keys: ['**'],
        branches: branches.map(({ url }) => ({ url, keys: ['**'] })),
      }),
    },
    rule: 'confinement',
  },
  'I21: two runs of a node look alike': { scene: clone, plan: { open: ageless }, rule: 'clones' },
  'T3: a secret is replaced at one stroke': {
    scene: rotationScene([['old'], ['new'], ['new'], ['new']]),
    plan: {},
    rule: 'gap',
  },
  'T1: links are not sealed': {
    scene: rotationScene(),
    plan: { secrets: () => undefined },
    rule: 'sealed',
  },
  'S2: writes are told of before the disk has them': {
    scene: star,
    plan: { open: canaries['writes are acknowledged too early']! },
    rule: 'feed',
  },
}
