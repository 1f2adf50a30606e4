import type { Scenario } from './scenario.ts'
import { Script } from './script.ts'
import type { World } from './world.ts'

// What the ancestor, pivot, gets wrong (P1 to P19), as scripts that must end well here. After each,
// the cluster settles: nobody may have lost anything, and all must agree.

const HOUR_MS = 3_600_000

function scenario(name: string, summary: string, run: (world: World) => Promise<void>): Scenario {
  return { name, summary, run }
}

/** A leader and two nodes that all have `users/u1`. */
async function withUser(world: World): Promise<Script> {
  const script = new Script(world)
  await script.put(script.leader, 'users/u1', 1)
  await script.settle()
  return script
}

const p1 = scenario(
  'p1',
  'a node and its leader create apart, the leader last: a read after healing deletes nothing',
  async (world) => {
    const script = await withUser(world)
    const { leader, cluster } = script
    const node = script.node(1)
    script.cut(node)
    await script.put(node, 'users/u2', 2)
    await script.put(leader, 'users/u3', 3)
    script.cut(node, false)
    await script.read(node, 'users/u2')
    await script.settle()
    await script.expect(cluster.nodes, { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3' })
    await script.finish()
  },
)

const p2 = scenario(
  'p2',
  'the same, the node last: healing alone brings both together, and deletes nothing',
  async (world) => {
    const script = await withUser(world)
    const { leader, cluster } = script
    const node = script.node(1)
    script.cut(node)
    await script.put(leader, 'users/u3', 3)
    await script.put(node, 'users/u2', 2)
    script.cut(node, false)
    await script.settle()
    await script.expect(cluster.nodes, { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3' })
    await script.finish()
  },
)

const p3 = scenario(
  'p3',
  'a leader that comes back empty and is written to wipes nobody: its nodes fill it up again',
  async (world) => {
    const script = await withUser(world)
    const { leader, cluster } = script
    await script.stop(leader)
    leader.lose(() => leader.disk.wipe())
    await script.start(leader)
    await script.put(leader, 'users/u2', 2)
    await script.settle()
    await script.expect(cluster.nodes, { 'users/u1': '1', 'users/u2': '2' })
    await script.finish()
  },
)

const p4 = scenario(
  'p4',
  'requests that fail half way change nothing: links are reset at every step, no entry goes',
  async (world) => {
    const script = await withUser(world)
    const { leader, cluster } = script
    await script.put(leader, 'settings', { theme: 'dark' })
    await script.settle()
    cluster.network.options = { ...cluster.network.options, reset: 0.2, refuse: 0.2 }
    for (let i = 0; i < 20; i++) {
      await script.put(leader, 'settings', { theme: i })
      await world.run(200)
    }
    cluster.network.options = { ...cluster.network.options, reset: 0, refuse: 0 }
    await script.settle()
    await script.expect(cluster.nodes, { settings: '{"theme":19}', 'users/u1': '1' })
    await script.finish()
  },
)

const P5_KEYS = 1000
const P5_PAUSE_MS = 20

const p5 = scenario(
  'p5',
  'the leader writes each 20 ms while a node creates 1,000 keys: none is lost',
  async (world) => {
    const script = new Script(world, { size: 2 })
    const { leader, cluster } = script
    const node = script.node(1)
    await script.until('both serve', () => cluster.nodes.every(({ serving }) => serving))
    let created = 0
    let busy = true
    const lead = (n: number): void => {
      leader.write([{ path: 'users/leader', decide: () => String(n) }])
      if (busy) world.at(P5_PAUSE_MS, '', () => lead(n + 1))
    }
    lead(0)
    for (let i = 0; i < P5_KEYS; i++) {
      const delayMs = world.random.within([0, P5_KEYS * 5])
      world.at(delayMs, '', () => {
        node.write([{ path: `users/${i}`, decide: () => String(i) }], () => created++)
      })
    }
    await script.until('all keys are created', () => created === P5_KEYS)
    busy = false
    await script.settle()
    for (let i = 0; i < P5_KEYS; i++)
      await script.expect([leader, node], { [`users/${i}`]: `${i}` })
    await script.finish()
  },
)

const p6 = scenario(
  'p6',
  'what was written or deleted an hour ago and arrives now does not beat what is newer',
  async (world) => {
    const script = await withUser(world)
    const { leader, cluster } = script
    const [late, other] = [script.node(1), script.node(2)]
    await script.put(leader, 'users/u2', 2)
    await script.settle()
    script.cut(late)
    await script.put(late, 'users/u1', 'old')
    await script.delete(late, 'users/u2')
    await world.run(HOUR_MS)
    await script.put(leader, 'users/u1', 'new')
    await script.put(other, 'users/u2', 'new')
    script.cut(late, false)
    await script.settle()
    await script.expect(cluster.nodes, { 'users/u1': '"new"', 'users/u2': '"new"' })
    await script.finish()
  },
)

const p7 = scenario(
  'p7',
  'one write stamped an hour ahead stops nothing else from spreading, and is shown in its time',
  async (world) => {
    const script = new Script(world, { clockOffsetMs: (i) => (i === 1 ? HOUR_MS : 0) })
    const { leader, cluster } = script
    const [ahead, other] = [script.node(1), script.node(2)]
    script.cut(ahead)
    await script.put(ahead, 'users/future', 1)
    ahead.plan.clock.set()
    await script.put(leader, 'users/u1', 1)
    script.cut(ahead, false)
    await world.run(5000)
    await script.put(leader, 'users/u2', 2)
    await script.put(ahead, 'users/u3', 3)
    await world.run(60_000)
    await script.expect([leader, other], { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3' })
    await script.settle()
    await script.expect(cluster.nodes, { 'users/future': '1', 'users/u3': '3' })
    await script.finish()
  },
)

const p8 = scenario(
  'p8',
  'what a node with a clock two seconds slow writes reaches every node all the same',
  async (world) => {
    const script = new Script(world, { clockOffsetMs: (i) => (i === 1 ? -2000 : 0) })
    const { leader, cluster } = script
    const slow = script.node(1)
    await script.put(leader, 'users/u1', 1)
    await script.put(slow, 'users/u2', 2)
    await world.run(5000)
    await script.expect(cluster.nodes, { 'users/u1': '1', 'users/u2': '2' })
    await script.finish()
  },
)

const p9 = scenario(
  'p9',
  'deleted and created anew: every node shows the new value',
  async (world) => {
    const script = await withUser(world)
    const { leader, cluster } = script
    await script.put(leader, 'users/u1', 'edited')
    await script.settle()
    script.cut(script.node(1))
    await script.delete(leader, 'users/u1')
    await script.put(leader, 'users/u1', 'anew')
    script.cut(script.node(1), false)
    await script.settle()
    await script.expect(cluster.nodes, { 'users/u1': '"anew"' })
    await script.finish()
  },
)

const p10 = scenario(
  'p10',
  'a node deletes while cut off, the leader edits another path: the deleted one stays away',
  async (world) => {
    const script = await withUser(world)
    const { leader, cluster } = script
    const node = script.node(1)
    await script.put(leader, 'users/u2', 2)
    await script.settle()
    script.cut(node)
    await script.delete(node, 'users/u1')
    await script.put(leader, 'users/u2', 'edited')
    script.cut(node, false)
    await script.settle()
    await script.expect(cluster.nodes, { 'users/u1': undefined, 'users/u2': '"edited"' })
    await script.finish()
  },
)

const p11 = scenario(
  'p11',
  'writes that fail and crashes in the middle of a catch-up leave no hole',
  async (world) => {
    const script = await withUser(world)
    const { leader, cluster } = script
    const node = script.node(1)
    script.cut(node)
    for (let i = 0; i < 300; i++) await script.put(leader, `users/${i}`, i)
    script.cut(node, false)
    node.disk.fault(0.3, ['write'])
    for (let i = 0; i < 10; i++) {
      await world.run(world.random.within([1, 300]))
      if (!world.random.chance(0.3)) continue
      node.crash(false)
      await world.run(100)
      node.start()
    }
    node.disk.fault(0, [])
    await script.settle()
    for (let i = 0; i < 300; i++) await script.expect([node], { [`users/${i}`]: `${i}` })
    await script.expect(cluster.nodes, { 'users/u1': '1' })
    await script.finish()
  },
)

const p12 = scenario(
  'p12',
  'a leader that takes connections and then hangs delays no local read or write',
  async (world) => {
    const script = await withUser(world)
    const { cluster, leader } = script
    const node = script.node(1)
    leader.pause()
    cluster.network.tarPit('sim://n0', true)
    // Each of them is held to the time that the node's own disk takes; see Node.write and Node.read.
    for (let i = 0; i < 100; i++) {
      await script.put(node, `users/${i}`, i)
      await script.expect([node], { [`users/${i}`]: `${i}` })
      await world.run(500)
    }
    cluster.network.tarPit('sim://n0', false)
    leader.resume()
    await script.finish()
  },
)

const p14 = scenario(
  'p14',
  'a node cut off during a write has it after healing, without a read or another write',
  async (world) => {
    const script = await withUser(world)
    const { leader } = script
    const node = script.node(1)
    script.cut(node)
    await world.run(60_000)
    await script.put(leader, 'users/u2', 2)
    await world.run(60_000)
    script.cut(node, false)
    await script.settle()
    await script.expect([node], { 'users/u2': '2' })
    await script.finish()
  },
)

const p17 = scenario(
  'p17',
  'the leader moves to another address: its nodes keep what they have, and bring it along',
  async (world) => {
    // In a chain n1 leads n2; to n2 it is a leader of another address than n0, with the same data.
    const script = new Script(world, { topology: 'chain', size: 3 })
    const { leader, cluster } = script
    const [next, last] = [script.node(1), script.node(2)]
    await script.put(leader, 'users/u1', 1)
    await script.settle()
    script.cut(last)
    await script.put(last, 'users/offline', 1)
    // The node behind the address is another one, with another disk and history.
    await script.stop(next)
    next.lose(() => next.disk.wipe())
    await script.start(next)
    script.cut(last, false)
    await script.settle()
    await script.expect(cluster.nodes, { 'users/u1': '1', 'users/offline': '1' })
    await script.finish()
  },
)

const p18 = scenario(
  'p18',
  'nodes that are in step have nothing to say to each other, and nothing goes wrong in an hour',
  async (world) => {
    const script = await withUser(world)
    await world.run(HOUR_MS)
    // Settling includes that a quiet cluster sends nothing but signs of life.
    await script.settle()
    await script.expect(script.cluster.nodes, { 'users/u1': '1' })
    await script.finish()
  },
)

const p19 = scenario(
  'p19',
  'a key with several globs is kept in step like any other',
  async (world) => {
    const keys = ['users/*/posts/*', 'settings']
    const script = new Script(world, { keys: () => keys })
    const { leader, cluster } = script
    await script.put(leader, 'users/1/posts/2', 'post')
    await script.put(script.node(1), 'settings', { a: 1 })
    await script.put(leader, 'users/1', 'not shared')
    await script.settle()
    await script.expect(cluster.nodes, { 'users/1/posts/2': '"post"', settings: '{"a":1}' })
    await script.expect([script.node(1), script.node(2)], { 'users/1': undefined })
    await script.finish()
  },
)

/** The defects of the ancestor that scripts show, in order. */
export const ancestorScenarios: readonly Scenario[] = [
  p1,
  p2,
  p3,
  p4,
  p5,
  p6,
  p7,
  p8,
  p9,
  p10,
  p11,
  p12,
  p14,
  p17,
  p18,
  p19,
]
