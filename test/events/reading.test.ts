import { describe, expect, test } from 'vitest'
import { VirtualEnv } from '../../sim/events/env.ts'
import { SimNetwork } from '../../sim/events/network.ts'
import { SimNode } from '../../sim/events/node.ts'
import type { CoordinatorOptions } from '../../src/events/options.ts'
import { planRepair } from '../../src/events/repair.ts'
import type { ReplicaPage, ReplicaRange } from '../../src/events/storage.ts'
import { walk } from '../../src/events/walk.ts'

/** A simulated cluster in one zone, whose nodes know each other. */
async function cluster(size: number, options: Partial<CoordinatorOptions> = {}) {
  const env = new VirtualEnv(1)
  const nodes = new Map<string, SimNode>()
  const network = new SimNetwork(env, nodes)
  for (let index = 0; index < size; index++) {
    const node = new SimNode(env, index, { zone: 'z', region: 'r' })
    nodes.set(node.id, node)
    await env.pass(start(node))
  }
  async function start(node: SimNode) {
    const { coordinator } = await node.start({ replicationFactor: 3, ...options }, (life) =>
      network.transport(node.id, life),
    )
    for (const other of nodes.values()) if (other !== node) coordinator.addPeer({ id: other.id })
    for (const other of nodes.values()) {
      if (other !== node) other.running?.coordinator.addPeer({ id: node.id })
    }
  }
  const list = [...nodes.values()] as [SimNode, SimNode, SimNode, ...SimNode[]]
  const put = async (event: unknown, level?: 'ONE') => {
    const key = list[0].running!.generateKey()
    await env.pass(list[0].running!.coordinator.put(key, event, level))
    return key
  }
  const holders = (key: string) => list.filter((node) => node.holds(key)).map(({ id }) => id)
  return { env, network, nodes: list, put, holders, start }
}

async function keysOf(env: VirtualEnv, node: SimNode): Promise<string[]> {
  const keys: string[] = []
  const read = async () => {
    for await (const { key } of node.running!.coordinator.scan()) keys.push(key)
  }
  await env.pass(read())
  return keys
}

describe('get', () => {
  test('finds an event from a node that does not have it, and gives copies to those that should', async () => {
    const { env, nodes, network, put, holders } = await cluster(5)
    network.partition(new Map(nodes.slice(1).map(({ id }) => [id, 1])))
    const key = await put({ only: 'here' }, 'ONE')
    expect(holders(key)).toEqual(['n0'])
    network.heal()
    const { coordinator } = nodes[3]!.running!
    expect(await env.pass(coordinator.get(key))).toEqual({ key, event: { only: 'here' } })
    await env.pass(coordinator.settled())
    expect(holders(key)).toHaveLength(3)
  })

  test('never takes no answer for a no', async () => {
    const { env, nodes, network, put } = await cluster(5)
    const key = await put({})
    await env.advance(10_000)
    const reader = nodes.find((node) => !node.holds(key))!
    network.partition(new Map(nodes.filter((node) => node !== reader).map(({ id }) => [id, 1])))
    const read = env.pass(reader.running!.coordinator.get(key))
    await expect(read).rejects.toMatchObject({ code: 'SKERRY_EVENTS_INCOMPLETE' })
    network.heal()
    const missing = reader.running!.coordinator.get(reader.running!.generateKey())
    await expect(env.pass(missing)).resolves.toBeUndefined()
  })

  test('different contents under one key are reported, and copied nowhere', async () => {
    const { env, nodes, holders } = await cluster(4)
    const key = nodes[0].running!.generateKey()
    await env.pass(nodes[0].running!.log.put(key, { version: 1 }))
    await env.pass(nodes[1].running!.log.put(key, { version: 2 }))
    await env.pass(nodes[2].running!.coordinator.get(key))
    await env.pass(nodes[2].running!.coordinator.settled())
    const report = await env.pass(nodes[2].running!.coordinator.repair())
    expect(nodes[2].conflicts).toBeGreaterThan(0)
    expect(report).toMatchObject({ conflicts: 1, copied: 0 })
    expect(holders(key)).toEqual(['n0', 'n1'])
  })
})

describe('scan', () => {
  test('each event once, in order, with one node out of reach', async () => {
    const { env, nodes, put } = await cluster(5, { pageRows: 7 })
    const keys: string[] = []
    for (let event = 0; event < 60; event++) keys.push(await put({ event }))
    await env.advance(10_000)
    expect(await keysOf(env, nodes[4]!)).toEqual(keys)
    nodes[1].crash()
    expect(await keysOf(env, nodes[4]!)).toEqual(keys)
  })

  test('ends with an error when so many nodes are out of reach that it could miss events', async () => {
    const { env, nodes, put } = await cluster(5)
    await put({})
    nodes[1].crash()
    nodes[2].crash()
    await expect(keysOf(env, nodes[0])).rejects.toMatchObject({ code: 'SKERRY_EVENTS_INCOMPLETE' })
  })

  test('a node that answers out of order, or for ever, is left out', async () => {
    const good = {
      id: 'good',
      range: async ({ from }: ReplicaRange): Promise<ReplicaPage> =>
        from <= 'a' ? { rows: [['a', '1']], more: true } : { rows: [['b', '2']], more: false },
    }
    const liars: ReplicaPage[] = [
      {
        rows: [
          ['b', '2'],
          ['a', '1'],
        ],
        more: false,
      },
      {
        rows: [
          ['a', '1'],
          ['a', '1'],
        ],
        more: false,
      },
      { rows: [], more: true },
    ]
    for (const page of liars) {
      const missed: string[] = []
      const seen: string[] = []
      const liar = { id: 'liar', range: () => Promise.resolve(page) }
      const unreachable = (id: string) => missed.push(id)
      for await (const batch of walk([good, liar], { from: '', limit: 10, unreachable })) {
        seen.push(...batch.map(({ key }) => key))
      }
      expect([seen, missed]).toEqual([['a', 'b'], ['liar']])
    }
  })
})

describe('repair', () => {
  test('a sweep brings every event up to its replicas after a node is dropped', async () => {
    const { env, nodes, put, holders } = await cluster(5)
    const keys: string[] = []
    for (let event = 0; event < 30; event++) keys.push(await put({ event }))
    await env.advance(10_000)
    nodes[1].crash()
    for (const node of nodes) node.running?.coordinator.dropPeer({ id: 'n1' })
    await env.advance(120_000)
    for (const key of keys) {
      expect(holders(key).filter((id) => id !== 'n1').length).toBeGreaterThanOrEqual(3)
    }
    const report = await env.pass(nodes[0].running!.coordinator.repair())
    expect(report).toMatchObject({ events: 30, copied: 0, missing: 0, unconfirmed: 0 })
  })

  test('hints outlive their node, and are handed over when the peer is back', async () => {
    const { env, nodes, put, holders, start } = await cluster(3)
    nodes[1].crash()
    const key = await put({ for: 'n1' })
    await env.advance(2_000)
    expect(nodes[0].running!.coordinator.status().hints).toBe(1)
    nodes[0].crash()
    await env.pass(start(nodes[1]))
    await env.pass(start(nodes[0]))
    await env.advance(60_000)
    expect(holders(key)).toEqual(['n0', 'n1', 'n2'])
    expect(nodes[0].running!.coordinator.status()).toMatchObject({ hints: 0, underReplicated: 0 })
  })

  test('the plan gives silent nodes the benefit of the doubt, and drops nothing', () => {
    const census = { replicationFactor: 3, holders: ['a'], lacking: ['b', 'c', 'd'], unknown: [] }
    const whole = { copies: ['b', 'c'], spares: ['d'], missing: 0, unconfirmed: 0 }
    expect(planRepair(census)).toEqual(whole)
    expect(planRepair({ ...census, unknown: ['e'] })).toMatchObject({
      copies: ['b'],
      unconfirmed: 1,
    })
    expect(planRepair({ ...census, lacking: ['b'] })).toMatchObject({ copies: ['b'], missing: 1 })
    expect(planRepair({ ...census, holders: ['a', 'e', 'f'] })).toMatchObject({ copies: [] })
  })
})
