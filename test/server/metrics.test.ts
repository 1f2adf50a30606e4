import { writeFile } from 'node:fs/promises'
import { Counter } from 'prom-client'
import { expect, test, vi } from 'vitest'
import { generateKey } from '../../src/events.ts'
import { Metrics } from '../../src/server/health/metrics.ts'
import { read } from '../repo/sources.ts'
import { ManualEnv } from '../state/manual-env.ts'
import { Client } from './client.ts'
import { directory } from './directory.ts'
import { runningNode } from './running.ts'

const PATIENCE = { timeout: 30_000 }

async function metrics(url: string): Promise<Map<string, number>> {
  const response = await fetch(`${url}/metrics`)
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=/)
  const lines = (await response.text()).split('\n').filter((line) => /^[a-z]/.test(line))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    }),
  )
}

test('metrics tell what was served, by route and never by path', async () => {
  const { url } = await runningNode()
  for (let n = 0; n < 5; n++) await fetch(`${url}/box/${n}`, { method: 'POST', body: '1' })
  await fetch(`${url}/none`)
  await fetch(`${url}/none`, { method: 'PUT' })
  const told = await metrics(url)
  const count = (labels: string) => told.get(`skerry_http_requests_total{${labels}}`)
  expect(count('method="POST",route="/*",status="200"')).toBe(5)
  expect(count('method="GET",route="/*",status="404"')).toBe(1)
  expect(count('method="PUT",route="none",status="405"')).toBe(1)
  const observed = 'skerry_http_request_duration_seconds_count{method="POST",route="/*"}'
  expect(told.get(observed)).toBe(5)
  expect(told.get('skerry_store_seq')).toBe(5)
  expect(told.get('skerry_changes_total')).toBe(5)
  expect(told.get('skerry_ready')).toBe(1)
  expect([...told.keys()].join()).not.toMatch(/box|none"?[^,}"]*\/|127\.0/)
})

test('a request that is refused before its route is counted with it all the same', async () => {
  const file = `${await directory()}/tokens.json`
  await writeFile(file, '{"tokens": []}')
  const { url, metrics } = await runningNode({ tokenFile: file })
  await fetch(`${url}/box/1`)
  await fetch(`${url}/_skerry/status`)
  const told = await metrics.metrics()
  const refused = (route: string) =>
    `skerry_http_requests_total{method="GET",route="${route}",status="401"} 1`
  expect(told).toContain(refused('/*'))
  expect(told).toContain(refused('/_skerry/status'))
})

test('reset by prom-client, durations begin anew', async () => {
  const { url, metrics } = await runningNode()
  const count = 'skerry_http_request_duration_seconds_count{method="GET",route="/*"}'
  await fetch(`${url}/none`)
  expect(await metrics.metrics()).toContain(`${count} 1`)
  metrics.resetMetrics()
  expect(await metrics.metrics()).toContain(`${count} 0`)
  await fetch(`${url}/none`)
  expect(await metrics.metrics()).toContain(`${count} 1`)
})

test('a scrape makes the status once, and the next one makes it anew', async () => {
  const node = await runningNode()
  const source = {
    ...{
      collapses: 0,
      subscribers: 0,
      fresh: () => Promise.resolve(),
      watch: () => () => undefined,
    },
    status: vi.fn(() => node.status()),
  }
  const figures = new Metrics(source)
  for (let scrapes = 1; scrapes <= 3; scrapes++) {
    expect(await figures.registry.metrics()).toContain('skerry_ready 1')
    expect(source.status).toHaveBeenCalledTimes(scrapes)
  }
  figures.close()
})

test('metrics tell of sockets, subscribers, bytes and slow ones', async () => {
  const server = await runningNode({}, new ManualEnv())
  const slow = await Client.open(server.url, 'big')
  await Client.open(server.url, 'other')
  await slow.watcher.frames(1)
  const before = await metrics(server.url)
  expect(before.get('skerry_sockets')).toBe(2)
  expect(before.get('skerry_subscribers')).toBe(2)
  expect(before.get('skerry_subscriber_collapses_total')).toBe(0)
  slow.socket.pause()
  for (let n = 0; n < 40; n++) {
    await server.state.text.set('big', `"${n}${'x'.repeat(1024 * 1024)}"`)
  }
  const after = await metrics(server.url)
  expect(after.get('skerry_subscriber_collapses_total')).toBe(1)
  expect(after.get('skerry_sent_bytes_total')).toBeGreaterThan(1024 * 1024)
})

test('metrics tell of links, and how far a peer is behind', async () => {
  const leader = await runningNode({ id: 'leader' })
  const node = await runningNode({ id: 'node', leader: leader.url })
  await leader.state.text.set('a', '1')
  await expect.poll(async () => (await node.state.text.get('a'))?.data).toBe('1')
  const lag = async (figure: string) =>
    (await metrics(leader.url)).get(`skerry_link_lag_${figure}{peer="node",key="**"}`)
  await expect.poll(() => lag('changes'), PATIENCE).toBe(0)
  expect(await lag('seconds')).toBe(0)
  expect((await metrics(leader.url)).get('skerry_links')).toBe(1)
})

test('metrics tell how far peers are behind that are away, native ones and those of pivot', async () => {
  const keys = ['users/*', 'settings']
  const leader = await runningNode({ id: 'leader', keys, nodesKey: 'devices/*' })
  const data = await directory()
  const node = await runningNode({ id: 'node', leader: leader.url, keys, memory: false, data })
  const links = () => leader.status().sync.links.map(({ open, unrepaired }) => open && unrepaired)
  await expect.poll(links, PATIENCE).toEqual([[]])
  await node.close()
  await leader.state.text.set('devices/d', '{"ip":"127.0.0.1","port":9}')
  for (const path of ['users/1', 'users/2', 'users/2']) await leader.state.text.set(path, '1')
  const told = async () => {
    const all = await metrics(leader.url)
    return (peer: string, key: string) =>
      all.get(`skerry_link_lag_changes{peer="${peer}",key="${key}"}`)
  }
  await expect.poll(async () => (await told())('node', 'users/*'), PATIENCE).toBe(2)
  expect((await told())('node', 'settings')).toBe(0)
  expect((await told())('pivot:127.0.0.1:9', 'users/*')).toBe(3)
  const all = await metrics(leader.url)
  expect(all.get('skerry_pivot_peer_healthy{peer="pivot:127.0.0.1:9"}')).toBe(0)
  const checked = all.get('skerry_pivot_peer_checked_seconds{peer="pivot:127.0.0.1:9"}')
  expect(checked).toBeGreaterThan(1_700_000_000)
  expect(all.get('skerry_link_lag_seconds{peer="node",key="users/*"}')).toBeGreaterThan(0)
  await fetch(`${leader.url}/_skerry/forget`, { method: 'POST', body: '{"node":"node"}' })
  await expect.poll(async () => (await told())('node', 'users/*'), PATIENCE).toBeUndefined()
})

test('metrics tell of the cluster: members by how they are, slots, who leads', async () => {
  const quick = { slots: 64, leaseMs: 300, heartbeatIntervalMs: 100 }
  const seat = await runningNode({ id: 'a', cluster: quick })
  const other = await runningNode({ id: 'b', cluster: { ...quick, registry: seat.url } })
  await seat.cluster.join({ id: 'gone', address: '127.0.0.1', port: 1 })
  const told = (server: typeof seat) => metrics(server.url)
  const members = (condition: string) => `skerry_cluster_members{condition="${condition}"}`
  await expect
    .poll(async () => (await told(other)).get(members('dead')), { timeout: 30_000 })
    .toBe(1)
  const both = [await told(seat), await told(other)]
  for (const one of both) {
    expect(one.get(members('alive'))).toBe(2)
    expect(one.get('skerry_cluster_joined')).toBe(1)
    expect(one.get('skerry_cluster_slots')).toBe(32)
    expect(one.get('skerry_cluster_events_total{type="died"}')).toBe(1)
  }
  expect(both.map((one) => one.get('skerry_cluster_leads')).sort()).toEqual([0, 1])
  await other.cluster.drain('b')
  await expect.poll(async () => (await told(seat)).get(members('draining'))).toBe(1)
  expect((await told(await runningNode())).has('skerry_cluster_joined')).toBe(false)
})

test('metrics tell of events: puts by verdict, hints, what lacks replicas, repair', async () => {
  const quick = { slots: 64, leaseMs: 300, heartbeatIntervalMs: 100 }
  const events = { replicationFactor: 2 }
  const node = await runningNode({ id: 'a', cluster: quick, events })
  const told = () => metrics(node.url)
  const puts = (level: string, verdict: string) =>
    `skerry_events_puts_total{level="${level}",verdict="${verdict}"}`
  const key = generateKey()
  await expect(node.events.put(key, 1, 'ALL')).rejects.toThrow(/UNAVAILABLE|nodes/)
  await node.events.put(key, 1, 'ONE')
  await expect.poll(async () => (await told()).get('skerry_events_under_replicated')).toBe(1)
  const alone = await told()
  expect(alone.get(puts('ALL', 'unavailable'))).toBe(1)
  expect(alone.get(puts('ONE', 'acknowledged'))).toBe(1)
  expect(alone.get(puts('QUORUM', 'timeout'))).toBe(0)
  expect(alone.get('skerry_events_repaired_total')).toBe(0)
  await runningNode({ id: 'b', cluster: { ...quick, registry: node.url }, events })
  await expect.poll(async () => (await told()).get('skerry_events_repaired_total')).toBe(1)
  await expect.poll(async () => (await told()).get('skerry_events_under_replicated')).toBe(0)
  expect((await told()).get('skerry_events_sweeps_total')).toBeGreaterThan(0)
  await expect(node.events.put(key, 2)).rejects.toMatchObject({ code: 'SKERRY_EVENTS_CONFLICT' })
  expect((await metrics((await runningNode()).url)).has('skerry_events_hints')).toBe(false)
})

test('each server has its own registry, and an application adds to it', async () => {
  const [first, second] = [await runningNode(), await runningNode()]
  new Counter({ name: 'orders_total', help: 'Orders.', registers: [first.metrics] }).inc(3)
  await first.state.text.set('a', '1')
  expect((await metrics(first.url)).get('orders_total')).toBe(3)
  const told = await metrics(second.url)
  expect([told.has('orders_total'), told.get('skerry_store_seq')]).toEqual([false, 0])
})

test('docs/metrics.md lists every metric with its type', async () => {
  const { metrics: registry } = await runningNode({ cluster: {}, events: {} })
  const rows = read('docs/metrics.md').matchAll(/^\| `(skerry_\w+)` +\| (\w+) /gm)
  const documented = Array.from(rows, ([, name, type]) => `${name} ${type}`)
  const told = (await registry.metrics()).matchAll(/^# TYPE (\w+) (\w+)$/gm)
  expect(documented.sort()).toEqual(Array.from(told, ([, name, type]) => `${name} ${type}`).sort())
})
