import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createCluster } from '../../src/cluster.ts'
import type { Cluster, RedisOptions } from '../../src/cluster.ts'
import { freePort, RedisServer, until, whyNoRedis } from '../redis-server.ts'

// The other ways a Redis may stand: Redis Cluster, Sentinel with a real failover, TLS.

const cleanUp: (() => Promise<unknown>)[] = []
beforeEach((context) => {
  const why = whyNoRedis()
  if (why) context.skip(why)
})
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

async function startRedis(...given: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...given)
  cleanUp.push(() => server.stop())
  return server
}

function connect(port: number): Redis {
  const client = new Redis(port)
  client.on('error', () => {})
  cleanUp.push(async () => client.disconnect())
  return client
}

async function startCluster(registry: RedisOptions): Promise<Cluster> {
  const cluster = createCluster({ registry, name: 'kinds', slots: 32, leaseMs: 500 })
  cleanUp.push(() => cluster.destroy())
  await cluster.start()
  return cluster
}

const keys = Array.from({ length: 100 }, (_, index) => `key-${index}`)

async function expectItWorks(cluster: Cluster): Promise<void> {
  await cluster.join({ id: 'a', address: 'localhost', port: 1 })
  await cluster.join({ id: 'b', address: 'localhost', port: 2 })
  expect(await cluster.distribute(keys)).toBe(keys.length)
  const worker = cluster.worker('a')
  await worker.start()
  await until(() => worker.rights().length === 16, 'rights')
  const found = await Promise.all(['a', 'b'].map((id) => cluster.getNodeKeys(id)))
  expect(found.flat().sort()).toEqual([...keys].sort())
}

test('Redis Cluster: all keys of a cluster lie on one node, scripts and pipelines work', async () => {
  const server = await startRedis('--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1')
  const admin = connect(server.port)
  await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await until(async () => ((await admin.call('CLUSTER', 'INFO')) as string).includes('state:ok'))
  const cluster = await startCluster({ cluster: [`127.0.0.1:${server.port}`] })
  await expectItWorks(cluster)
  const stored = await admin.keys('*')
  expect(stored.every((key) => key.startsWith('skerry:{kinds}:'))).toBe(true)
})

test('TLS: the registry is spoken to in private, and a stranger is refused', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'skerry-tls-'))
  cleanUp.push(async () => rmSync(directory, { recursive: true }))
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const files = ['-keyout', key, '-out', cert, '-days', '2']
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    ...files,
    ...subject,
  ])
  if (made.status !== 0) return context.skip('openssl is not there to make a certificate')
  const port = await freePort()
  await startRedis(
    ...['--tls-port', `${port}`, '--tls-cert-file', cert, '--tls-key-file', key],
    ...['--tls-ca-cert-file', cert, '--tls-auth-clients', 'no'],
  )
  const url = `rediss://localhost:${port}`
  await until(() => answersTls(port), 'the TLS port')
  const tls = { ca: readFileSync(cert) }
  await expectItWorks(await startCluster({ url, tls }))
  await expect(startCluster({ url, timeoutMs: 500 })).rejects.toThrow(/certificate/)
})

function answersTls(port: number): boolean {
  const given = ['s_client', '-connect', `localhost:${port}`, '-brief']
  return spawnSync('openssl', given, { input: '', timeout: 5_000 }).status === 0
}

test('Sentinel: after a failover the cluster goes on with the new master', async () => {
  const master = await startRedis()
  const replica = await startRedis('--replicaof', '127.0.0.1', `${master.port}`)
  const sentinel = await startSentinel(master.port)
  const admin = connect(replica.port)
  await until(async () => (await admin.info('replication')).includes('master_link_status:up'))
  const watching = connect(sentinel)
  await until(async () => (await watching.info('sentinel')).includes('slaves=1'), 'the replica')

  const nodes = [`127.0.0.1:${sentinel}`]
  const cluster = await startCluster({ sentinel: { name: 'main', nodes }, timeoutMs: 2_000 })
  await expectItWorks(cluster)
  const worker = cluster.worker('a')
  const before = new Map(worker.rights().map(({ slot, epoch }) => [slot, epoch]))
  await until(async () => (await admin.scard('skerry:kinds:keys:0')) > 0, 'replication')
  await master.kill()
  await until(async () => (await admin.info('replication')).includes('role:master'), 'failover')
  await until(
    () => cluster.status().recovering === false && worker.rights().length === 16,
    'rights',
  )
  // Whoever lost its lease meanwhile works with higher epochs; nobody with a lower one.
  for (const { slot, epoch } of worker.rights()) {
    expect(epoch).toBeGreaterThanOrEqual(before.get(slot)!)
  }
  await until(() =>
    cluster.join({ id: 'c', address: 'localhost', port: 3 }).then(
      () => true,
      () => false,
    ),
  )
  const found = await Promise.all(['a', 'b', 'c'].map((id) => cluster.getNodeKeys(id)))
  expect(found.flat().sort()).toEqual([...keys].sort())
})

async function startSentinel(masterPort: number): Promise<number> {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'skerry-sentinel-'))
  const file = join(directory, 'sentinel.conf')
  const lines = [
    `port ${port}`,
    `dir ${directory}`,
    `sentinel monitor main 127.0.0.1 ${masterPort} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 5000',
  ]
  writeFileSync(file, lines.join('\n'))
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  cleanUp.push(async () => {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })
  return port
}
