import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { RedisOptions } from '../../src/cluster.ts'
import { freePort, RedisServer, until } from '../redis-server.ts'

/** Real servers that stand in one of the ways a Redis may stand, until `stop()`. */
export class RedisKind {
  /** How a registry finds it. */
  options: RedisOptions = {}
  readonly servers: RedisServer[] = []
  readonly #endings: (() => void | Promise<void>)[] = []

  async start(...given: string[]): Promise<RedisServer> {
    const server = await RedisServer.start(...given)
    this.servers.push(server)
    this.#endings.push(() => server.stop())
    return server
  }

  /** A plain client of one of them. */
  admin(port: number): Redis {
    const client = new Redis(port)
    // What it is asked for tells what is wrong.
    client.on('error', () => undefined)
    this.#endings.push(() => client.disconnect())
    return client
  }

  /** A directory that goes with it. */
  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'skerry-redis-kind-'))
    this.#endings.push(() => rmSync(directory, { recursive: true, force: true }))
    return directory
  }

  atEnd(step: () => void): void {
    this.#endings.push(step)
  }

  async stop(): Promise<void> {
    for (const step of this.#endings.splice(0).reverse()) await step()
  }
}

const SLOT_RANGES = [
  [0, 5_460],
  [5_461, 10_922],
  [10_923, 16_383],
] as const

/** Redis Cluster: three masters. */
export async function startRedisCluster(): Promise<RedisKind> {
  const kind = new RedisKind()
  const nodes: { port: number; busPort: number; admin: Redis }[] = []
  for (const [first, last] of SLOT_RANGES) {
    // By default the bus is 10,000 ports above, where there may be no port.
    const busPort = await freePort()
    const { port } = await kind.start(
      ...['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`],
      ...['--cluster-announce-ip', '127.0.0.1', '--cluster-node-timeout', '2000'],
    )
    const admin = kind.admin(port)
    await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', `${nodes.length + 1}`)
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', `${first}`, `${last}`)
    nodes.push({ port, busPort, admin })
  }
  for (const { port, busPort } of nodes.slice(1)) {
    await nodes[0]!.admin.call('CLUSTER', 'MEET', '127.0.0.1', `${port}`, `${busPort}`)
  }
  await until(async () => {
    const told = await Promise.all(nodes.map(({ admin }) => admin.call('CLUSTER', 'INFO')))
    return told.every((text) => /cluster_state:ok[^]*cluster_size:3/.test(String(text)))
  }, 'the three to know each other')
  kind.options = { cluster: nodes.map(({ port }) => `127.0.0.1:${port}`) }
  return kind
}

/** A master, a replica, and a sentinel that watches them. */
export async function startSentinel(): Promise<RedisKind> {
  const kind = new RedisKind()
  const master = await kind.start()
  const replica = await kind.start('--replicaof', '127.0.0.1', `${master.port}`)
  const port = await freePort()
  const directory = kind.directory()
  const file = join(directory, 'sentinel.conf')
  const lines = [
    `port ${port}`,
    `dir ${directory}`,
    `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 5000',
  ]
  writeFileSync(file, lines.join('\n'))
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  kind.atEnd(() => void child.kill('SIGKILL'))
  const [admin, watching] = [kind.admin(replica.port), kind.admin(port)]
  await until(async () => (await admin.info('replication')).includes('master_link_status:up'))
  await until(async () => (await watching.info('sentinel')).includes('slaves=1'), 'the replica')
  kind.options = { sentinel: { name: 'main', nodes: [`127.0.0.1:${port}`] }, timeoutMs: 2_000 }
  return kind
}

/** One that speaks TLS, with a certificate of its own. @returns why not, if it can't be made */
export async function startTls(): Promise<RedisKind | string> {
  const kind = new RedisKind()
  const directory = kind.directory()
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const files = ['-keyout', key, '-out', cert, '-days', '2']
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject]
  if (spawnSync('openssl', request).status !== 0) {
    await kind.stop()
    return 'openssl is not there to make a certificate'
  }
  const port = await freePort()
  await kind.start(
    ...['--tls-port', `${port}`, '--tls-cert-file', cert, '--tls-key-file', key],
    ...['--tls-ca-cert-file', cert, '--tls-auth-clients', 'no'],
  )
  await until(() => answersTls(port), 'the TLS port')
  kind.options = { url: `rediss://localhost:${port}`, tls: { ca: readFileSync(cert) } }
  return kind
}

function answersTls(port: number): boolean {
  const given = ['s_client', '-connect', `localhost:${port}`, '-brief']
  return spawnSync('openssl', given, { input: '', timeout: 5_000 }).status === 0
}
