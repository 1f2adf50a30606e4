import { tombstonesLeft } from './checkers.ts'
import type { ClusterPlan } from './cluster.ts'
import type { Node } from './node.ts'
import type { Scenario } from './scenario.ts'
import { Script } from './script.ts'
import type { World } from './world.ts'

// What becomes of deletes once their tombstones have gone, as scripts.

const PLAN = { collectIntervalMs: 1000 }

/** A leader and two nodes that all have `users/u1`. */
async function withUser(world: World, plan: Partial<ClusterPlan>): Promise<Script> {
  const script = new Script(world, { ...PLAN, ...plan })
  await script.put(script.node(1), 'users/u1', 1)
  await script.settle()
  return script
}

/** Waits until no node has a tombstone. */
async function collected(script: Script, limitMs: number): Promise<void> {
  const { world, cluster } = script
  const endMs = world.nowMs + limitMs
  while ((await tombstonesLeft(cluster)) > 0) {
    if (world.nowMs > endMs) world.fail('collection', `not within ${limitMs} ms`)
    await world.run(500)
  }
}

async function expectWithheld(script: Script, node: Node, count: number): Promise<void> {
  const { withheldCount } = node.store
  if (withheldCount === count) return
  script.world.fail('withheld', `${node.name} withholds ${withheldCount}, not ${count}`)
  await script.world.run(0)
}

/** The scenarios, over stores that `plan` opens. */
export function deletionScenarios(plan: Partial<ClusterPlan> = {}): readonly Scenario[] {
  return [...waitingScenarios(plan), ...sharingScenarios(plan), ...endingScenarios(plan)]
}

function waitingScenarios(plan: Partial<ClusterPlan>): readonly Scenario[] {
  return [
    {
      name: 'waiting',
      summary: 'a tombstone waits for a node that is away, then goes everywhere and stays away',
      run: async (world) => {
        const script = await withUser(world, plan)
        const { leader, cluster } = script
        script.cut(script.node(2))
        await script.delete(leader, 'users/u1')
        await world.run(300_000)
        if ((await tombstonesLeft(cluster)) === 0) {
          world.fail('collection', 'a node that is away was not waited for')
        }
        script.cut(script.node(2), false)
        await collected(script, 300_000)
        await script.expect(cluster.nodes, { 'users/u1': undefined })
        await script.finish()
      },
    },
    {
      name: 'rewound',
      summary: 'a node whose disk was taken back to before a delete does not undo it',
      run: async (world) => {
        const script = await withUser(world, plan)
        const { leader } = script
        const stale = script.node(1)
        const backup = stale.disk.copy()
        await script.delete(leader, 'users/u1')
        await collected(script, 300_000)
        await script.stop(stale)
        stale.lose(() => stale.disk.restore(backup))
        await script.start(stale)
        await script.put(stale, 'users/u2', 2)
        await world.run(120_000)
        await script.expect([leader, script.node(2)], { 'users/u1': undefined, 'users/u2': '2' })
        await expectWithheld(script, leader, 1)
        await script.finish()
      },
    },
  ]
}

/** What node 1 shares changes over its restarts. */
function sharingScenarios(plan: Partial<ClusterPlan>): readonly Scenario[] {
  return [
    {
      name: 'reshared',
      summary:
        'what a node deletes while it does not share it stays deleted once it is shared again',
      run: async (world) => {
        let keys: readonly string[] = ['**']
        const script = await withUser(world, { ...plan, keys: (i) => (i === 1 ? keys : ['**']) })
        const { leader } = script
        const node = script.node(1)
        const restart = async (share: readonly string[]): Promise<void> => {
          await script.stop(node)
          keys = share
          await script.start(node)
          await world.run(60_000)
        }
        await restart(['settings'])
        await script.delete(node, 'users/u1')
        await world.run(60_000)
        if (node.disk.record('users/u1')) world.fail('collection', 'nobody is to be waited for')
        await restart(['**'])
        await world.run(900_000)
        await script.expect([node], { 'users/u1': undefined })
        await script.expect([leader, script.node(2)], { 'users/u1': '1' })
        await expectWithheld(script, node, 1)
        script.cluster.history.decided('users/u1')
        await script.finish()
      },
    },
  ]
}

function endingScenarios(plan: Partial<ClusterPlan>): readonly Scenario[] {
  return [
    {
      name: 'expiry',
      summary: 'a tombstone waits no longer than its time to live; who comes later undoes nothing',
      run: async (world) => {
        const script = await withUser(world, { ...plan, tombstoneTtlMs: 60_000 })
        const { leader, cluster } = script
        const away = script.node(1)
        await script.put(leader, 'users/u3', 3)
        await script.settle()
        script.cut(away)
        await script.delete(leader, 'users/u3')
        await script.put(away, 'users/u2', 2)
        await collected(script, 300_000)
        script.cut(away, false)
        await world.run(120_000)
        await script.expect([leader, script.node(2)], { 'users/u3': undefined })
        await script.expect(cluster.nodes, { 'users/u2': '2' })
        await expectWithheld(script, leader, 1)
        // What expires before all have it may be undone, once an operator says so.
        cluster.history.decided('users/u3')
        await script.finish()
      },
    },
    {
      name: 'forget',
      summary: 'nobody waits for a forgotten node, wherever it was known; it is doubted on return',
      run: async (world) => {
        const script = await withUser(world, { ...plan, topology: 'mesh' })
        const { leader } = script
        const gone = script.node(1)
        await script.stop(gone)
        await world.run(1000)
        await script.delete(leader, 'users/u1')
        await script.forget(leader, gone)
        await world.run(60_000)
        await script.start(gone)
        await world.run(120_000)
        await script.expect([leader, script.node(2)], { 'users/u1': undefined })
        await expectWithheld(script, leader, 1)
        await expectWithheld(script, script.node(2), 1)
        script.cluster.history.decided('users/u1')
        await script.finish()
      },
    },
  ]
}
