import { LocalStore } from '../src/store/local.ts'
import type { FeedPage } from '../src/store/store.ts'
import { credulous, replaced } from './canary.ts'
import type { ClusterPlan } from './cluster.ts'
import type { NodePlan } from './node.ts'
import type { Scene } from './scene.ts'
import { clone } from './scenes/clones.ts'
import { fencing } from './scenes/deletes.ts'
import { mixedLeaders } from './scenes/leaders.ts'
import { rotationScene } from './scenes/rotation.ts'
import { topologyScene } from './scenes/topologies.ts'

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

/** What is broken, by what is wrong with it. */
export const sabotages: Readonly<Record<string, Sabotage>> = {
  'changes go back to where they came from': {
    scene: topologyScene('star'),
    plan: { open: forgetful },
    rule: 'crossings',
  },
  'links carry more than their keys': {
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
  'two runs of a node look alike': { scene: clone, plan: { open: ageless }, rule: 'clones' },
  'a secret is replaced at one stroke': {
    scene: rotationScene([['old'], ['new'], ['new'], ['new']]),
    plan: {},
    rule: 'gap',
  },
  'links are not sealed': {
    scene: rotationScene(),
    plan: { secrets: () => undefined },
    rule: 'sealed',
  },
  'what a fenced node has is merged like anything else': {
    scene: fencing,
    plan: { open: credulous },
    rule: 'order',
  },
}
