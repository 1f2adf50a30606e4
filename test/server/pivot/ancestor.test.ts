import { describe, expect, test } from 'vitest'
import { LocalStore } from '../../../src/store/local.ts'
import { MemoryEngine } from '../../../src/store/memory.ts'
import type { Server } from '../../../src/index.ts'
import { GatedEngine } from '../../store/gate.ts'
import { Fleet, type Member, SkewedClock, type TransportChoice, TRANSPORTS } from './fleet.ts'
import { becomes, shows } from './shown.ts'

// The defects of pivot, P1 to P11, between Skerry nodes over real sockets, by each transport. The others are in
// operation.test.ts; scripts of the same over simulated time are in sim/ancestor.ts.

const HOUR_MS = 3_600_000
const LIMIT_MS = 60_000

type Values = Readonly<Record<string, string | undefined>>

async function allShow({ servers }: Fleet, values: Values): Promise<void> {
  for (const server of servers) await shows(server, values)
}

/** A leader and as many nodes that all have `users/u1`. */
async function withUser(choice: TransportChoice, nodes = 1): Promise<Fleet> {
  const fleet = await Fleet.start(choice, [{}, ...Array.from({ length: nodes }, () => ({}))])
  await put(fleet.leader, 'users/u1', '1')
  await allShow(fleet, { 'users/u1': '1' })
  return fleet
}

async function put({ server }: Member, path: string, json: string): Promise<void> {
  await server.state.text.set(path, json)
}

async function remove({ server }: Member, path: string): Promise<void> {
  await server.state.text.delete(path)
}

async function httpGet({ url }: Server, path: string): Promise<void> {
  await (await fetch(`${url}/${path}`)).text()
}

for (const { transport, ...choice } of TRANSPORTS) {
  describe(transport, { timeout: LIMIT_MS }, () => losses(choice))
  describe(transport, { timeout: LIMIT_MS }, () => orders(choice))
  describe(transport, { timeout: LIMIT_MS }, () => holes(choice))
}

function losses(choice: TransportChoice): void {
  test('P1: both create while cut off, the leader last; a read on the node deletes nothing', async () => {
    const fleet = await withUser(choice)
    const [node] = fleet.nodes as [Member]
    await node.cut()
    await put(node, 'users/u2', '2')
    await put(fleet.leader, 'users/u3', '3')
    await node.heal()
    await httpGet(node.server, 'users/*')
    await allShow(fleet, { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3' })
  })

  test('P2: the same, the node last: a full synchronisation deletes nothing at the leader', async () => {
    const fleet = await withUser(choice)
    const [node] = fleet.nodes as [Member]
    await node.cut()
    await put(fleet.leader, 'users/u3', '3')
    await put(node, 'users/u2', '2')
    await node.heal()
    await httpGet(node.server, '_pivot/synchronize/node')
    await allShow(fleet, { 'users/u1': '1', 'users/u2': '2', 'users/u3': '3' })
  })

  test('P3: a leader that comes back empty and is written to wipes nobody, and is filled up', async () => {
    const fleet = await withUser(choice, 2)
    await put(fleet.nodes[1]!, 'settings', '"dark"')
    await allShow(fleet, { settings: '"dark"' })
    await fleet.leader.close()
    await fleet.leader.start()
    await put(fleet.leader, 'users/u2', '2')
    for (const node of fleet.nodes) await fleet.register(node)
    await allShow(fleet, { 'users/u1': '1', 'users/u2': '2', settings: '"dark"' })
  })

  test('P4: answers that break off anywhere delete nothing', async () => {
    const fleet = await withUser(choice)
    const [node] = fleet.nodes as [Member]
    const [, toLeader] = node.gates
    await put(fleet.leader, 'settings', '"dark"')
    await allShow(fleet, { settings: '"dark"' })
    const lost: string[] = []
    node.server.store.watch(({ changes }) => {
      for (const { entry, after } of changes) if (after === undefined) lost.push(entry.path)
    })
    // A link waits longer each time before it comes again.
    const rounds = choice.nativeLink ? 5 : 20
    for (let round = 0; round < rounds; round++) {
      const padding = 'x'.repeat(2000)
      toLeader!.breakAfterBytes = 150 + (1200 / rounds) * round
      await toLeader!.heal()
      await put(fleet.leader, 'settings', JSON.stringify({ round, padding }))
      await becomes(() => toLeader!.broken > round)
    }
    toLeader!.breakAfterBytes = Infinity
    await toLeader!.heal()
    await put(fleet.leader, 'settings', '"light"')
    await allShow(fleet, { 'users/u1': '1', settings: '"light"' })
    expect(lost).toEqual([])
  })

  test('P5: the leader writes while two nodes create 200 keys each: none is lost', async () => {
    const fleet = await withUser(choice, 2)
    let busy = true
    const leading = (async () => {
      for (let i = 0; busy; i++) await put(fleet.leader, 'users/leader', String(i))
    })()
    const all: Record<string, string> = {}
    const creating = fleet.nodes.flatMap((node) =>
      Array.from({ length: 200 }, (_, i) => {
        const path = `users/${node.id}k${i}`
        all[path] = String(i)
        return put(node, path, String(i))
      }),
    )
    await Promise.all(creating)
    busy = false
    await leading
    await allShow(fleet, all)
  })
}

function orders(choice: TransportChoice): void {
  test('P6: what was written or deleted an hour ago and comes now does not beat what is newer', async () => {
    const clock = new SkewedClock()
    clock.offsetMs = -HOUR_MS
    const fleet = await Fleet.start(choice, [{ clock }, { clock }])
    const [late] = fleet.nodes as [Member]
    for (const path of ['users/u1', 'users/u2']) await put(fleet.leader, path, '1')
    await allShow(fleet, { 'users/u1': '1', 'users/u2': '1' })
    await late.cut()
    await put(late, 'users/u1', '"old"')
    await remove(late, 'users/u2')
    clock.offsetMs = 0
    for (const path of ['users/u1', 'users/u2']) await put(fleet.leader, path, '"new"')
    await late.heal()
    await allShow(fleet, { 'users/u1': '"new"', 'users/u2': '"new"' })
  })

  test('P7: a node whose clock was an hour ahead holds up nothing, and what it wrote arrives', async () => {
    const clock = new SkewedClock()
    const fleet = await Fleet.start(choice, [{}, { clock }, {}])
    const [ahead] = fleet.nodes as [Member]
    await put(fleet.leader, 'users/u1', '1')
    await allShow(fleet, { 'users/u1': '1' })
    await ahead.cut()
    clock.offsetMs = HOUR_MS
    await put(ahead, 'users/future', '1')
    clock.offsetMs = 0
    await put(fleet.leader, 'users/u1', '2')
    await ahead.heal()
    await put(fleet.leader, 'users/u2', '2')
    await put(ahead, 'users/u3', '3')
    const all = { 'users/u1': '2', 'users/u2': '2', 'users/u3': '3', 'users/future': '1' }
    await allShow(fleet, all)
  })

  test('P8: what a node writes whose clock is two seconds slow reaches every node', async () => {
    const clock = new SkewedClock()
    clock.offsetMs = -2000
    const fleet = await Fleet.start(choice, [{}, { clock }, {}])
    const [slow] = fleet.nodes as [Member]
    await put(fleet.leader, 'users/u1', '1')
    await put(slow, 'users/u2', '2')
    await allShow(fleet, { 'users/u1': '1', 'users/u2': '2' })
  })

  test('P9: deleted and created anew, a node that missed the delete takes the new value', async () => {
    const fleet = await withUser(choice)
    const [node] = fleet.nodes as [Member]
    await put(fleet.leader, 'users/u1', '"edited"')
    await allShow(fleet, { 'users/u1': '"edited"' })
    await node.cut()
    await remove(fleet.leader, 'users/u1')
    await put(fleet.leader, 'users/u1', '"anew"')
    await node.heal()
    await allShow(fleet, { 'users/u1': '"anew"' })
  })

  test('P10: a node deletes while cut off, the leader edits another path: the deleted one stays away', async () => {
    const fleet = await withUser(choice, 2)
    const [node] = fleet.nodes as [Member]
    await put(fleet.leader, 'users/u2', '2')
    await allShow(fleet, { 'users/u2': '2' })
    await node.cut()
    await remove(node, 'users/u1')
    await put(fleet.leader, 'users/u2', '"edited"')
    await node.heal()
    await allShow(fleet, { 'users/u1': undefined, 'users/u2': '"edited"' })
  })
}

function holes(choice: TransportChoice): void {
  test('P11: writes that fail in the middle of a catch-up leave no hole', async () => {
    const engine = new GatedEngine(new MemoryEngine())
    const store = {
      open: (env: Parameters<typeof LocalStore.open>[1]) =>
        LocalStore.open(engine, env, { nodeId: 'node1' }),
    }
    const fleet = await Fleet.start(choice, [{}, { server: { memory: false, store } }])
    const [node] = fleet.nodes as [Member]
    await put(fleet.leader, 'users/u1', '1')
    await allShow(fleet, { 'users/u1': '1' })
    await node.cut()
    const all: Record<string, string> = {}
    for (let i = 0; i < 100; i++) {
      all[`users/k${i}`] = String(i)
      await put(fleet.leader, `users/k${i}`, String(i))
    }
    engine.fail(new Error('the disk is full'))
    const { writes } = engine
    await node.heal()
    await becomes(() => engine.writes > writes + 2)
    engine.fail(undefined)
    await allShow(fleet, all)
  })
}
