import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { addressOf, Holdings } from '../../src/server/access/client.ts'
import { Client, refusal } from './client.ts'
import { failure, runningNode } from './running.ts'

test('requests beyond the rate are refused, upgrades and unknown tokens included', async () => {
  const { url } = await runningNode({ maxRequestsPerMinute: 3 })
  for (let n = 0; n < 3; n++) expect((await fetch(`${url}/a/*`)).status).toBe(200)
  const refused = await fetch(`${url}/a/*`)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await failure(refused)).toEqual({ status: 429, code: 'SKERRY_RATE_LIMITED' })
  expect(await refusal(url, 'a/*')).toEqual({ status: 429, code: 'SKERRY_RATE_LIMITED' })
})

test('nobody counts requests unless told to', async () => {
  const { url } = await runningNode()
  const all = await Promise.all(Array.from({ length: 200 }, () => fetch(`${url}/a/*`)))
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]))
})

test('a client has so many sockets and no more, and may open another when one is closed', async () => {
  const server = await runningNode({ maxSocketsPerClient: 2 })
  const first = await Client.open(server.url, 'a')
  await Client.open(server.url, 'b')
  const refused = { status: 429, code: 'SKERRY_CLIENT_SOCKETS_FULL' }
  expect(await refusal(server.url, 'c')).toEqual(refused)
  first.socket.close()
  await first.closed
  await expect.poll(() => server.status().sockets).toBe(1)
  await Client.open(server.url, 'c')
})

test('refused upgrades hold nothing', async () => {
  const { url } = await runningNode({ maxSocketsPerClient: 1 })
  for (let n = 0; n < 5; n++) expect((await refusal(url, 'a//b')).status).toBe(400)
  await Client.open(url, 'a')
})

test('all sockets together have a bound too', async () => {
  const { url } = await runningNode({ maxSockets: 1 })
  await Client.open(url, 'a')
  expect(await refusal(url, 'b')).toEqual({ status: 503, code: 'SKERRY_SOCKETS_FULL' })
})

test.each([{ maxConnections: 2 }, { maxConnectionsPerAddress: 2 }])(
  'connections beyond %j are cut off, and those before go on',
  async (options) => {
    const { url } = await runningNode(options)
    const { hostname, port } = new URL(url)
    const open = () => connect(Number(port), hostname)
    const kept = [open(), open()]
    await Promise.all(kept.map((socket) => once(socket, 'connect')))
    const ask = async (socket = kept[0]!) => {
      socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
      return String(((await once(socket, 'data')) as [Buffer])[0])
    }
    // Both are known to the server before a third comes.
    for (const socket of kept) expect(await ask(socket)).toContain('200 OK')
    const third = open()
    third.on('error', () => undefined).resume()
    await once(third, 'close')
    expect(await ask()).toContain('200 OK')
    for (const socket of kept) socket.destroy()
  },
)

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  [undefined, 'gone'],
])('the client at %s counts as %s', (remote, address) => {
  expect(addressOf(remote)).toBe(address)
})

test('who holds nothing is forgotten', () => {
  const holdings = new Holdings(1)
  expect([holdings.take('a'), holdings.take('a'), holdings.take('b')]).toEqual([true, false, true])
  holdings.release('a')
  expect(holdings.take('a')).toBe(true)
})
