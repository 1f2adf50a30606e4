import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { generateKey } from '../../src/events.ts'
import type { Server, ServerOptions } from '../../src/index.ts'
import { failure, runningNode } from './running.ts'

const QUICK = { slots: 64, leaseMs: 400, heartbeatIntervalMs: 100, heartbeatTimeoutMs: 2_000 }
const PATIENCE = { timeout: 30_000, interval: 20 }

/** Two copies in other zones, so that each event is in all three. */
const EVENTS = {
  replicationFactor: 3,
  replicationStrategy: { otherZoneReplicas: 2 },
  retryIntervalMs: 100,
  sweepIntervalMs: 0,
}

interface Put {
  readonly key: string
  readonly replicas: string[]
  readonly hinted: string[]
}

class Fleet {
  readonly servers = new Map<string, Server>()
  readonly #options = new Map<string, ServerOptions>()

  /** Nodes named by their zone and a number, such as `x1`; each on a disk of its own. */
  static async start(...ids: readonly string[]): Promise<Fleet> {
    const fleet = new Fleet()
    for (const id of ids) await fleet.#add(id)
    await fleet.meets()
    return fleet
  }

  /** Until every node knows every other. */
  async meets(): Promise<void> {
    const others = this.servers.size - 1
    const peers = () => [...this.servers.values()].map(({ events }) => events.status().peers)
    await expect.poll(peers, PATIENCE).toEqual(peers().map(() => others))
  }

  get(id: string): Server {
    return this.servers.get(id)!
  }

  async stop(id: string): Promise<void> {
    await this.get(id).close()
  }

  /** The same node with the same disk at the same address. */
  async restart(id: string): Promise<void> {
    const port = Number(new URL(this.get(id).url).port)
    this.servers.set(id, await runningNode({ ...this.#options.get(id), port }))
  }

  async put(id: string, event: unknown, query = ''): Promise<Put> {
    const response = await this.#fetch(id, query, { method: 'POST', body: JSON.stringify(event) })
    if (response.status !== 201) throw new Error(await response.text())
    return (await response.json()) as Put
  }

  /** The ids of the nodes whose own log has the key. */
  async holders(key: string): Promise<string[]> {
    const ids: string[] = []
    for (const id of this.servers.keys()) {
      if ((await this.#fetch(id, `/replicas/${key}`)).status === 200) ids.push(id)
    }
    return ids
  }

  async text(id: string, path: string, init?: RequestInit): Promise<string> {
    return (await this.#fetch(id, path, init)).text()
  }

  async #add(id: string): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'skerry-events-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const [first] = this.servers.values()
    const registry = first && { registry: first.url }
    const cluster = { ...QUICK, ...registry, zone: id.slice(0, 1) }
    const options = { id, memory: false, data: directory, cluster, events: EVENTS }
    this.#options.set(id, options)
    this.servers.set(id, await runningNode(options))
  }

  #fetch(id: string, path: string, init?: RequestInit): Promise<Response> {
    return fetch(new URL(`/_skerry/events${path}`, this.get(id).url), init)
  }
}

test('an event posted at one node lands in every zone, and is read at any other', async () => {
  const fleet = await Fleet.start('x1', 'x2', 'y1', 'y2', 'z1')
  const { key, replicas } = await fleet.put('x2', { celsius: 21 }, '?level=ALL')
  expect(replicas).toHaveLength(3)
  const holders = await fleet.holders(key)
  expect(holders.sort()).toEqual([...replicas].sort())
  expect(new Set(holders.map((id) => id.slice(0, 1)))).toEqual(new Set(['x', 'y', 'z']))
  for (const id of fleet.servers.keys()) {
    expect(await fleet.text(id, `/${key}`)).toBe('{"celsius":21}')
  }
})

test('a node dies: its copies are kept for it, and handed back when it returns', async () => {
  const fleet = await Fleet.start('x1', 'y1', 'z1')
  await fleet.stop('z1')
  const puts: Put[] = []
  for (let n = 0; n < 20; n++) puts.push(await fleet.put('x1', { n }))
  const { events } = fleet.get('x1')
  await expect.poll(() => events.status().hints, PATIENCE).toBe(20)
  expect(await fleet.text('y1', '')).toBe(
    puts.map(({ key }, n) => `{"key":"${key}","event":{"n":${n}}}\n`).join(''),
  )
  await fleet.restart('z1')
  const left = () => events.status().hints + events.status().underReplicated
  await expect.poll(left, PATIENCE).toBe(0)
  for (const { key } of puts) expect(await fleet.holders(key)).toEqual(['x1', 'y1', 'z1'])
  const report = JSON.parse(await fleet.text('y1', '/repair', { method: 'POST' })) as object
  expect(report).toEqual({
    ...{ events: 20, copied: 0, missing: 0, unconfirmed: 0, conflicts: 0 },
    unreachable: [],
  })
})

test('a node leaves for good: what it held is copied to others', async () => {
  const fleet = await Fleet.start('x1', 'y1', 'z1', 'z2')
  const puts: Put[] = []
  for (let n = 0; n < 20; n++) puts.push(await fleet.put('x1', { n }, '?level=ALL'))
  await fleet.stop('z1')
  await fleet.get('x1').cluster.leave('z1')
  fleet.servers.delete('z1')
  for (const { key } of puts) {
    await expect.poll(() => fleet.holders(key), PATIENCE).toEqual(['x1', 'y1', 'z2'])
  }
})

test('a node that joins becomes a peer of all without being told', async () => {
  const fleet = await Fleet.start('x1', 'y1')
  await expect(fleet.put('x1', {})).rejects.toThrow('SKERRY_EVENTS_UNAVAILABLE')
  const cluster = { ...QUICK, registry: fleet.get('x1').url, zone: 'z' }
  fleet.servers.set('z1', await runningNode({ id: 'z1', cluster, events: EVENTS }))
  await fleet.meets()
  expect((await fleet.put('y1', {}, '?level=ALL')).replicas.sort()).toEqual(['x1', 'y1', 'z1'])
})

test('a tail tells what there is and what comes, in order of arrival, once', async () => {
  const fleet = await Fleet.start('x1', 'y1', 'z1')
  const first = await fleet.put('x1', 1)
  const url = new URL('/_skerry/events/tail?from=2', fleet.get('y1').url)
  const response = await fetch(url)
  const seen: string[] = []
  let second: Put | undefined
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    seen.push(...chunk.split('\n').filter((line) => line !== ''))
    if (seen.length === 1 && !second) second = await fleet.put('z1', 2)
    if (seen.length === 2) break
  }
  expect(seen).toEqual([`{"key":"${first.key}","event":1}`, `{"key":"${second?.key}","event":2}`])
})

test('intervals, status and the list of what lacks replicas', async () => {
  const fleet = await Fleet.start('x1', 'y1', 'z1')
  const { key } = await fleet.put('x1', {}, '?level=ALL')
  const day = key.slice(0, 8)
  expect(JSON.parse(await fleet.text('x1', '/intervals'))).toEqual([
    expect.objectContaining({ from: `${day}T${'0'.repeat(18)}`, state: 'open' }),
  ])
  expect(JSON.parse(await fleet.text('x1', '/status'))).toMatchObject({
    ...{ peers: 2, hints: 0, underReplicated: 0 },
    puts: { acknowledged: 1 },
  })
  expect(fleet.get('x1').status().events).toMatchObject({ peers: 2 })
  await fleet.stop('y1')
  await fleet.stop('z1')
  const alone = await fleet.put('x1', {}, '?level=ONE')
  await expect
    .poll(() => fleet.text('x1', '/under-replicated'), PATIENCE)
    .toContain(`"key":"${alone.key}"`)
})

test.each([
  ['a level that is none', '?level=most', '1', 400, 'SKERRY_EVENTS_LEVEL_INVALID'],
  ['a key that is none', '?key=x', '1', 400, 'SKERRY_EVENTS_KEY_INVALID'],
  [
    'a key of long ago',
    '?key=20130927T005240652508858176',
    '1',
    409,
    'SKERRY_EVENTS_KEY_OUT_OF_WINDOW',
  ],
  ['no JSON', '', '{', 400, 'SKERRY_JSON_INVALID'],
])('refused, and nothing written: %s', async (...given) => {
  const [, query, body, status, code] = given
  const events = { replicationFactor: 1 }
  const server = await runningNode({ id: 'a', cluster: QUICK, events })
  const url = new URL(`/_skerry/events${query}`, server.url)
  expect(await failure(await fetch(url, { method: 'POST', body }))).toEqual({ status, code })
  expect(await (await fetch(new URL('/_skerry/events', server.url))).text()).toBe('')
})

test('events outlive their node, and one key never has two contents', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'skerry-events-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const options = { id: 'a', memory: false, data: directory, events: {} }
  const first = await runningNode(options)
  const key = generateKey()
  await first.events.put(key, { n: 1 })
  await first.close()
  const second = await runningNode(options)
  expect(await second.events.get(key)).toEqual({ key, event: { n: 1 } })
  await expect(second.events.put(key, { n: 2 })).rejects.toMatchObject({
    code: 'SKERRY_EVENTS_CONFLICT',
  })
})
