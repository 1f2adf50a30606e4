import { fastify } from 'fastify'
import { afterEach, expect, test } from 'vitest'
import { createCluster } from '../../src/cluster.ts'
import { EmbeddedRegistry } from '../../src/cluster/embedded.ts'
import { RemoteRegistry } from '../../src/cluster/remote.ts'
import { skerryError } from '../../src/core/errors.ts'
import { registryRoutes } from '../../src/server/cluster/registry.ts'
import { machineEnv } from '../../src/server/env.ts'
import { Streams } from '../../src/server/events/streams.ts'
import { until } from '../redis-server.ts'
import { registrySuite } from './registry-suite.ts'

const endings: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

/** A registry that is served over HTTP, and its address. */
async function servedRegistry(name = 'suite'): Promise<{ url: string; restart: () => void }> {
  let registry = new EmbeddedRegistry(machineEnv, { shared: true })
  const streams = new Streams(machineEnv)
  const app = fastify({ forceCloseConnections: true })
  const registryFor = (asked: string) => {
    if (asked === name) return registry
    throw skerryError('CLUSTER_MISMATCH', 'the name', name, asked)
  }
  registryRoutes(app, { registryFor }, streams)
  endings.push(async () => {
    streams.close()
    await app.close()
  })
  const restart = (): void => {
    registry = new EmbeddedRegistry(machineEnv, { shared: true })
  }
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), restart }
}

function remote(url: string, name = 'suite'): RemoteRegistry {
  const registry = new RemoteRegistry({ url, name })
  endings.push(() => registry.close())
  return registry
}

registrySuite('with another server', async () => {
  const { url } = await servedRegistry()
  return { registry: remote(url), other: remote(url) }
})

test('a registry of another name is refused, with both names', async () => {
  const { url } = await servedRegistry()
  await expect(remote(url, 'other').open(16)).rejects.toMatchObject({
    code: 'SKERRY_CLUSTER_MISMATCH',
    message: expect.stringContaining('suite') as string,
  })
})

test.each([
  ['no array', '{}'],
  ['no verb', '["drop"]'],
  ['a verb of objects', '["constructor"]'],
  ['a wrong argument', '["keysIn","1"]'],
  [
    'a table that is none',
    '["commit",{"base":0,"members":[],"left":[],"moves":[],"owners":"{","slots":4}]',
  ],
  [
    'a member that is none',
    '["commit",{"base":0,"members":[{"id":""}],"left":[],"moves":[],"owners":"[]","slots":4}]',
  ],
  [
    'a table of a billion slots',
    '["commit",{"base":0,"members":[],"left":[],"moves":[],"owners":"[]","slots":1e9}]',
  ],
])('what is no verb of a registry is refused: %s', async (_what, body) => {
  const { url } = await servedRegistry()
  const headers = { 'content-type': 'application/json' }
  const path = '/_skerry/cluster/registry?name=suite'
  const response = await fetch(new URL(path, url), { method: 'POST', headers, body })
  expect(response.status).toBeGreaterThanOrEqual(400)
  expect(await remote(url).head()).toMatchObject({ version: 0 })
})

test('without its server every verb fails, and says where the server should be', async () => {
  const registry = remote('http://127.0.0.1:1')
  await expect(registry.head()).rejects.toMatchObject({
    code: 'SKERRY_REGISTRY_UNAVAILABLE',
    message: expect.stringContaining('http://127.0.0.1:1') as string,
  })
})

test('two processes of one cluster, and a server that forgets everything: they tell it again', async () => {
  const { url, restart } = await servedRegistry('my-cluster')
  const options = { registry: url, slots: 64, leaseMs: 300, heartbeatIntervalMs: 3_600_000 }
  const clusters = [createCluster(options), createCluster(options)] as const
  for (const cluster of clusters) endings.push(() => cluster.destroy())
  const [one, two] = clusters
  await Promise.all([one.start(), two.start()])
  await one.join({ id: 'a', address: '127.0.0.1', port: 1 })
  await two.join({ id: 'b', address: '127.0.0.1', port: 2 })
  await until(() => one.members().length === 2 && two.members().length === 2, 'one view')
  const owners = ['x', 'y', 'z'].map((key) => one.getKeyNode(key))
  expect(['x', 'y', 'z'].map((key) => two.getKeyNode(key))).toEqual(owners)
  const worker = one.worker('a')
  await worker.start()
  await until(() => worker.rights().length === 32, 'its rights')

  const before = one.status().version
  restart()
  await until(() => one.status().recovering, 'a recovery')
  expect(worker.rights()).toHaveLength(32)
  await two.join({ id: 'c', address: '127.0.0.1', port: 3 })
  await until(() => one.members().length === 3, 'the newcomer')
  expect(one.status().version).toBeGreaterThan(before)
  await until(() => worker.rights().length <= 22, 'the handover')
})
