import { expect, onTestFinished, test } from 'vitest'
import { createServer, type HttpRequest, type ServerOptions } from '../../../src/index.ts'
import { peerClient } from '../../../src/server/pivot/client.ts'
import { machineEnv } from '../../../src/server/env.ts'
import { LocalStore } from '../../../src/store/local.ts'
import { MemoryEngine } from '../../../src/store/memory.ts'
import { Gate } from '../../interop/gate.ts'
import { runningNode } from '../running.ts'
import { becomes, shows } from './shown.ts'

// What docs/coming-from-pivot.md names in pivot's words and ours, each by what it does. Nobody polls here: what
// comes into step does so by what is configured.

const KEYS = ['users/*', 'settings']
const NEVER_MS = 86_400_000
const QUIET = { keys: KEYS, nativeLink: false, nodeCheckIntervalMs: NEVER_MS } as const

async function memoryStore(): Promise<LocalStore> {
  const store = await LocalStore.open(new MemoryEngine(), machineEnv)
  onTestFinished(() => store.close())
  return store
}

test('nodesKey: entries with ip and port register a node, in all spellings; others are data', async () => {
  const leader = await runningNode({ ...QUIET, nodesKey: 'things/*' })
  const entries: Record<string, unknown> = {
    number: { ip: '127.0.0.1', port: 9 },
    text: { ip: '127.0.0.2', port: '9' },
    capitals: { IP: '127.0.0.3', Port: 9 },
    v6: { ip: '::1', port: 9 },
    portless: { ip: '127.0.0.4' },
    zero: { ip: '127.0.0.5', port: 0 },
    high: { ip: '127.0.0.6', port: 65_536 },
    odd: { ip: 'a/../b', port: 9 },
    lamp: { on: true },
    word: 'ip',
    none: null,
  }
  for (const [name, entry] of Object.entries(entries)) {
    await leader.state.text.set(`things/${name}`, JSON.stringify(entry))
  }
  const addresses = () => leader.pivot.status.nodes.map(({ address }) => address).sort()
  expect(addresses()).toEqual(['127.0.0.1:9', '127.0.0.2:9', '127.0.0.3:9', '[::1]:9'])
  await leader.state.text.delete('things/v6')
  await leader.state.text.set('things/text', '{"ip":"127.0.0.7","port":"9"}')
  expect(addresses()).toEqual(['127.0.0.1:9', '127.0.0.3:9', '127.0.0.7:9'])
})

test('extraNodeUrls: told of all keys, also of those that the node follows, so a chain needs no polls', async () => {
  const ports = new Map<string, number>()
  const gates = new Map<string, Gate>()
  for (const name of ['core', 'branch', 'edge']) {
    gates.set(name, await Gate.open(() => ports.get(name) ?? 1))
  }
  const at = (name: string): string => gates.get(name)!.address
  const start = async (name: string, options: ServerOptions) => {
    const server = await runningNode({ ...QUIET, advertise: at(name), ...options })
    ports.set(name, Number(new URL(server.url).port))
    return server
  }
  const edge = await start('edge', { leader: at('branch'), autoSyncOnStart: false })
  const branch = await start('branch', {
    ...{ leader: at('core'), autoSyncOnStart: false, extraNodeUrls: [at('edge')] },
  })
  const core = await start('core', { extraNodeUrls: [`http://${at('branch')}`] })
  await core.state.text.set('users/down', '1')
  await shows(branch, { 'users/down': '1' })
  await shows(edge, { 'users/down': '1' })
  await edge.state.text.set('users/up', '2')
  await shows(core, { 'users/down': '1', 'users/up': '2' })
})

test('autoSyncOnStart: without it a node fetches at the first sign of news, not at its start', async () => {
  const leader = await runningNode(QUIET)
  await leader.state.text.set('users/1', '1')
  const eager = await runningNode({ ...QUIET, leader: leader.url })
  await shows(eager, { 'users/1': '1' })
  const node = await runningNode({ ...QUIET, leader: leader.url, autoSyncOnStart: false })
  expect(node.pivot.status.leaders).toMatchObject([{ active: true, lastCheck: 0n }])
  expect(await node.store.read('users/1')).toBeUndefined()
  expect((await fetch(`${node.url}/_pivot/synchronize/pivot?key=users/*`)).status).toBe(200)
  await shows(node, { 'users/1': '1' })
})

test('beforeRead: a read does not wait, and brings the node to look for news', async () => {
  const leader = await runningNode(QUIET)
  const node = await runningNode({ ...QUIET, leader: leader.url, autoSyncOnStart: false })
  await leader.state.text.set('users/1', '1')
  expect((await fetch(`${node.url}/users/1`)).status).toBe(404)
  await shows(node, { 'users/1': '1' })
  // The same for whoever reads a store by other means.
  const own = await memoryStore()
  const other = await createServer({
    ...{ ...QUIET, port: 0, memory: true, leader: leader.url, autoSyncOnStart: false },
    keys: [{ path: 'users/*', store: own }],
  })
  onTestFinished(() => other.close())
  await other.listen()
  other.pivot.beforeRead(own, 'users/1')
  await becomes(async () => (await own.read('users/1'))?.data, '1')
})

test('syncCallback: a store that is watched by other means is kept in step, too', async () => {
  const leader = await runningNode(QUIET)
  const own = await memoryStore()
  const node = await createServer({
    ...{ ...QUIET, port: 0, memory: true, leader: leader.url },
    keys: [{ path: 'users/*', store: own }],
  })
  onTestFinished(() => node.close())
  const letGo = node.pivot.attach(own)
  await node.listen()
  await becomes(() => node.pivot.status.leaders[0]?.healthy)
  letGo()
  const unwatch = own.watch((commit) => node.pivot.syncCallback(own, commit))
  onTestFinished(unwatch)
  await own.write([{ path: 'users/1', decide: () => '1' }])
  await shows(leader, { 'users/1': '1' })
})

test('httpClient: whatever a node asks of leaders and nodes goes through it, and it is closed', async () => {
  const leader = await runningNode(QUIET)
  const inner = peerClient()
  const asked: string[] = []
  let closed = 0
  const httpClient = {
    request: (request: HttpRequest) => {
      asked.push(`${request.method} ${request.url}`)
      return inner.request(request)
    },
    close: () => {
      closed++
      return inner.close()
    },
  }
  const node = await runningNode({
    ...QUIET,
    leader: leader.url,
    extraNodeUrls: ['127.0.0.1:9'],
    httpClient,
  })
  await node.state.text.set('users/1', '1')
  await shows(leader, { 'users/1': '1' })
  expect(asked).toContain(`POST ${leader.url}/_pivot/pivot/users/1`)
  expect(asked).toContain('GET http://127.0.0.1:9/')
  await node.close()
  expect(closed).toBeGreaterThan(0)
})

test.each<[ServerOptions, string]>([
  [{ keys: [{ path: 'a/*', local: true }, 'a/*'], leader: 'a:1' }, 'another leader'],
  [{ keys: ['**'], nativeLink: false }, "'**'"],
  [{ keys: ['a/*/b/*'], nativeLink: false }, "'a/*/b/*'"],
  [{ keys: [{ path: 'a/*', clusterUrl: 'ftp://b' }], leader: 'a:1' }, 'clusterUrl'],
  [{ keys: [{ path: 'a/*', leader: 'b:1' }] as never, leader: 'a:1' }, 'leader'],
  [{ keys: [{ path: 'a/*', local: 'yes' }] as never, leader: 'a:1' }, 'local'],
  [{ keys: [{ path: 'a/*', store: {} }] as never }, 'store'],
  [{ autoSyncOnStart: 'no' as never }, 'autoSyncOnStart'],
  [{ nodeCheckIntervalMs: 0 }, 'nodeCheckIntervalMs'],
  [{ advertise: 'https://a' }, 'advertise'],
  [{ httpClient: {} as never }, 'httpClient'],
  [{ nativeLink: 1 as never }, 'nativeLink'],
])('what does not fit together is refused at once, with its name: %j', async (options, named) => {
  const refused = createServer({ memory: true, ...options })
  await expect(refused).rejects.toMatchObject({
    code: expect.stringMatching(/^SKERRY_OPTION_/) as unknown,
  })
  await expect(refused).rejects.toThrow(named)
})

test('keys that overlap have one store, and nodes register in the store of the node', async () => {
  const store = await memoryStore()
  const overlapping = createServer({ memory: true, keys: [{ path: 'a/*', store }, 'a/1'] })
  await expect(overlapping).rejects.toThrow('another store')
  const several = createServer({ memory: true, keys: [{ path: 'a/*/b/*', store }] })
  await expect(several).rejects.toThrow('ends in its only *')
  const elsewhere = { memory: true, keys: [{ path: 'things/*', store }], nodesKey: 'things/*' }
  await expect(createServer(elsewhere)).rejects.toThrow('give the key no store')
})
