import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { generate } from 'selfsigned'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { generateKey } from '../../src/events.ts'
import { ManualEnv } from '../state/manual-env.ts'
import { directory } from './directory.ts'
import { runningNode } from './running.ts'

const PATIENCE = { timeout: 30_000 }

interface Certificate {
  readonly cert: string
  readonly private: string
}

let first: Certificate
let second: Certificate
let third: Certificate

beforeAll(async () => {
  const extensions = [
    { name: 'basicConstraints' as const, cA: true },
    { name: 'subjectAltName' as const, altNames: [{ type: 7 as const, ip: '127.0.0.1' }] },
  ]
  const make = (value: string) =>
    generate([{ name: 'commonName', value }], { keyType: 'ec', extensions })
  ;[first, second, third] = await Promise.all([make('one'), make('two'), make('three')])
})

async function files({ cert, private: key }: Certificate) {
  const path = await directory()
  await writeFile(`${path}/cert.pem`, cert)
  await writeFile(`${path}/key.pem`, key)
  return { cert: `${path}/cert.pem`, key: `${path}/key.pem` }
}

/** Asks over TLS; resolves to the status and the socket that carried it. */
async function ask(url: string, options: object): Promise<{ status: number; socket: TLSSocket }> {
  const asked = request(`${url}/healthz`, options)
  const [response] = (await once(asked.end(), 'response')) as [
    { statusCode: number; socket: TLSSocket; resume(): void },
  ]
  const { statusCode: status, socket } = response
  response.resume()
  return { status, socket }
}

test('HTTPS and wss are served with the certificate', async () => {
  const node = await runningNode({ tls: await files(first) })
  expect(node.url).toMatch(/^https:/)
  expect((await ask(node.url, { ca: first.cert })).status).toBe(200)
  await expect(ask(node.url, { ca: second.cert })).rejects.toThrow(/certificate/)
  const socket = new WebSocket(node.url.replace('https', 'wss'), { ca: first.cert })
  onTestFinished(() => socket.terminate())
  await once(socket, 'message')
})

test('a new certificate is shown to new connections, and open ones go on', async () => {
  const env = new ManualEnv()
  const logged: string[] = []
  const log = (_fields: object, message: string): void => void logged.push(message)
  const tls = await files(first)
  const { url } = await runningNode({ tls, logger: { info: log, warn: log, error: log } }, env)
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: first.cert })
  onTestFinished(() => agent.destroy())
  const before = await ask(url, { agent })
  const told = (text: string) =>
    expect
      .poll(() => {
        env.advance(1000)
        return logged.join()
      })
      .toContain(text)

  await writeFile(tls.cert, second.cert)
  await told('kept as before')
  expect((await ask(url, { agent })).status).toBe(200)
  await writeFile(tls.key, second.private)
  await told('was read again')

  const after = await ask(url, { agent })
  expect(after.socket).toBe(before.socket)
  expect((await ask(url, { ca: second.cert, agent: false })).status).toBe(200)
  await expect(ask(url, { ca: first.cert, agent: false })).rejects.toThrow(/certificate/)
})

test('clients without a certificate of the authority are refused', async () => {
  const tls = await files(first)
  const client = await files(second)
  const { url } = await runningNode({
    tls: { ...tls, ca: client.cert, requestClientCertificate: true },
  })
  const ca = first.cert
  expect((await ask(url, { ca, cert: second.cert, key: second.private })).status).toBe(200)
  await expect(ask(url, { ca })).rejects.toThrow()
  await expect(ask(url, { ca, cert: first.cert, key: first.private })).rejects.toThrow()
})

test('nodes that ask for certificates link with each other, and with nobody who has none', async () => {
  const [mine, its] = [await files(first), await files(second)]
  const both = `${await directory()}/ca.pem`
  await writeFile(both, `${first.cert}\n${second.cert}`)
  const strict = { ca: both, requestClientCertificate: true }
  const leader = await runningNode({ tls: { ...mine, ...strict } })
  const node = await runningNode({ tls: { ...its, ...strict }, leader: leader.url })
  await leader.state.text.set('a', '1')
  await expect.poll(async () => (await node.state.text.get('a'))?.data, PATIENCE).toBe('1')
  // It trusts the leader, and shows a certificate of an authority that the leader does not know.
  const tls = { ...(await files(third)), ca: mine.cert }
  const stranger = await runningNode({ tls, leader: leader.url })
  const why = () => stranger.status().sync.waiting.map(({ lastError }) => lastError)
  await expect.poll(why, PATIENCE).toEqual([expect.stringMatching(/alert|hang up|ECONNRESET/)])
  expect((await stranger.state.text.get('a'))?.data).toBeUndefined()
  // One that trusts nobody who vouches for the leader sends it nothing.
  const bare = await runningNode({ leader: leader.url })
  const refused = () => bare.status().sync.waiting.map(({ lastError }) => lastError)
  await expect.poll(refused, PATIENCE).toEqual([expect.stringMatching(/certificate/)])
})

test.each([true, false])(
  'what nodes tell each other by HTTP goes over TLS with certificates too: pivot alone %s',
  async (alone) => {
    const tls = await files(first)
    const strict = { ...tls, ca: tls.cert, requestClientCertificate: true }
    const shared = { keys: ['users/*'], nativeLink: !alone, nodeCheckIntervalMs: 50, tls: strict }
    const leader = await runningNode(shared)
    const node = await runningNode({ ...shared, leader: leader.url })
    await node.state.text.set('users/1', '"mine"')
    const there = async () => (await leader.state.text.get('users/1'))?.data
    await expect.poll(there, PATIENCE).toBe('"mine"')
    expect(node.pivot.status.leaders.map(({ active }) => active)).toEqual([alone])
  },
)

test('a cluster with its registry at a node, and its events, goes over TLS with certificates', async () => {
  const tls = await files(first)
  const strict = { ...tls, ca: tls.cert, requestClientCertificate: true }
  const quick = { slots: 64, leaseMs: 1000, heartbeatIntervalMs: 100 }
  const events = { replicationFactor: 2 }
  const seat = await runningNode({ id: 'a', cluster: quick, events, tls: strict })
  const other = await runningNode({
    ...{ id: 'b', cluster: { ...quick, registry: seat.url }, events, tls: strict },
  })
  const members = () => seat.cluster.members().map(({ id, status }) => [id, status])
  const alive = [
    ['a', 'alive'],
    ['b', 'alive'],
  ]
  await expect.poll(members, PATIENCE).toEqual(alive)
  await expect.poll(() => other.events.status().peers, PATIENCE).toBe(1)
  const key = generateKey()
  expect((await other.events.put(key, 1, 'ALL')).replicas.toSorted()).toEqual(['a', 'b'])
  expect(await seat.events.get(key)).toEqual({ key, event: 1 })
})

test('plain HTTP on the port of HTTPS harms nothing', async () => {
  const { url } = await runningNode({ tls: await files(first) })
  await expect(fetch(url.replace('https', 'http'))).rejects.toThrow()
  expect((await ask(url, { ca: first.cert })).status).toBe(200)
})
