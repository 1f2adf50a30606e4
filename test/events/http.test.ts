import Fastify, { type FastifyInstance } from 'fastify'
import { gunzipSync } from 'node:zlib'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  createCoordinator,
  exportEvents,
  generateKey,
  HttpTransport,
  openEventLog,
} from '../../src/events.ts'
import type { Coordinator, EventLog } from '../../src/events.ts'
import { eventRoutes } from '../../src/server/events/routes.ts'
import { MemoryEngine } from '../../src/store/memory.ts'

interface Node {
  readonly url: string
  readonly app: FastifyInstance
  readonly log: EventLog
  readonly coordinator: Coordinator
}

async function startNode(id: string): Promise<Node> {
  const log = await openEventLog(new MemoryEngine())
  const transport = new HttpTransport()
  const coordinator = createCoordinator(log, { id, replicationFactor: 3, transport })
  const app = Fastify()
  eventRoutes(app, { coordinator, log, generateKey })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(async () => {
    await coordinator.close()
    log.close()
    transport.close()
    await app.close()
  })
  return { url, app, log, coordinator }
}

async function cluster(size: number): Promise<[Node, ...Node[]]> {
  const nodes = await Promise.all(
    Array.from({ length: size }, (_, index) => startNode(`n${index}`)),
  )
  nodes.forEach(({ coordinator }, own) => {
    nodes.forEach(({ url }, index) => {
      if (index !== own) coordinator.addPeer({ id: `n${index}`, url })
    })
  })
  return nodes as [Node, ...Node[]]
}

async function post(url: string, body: string): Promise<{ status: number; json: unknown }> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', body, headers })
  return { status: response.status, json: await response.json() }
}

test('events go in by one node and come out by another', async () => {
  const nodes = await cluster(4)
  const events = Array.from({ length: 200 }, (_, number) => ({
    number,
    big: `${number}`.repeat(50),
  }))
  const answers = await Promise.all(
    events.map((event) =>
      post(`${nodes[0].url}/_skerry/events?level=ALL`, JSON.stringify(event, null, 2)),
    ),
  )
  for (const { status, json } of answers) {
    expect(status).toBe(201)
    expect((json as { replicas: string[] }).replicas).toHaveLength(3)
  }
  const { key } = answers[5]!.json as { key: string }
  const read = await fetch(`${nodes[3]!.url}/_skerry/events/${key}`)
  expect(await read.json()).toEqual(events[5])

  const scan = await (await fetch(`${nodes[2]!.url}/_skerry/events`)).text()
  const lines = scan
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { key: string; event: unknown })
  expect(lines).toHaveLength(200)
  expect(lines.map(({ key }) => key)).toEqual(lines.map(({ key }) => key).sort())
  const numbers = new Set(lines.map(({ event }) => (event as { number: number }).number))
  expect(numbers.size).toBe(200)

  const { json } = await post(`${nodes[1]!.url}/_skerry/events/repair`, '{}')
  expect(json).toMatchObject({ events: 200, missing: 0, unconfirmed: 0, conflicts: 0 })
  const intervals = (await (
    await fetch(`${nodes[0].url}/_skerry/events/intervals`)
  ).json()) as unknown[]
  expect(intervals).toHaveLength(1)
})

test('numbers beyond 53 bits come out as they went in', async () => {
  const [node, , reader] = await cluster(3)
  const { json } = await post(`${node.url}/_skerry/events`, '{"id":12345678901234567890.0}')
  const read = await fetch(`${reader!.url}/_skerry/events/${(json as { key: string }).key}`)
  expect(await read.text()).toBe('{"id":12345678901234567890.0}')
})

test('what makes no sense is answered, with the code', async () => {
  const [{ url }] = await cluster(3)
  const events = `${url}/_skerry/events`
  const codes = async (answer: Promise<{ status: number; json: unknown }>) => {
    const { status, json } = await answer
    return [status, (json as { code: string }).code]
  }
  expect(await codes(post(events, '{'))).toEqual([400, 'SKERRY_JSON_INVALID'])
  expect(await codes(post(`${events}?level=TWO`, '1'))).toEqual([
    400,
    'SKERRY_EVENTS_LEVEL_INVALID',
  ])
  expect(await codes(post(`${events}?key=x`, '1'))).toEqual([400, 'SKERRY_EVENTS_KEY_INVALID'])
  const old = `${events}?key=20130927T005240652508858176`
  expect(await codes(post(old, '1'))).toEqual([409, 'SKERRY_EVENTS_KEY_OUT_OF_WINDOW'])
  const key = generateKey()
  await post(`${events}?key=${key}`, '1')
  expect(await codes(post(`${events}?key=${key}`, '2'))).toEqual([409, 'SKERRY_EVENTS_CONFLICT'])
  expect(await codes(post(`${events}/replicas`, '{"no":"array"}'))).toEqual([
    400,
    'SKERRY_JSON_INVALID',
  ])
  expect((await fetch(`${events}/${generateKey()}`)).status).toBe(404)
})

test('a node that stops is replaced, and gets what it missed when it is back', async () => {
  const [node, ...others] = await cluster(4)
  const handedOff = new Promise((resolve) =>
    node.coordinator.once('handedOff', (...what) => resolve(what)),
  )
  const gone = others[0]!
  await gone.app.close()
  for (let event = 0; event < 20; event++)
    await post(`${node.url}/_skerry/events?level=ALL`, `${event}`)
  await node.coordinator.settled()
  const { hints } = node.coordinator.status()
  expect(hints).toBeGreaterThan(0)

  const back = Fastify()
  eventRoutes(back, { ...gone, generateKey })
  onTestFinished(() => back.close())
  const url = await back.listen({ host: '127.0.0.1', port: 0 })
  node.coordinator.addPeer({ id: 'n1', url })
  expect(await handedOff).toEqual(['n1', hints])
  expect(node.coordinator.status().hints).toBe(0)
  const report = await node.coordinator.repair()
  expect(report).toMatchObject({ events: 20, copied: 0, missing: 0 })
})

test('an export is complete, in order, and the same each time', async () => {
  const [node, other] = await cluster(3)
  const dir = await mkdtemp(join(tmpdir(), 'skerry-export-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  for (let event = 0; event < 50; event++) await post(`${node.url}/_skerry/events`, `${event}`)
  const first = await exportEvents(node.coordinator.scanTexts(), join(dir, 'a.ndjson.gz'))
  const second = await exportEvents(other!.coordinator.scanTexts(), join(dir, 'b.ndjson'))
  expect(first).toEqual(second)
  expect(first.events).toBe(50)
  const lines = gunzipSync(await readFile(join(dir, 'a.ndjson.gz'))).toString()
  expect(lines).toBe(await readFile(join(dir, 'b.ndjson'), 'utf8'))
  expect(
    lines
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: number }).event),
  ).toEqual([...Array(50).keys()])
})
