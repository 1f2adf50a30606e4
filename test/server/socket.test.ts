import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { entryJson } from '../../src/core/entry.ts'
import type { Server } from '../../src/index.ts'
import { machineEnv } from '../../src/server/env.ts'
import { ManualEnv } from '../state/manual-env.ts'
import { Client, refusal } from './client.ts'
import { runningNode } from './running.ts'

async function dataDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'skerry-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

function listed(server: Server, glob: string): Promise<unknown> {
  return fetch(`${server.url}/${glob}`).then((response) => response.json())
}

test('a list and an entry are watched over real sockets', async () => {
  const server = await runningNode()
  await fetch(`${server.url}/box/a`, { method: 'POST', body: '{"n":1}' })
  const list = await Client.open(server.url, 'box/*')
  const entry = await Client.open(server.url, 'box/b')
  await Promise.all([list.watcher.frames(1), entry.watcher.frames(1)])
  expect(entry.watcher.copy).toEqual({ created: 0, updated: 0, index: '', data: {} })

  await fetch(`${server.url}/box/b`, { method: 'POST', body: '{"n":2}' })
  await Promise.all([list.watcher.frames(2), entry.watcher.frames(2)])
  expect(list.watcher.copy).toEqual(await listed(server, 'box/*'))
  expect(entry.watcher.copy).toEqual(await listed(server, 'box/b'))

  const { version } = list.watcher
  list.socket.close()
  await list.closed
  const current = await Client.open(server.url, `box/*?v=${version}`)
  await fetch(`${server.url}/box/*`, { method: 'DELETE' })
  await current.watcher.frames(1)
  expect(current.watcher.texts).toHaveLength(1)
  expect(current.watcher.copy).toEqual([])
})

test('subscribers that join while others write, read and delete end equal to the server', async () => {
  const server = await runningNode({ memory: false, data: await dataDirectory() })
  const clients: Promise<Client>[] = []
  const requests: Promise<unknown>[] = []
  for (let n = 0; n < 400; n++) {
    const path = `${server.url}/box/${n % 37}`
    if (n % 50 === 49) requests.push(fetch(`${server.url}/box/*`))
    else if (n % 11 === 5) requests.push(fetch(path, { method: 'DELETE' }))
    else requests.push(fetch(path, { method: 'POST', body: `{"n":${n}}` }))
    if (n % 20 === 10) {
      clients.push(Client.open(server.url, n % 40 === 10 ? 'box/*' : `box/${n % 37}`))
      await requests[n - 10]
    }
  }
  await Promise.all(requests)
  const list = await server.state.text.list('box/*')
  const whole = JSON.parse(`[${list.map(entryJson).join(',')}]`) as { path: string }[]
  for (const [n, opening] of clients.entries()) {
    const { watcher } = await opening
    const path = `box/${(n * 20 + 10) % 37}`
    const single = whole.find((entry) => entry.path === path)
    const missing = { created: 0, updated: 0, index: '', data: {} }
    const expected = n % 2 === 0 ? whole : (single ?? missing)
    await expect.poll(() => watcher.copy).toEqual(expected)
  }
})

test('the clock tells nanoseconds at once and then each second', async () => {
  const env = new ManualEnv()
  const server = await runningNode({}, env)
  const socket = new WebSocket(server.url.replace('http', 'ws'))
  const ticks: string[] = []
  socket.on(
    'message',
    (data: Buffer, isBinary) => void ticks.push(`${isBinary} ${data.toString()}`),
  )
  await expect.poll(() => ticks).toEqual(['true 1767602580000000000'])
  env.advance(2000)
  await expect
    .poll(() => ticks.slice(1))
    .toEqual(['true 1767602581000000000', 'true 1767602582000000000'])
  socket.terminate()
})

test('a client that is gone without a word is dropped', async () => {
  const env = new ManualEnv()
  const server = await runningNode({}, env)
  const living = await Client.open(server.url, 'a')
  const dead = await Client.open(server.url, 'a')
  // It reads no more, so it never answers a ping.
  dead.socket.pause()
  let pings = 0
  living.socket.on('ping', () => pings++)
  env.advance(30_000)
  await expect.poll(() => pings).toBe(1)
  // The answer to the ping is under way; the round trip of another message shows that it has come.
  await fetch(`${server.url}/a`, { method: 'POST', body: '1' })
  await living.watcher.frames(2)
  living.socket.send('still here')
  living.socket.ping()
  await once(living.socket, 'pong')
  env.advance(30_000)
  await expect.poll(() => server.status().sockets).toBe(1)
  await expect.poll(() => pings).toBe(2)
})

test('a client that stops reading slows nobody, and is closed', async () => {
  const env = new ManualEnv()
  const server = await runningNode({}, env)
  const slow = await Client.open(server.url, 'big')
  const brisk = await Client.open(server.url, 'big')
  await Promise.all([slow.watcher.frames(1), brisk.watcher.frames(1)])
  slow.socket.pause()
  // Enough to fill the buffers of the kernel and then ours.
  for (let n = 0; n < 40; n++) {
    await server.state.text.set('big', `"${n}${'x'.repeat(1024 * 1024)}"`)
    await brisk.watcher.frames(n + 2)
  }
  env.advance(30_000)
  slow.socket.resume()
  expect(await slow.closed).toBe(1013)
  expect(slow.watcher.texts.length).toBeLessThan(40)
  expect(brisk.socket.readyState).toBe(WebSocket.OPEN)
})

test('a client that was slow catches up', async () => {
  const server = await runningNode()
  const slow = await Client.open(server.url, 'big')
  await slow.watcher.frames(1)
  slow.socket.pause()
  for (let n = 0; n < 40; n++)
    await server.state.text.set('big', `"${n}${'x'.repeat(1024 * 1024)}"`)
  slow.socket.resume()
  const last = JSON.parse(entryJson((await server.state.text.get('big'))!)) as unknown
  await expect.poll(() => slow.watcher.copy).toEqual(last)
  expect(slow.watcher.texts.length).toBeLessThan(41)
})

test.each([
  ['a//b', 400, 'SKERRY_PATH_INVALID'],
  ['**', 400, 'SKERRY_PATH_INVALID'],
  ['_skerry/other', 400, 'SKERRY_PATH_INVALID'],
  ['metrics', 400, 'SKERRY_PATH_RESERVED'],
  ['%ff', 400, 'SKERRY_REQUEST_INVALID'],
])('a subscription to %s is refused', async (path, status, code) => {
  const { url } = await runningNode()
  expect(await refusal(url, path)).toEqual({ status, code })
})

test('pages of foreign origins are refused, and pages can not open links', async () => {
  const { url } = await runningNode({ allowedOrigins: ['https://app.example'] })
  const refused = { status: 403, code: 'SKERRY_ORIGIN_REFUSED' }
  expect(await refusal(url, 'a', { origin: 'https://evil.example' })).toEqual(refused)
  expect(await refusal(url, '', { origin: 'https://evil.example' })).toEqual(refused)
  expect(await refusal(url, '_skerry/link', { origin: 'https://app.example' })).toEqual(refused)
  for (const origin of ['https://app.example', url]) {
    const client = await Client.open(url, 'a', { origin })
    await client.watcher.frames(1)
  }
})

test.each([
  ['no key', 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'],
  ['an old version', `Upgrade: websocket\r\nSec-WebSocket-Key: ${'x'.repeat(22)}==\r\n`],
  ['another protocol', 'Upgrade: h2c\r\nSec-WebSocket-Version: 13\r\n'],
])('an upgrade with %s is refused', async (_name, headers) => {
  const { url } = await runningNode()
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  socket.write(`GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n${headers}\r\n`)
  await once(socket, 'close')
  expect(answer).toMatch(/^HTTP\/1.1 400 [^]*"SKERRY_UPGRADE_INVALID"/)
})

test('hostile frames end their own socket only', async () => {
  const server = await runningNode()
  const calm = await Client.open(server.url, 'a')
  const large = await Client.open(server.url, 'a')
  large.socket.send('x'.repeat(5000))
  expect(await large.closed).toBe(1009)

  const broken = await Client.open(server.url, 'a')
  // A frame with reserved bits, without a mask, of an unknown kind.
  ;(broken.socket as unknown as { _socket: NodeJS.WritableStream })._socket.write(
    Buffer.from([0xff, 0x7f, 0xff, 0xff]),
  )
  expect(await broken.closed).toBe(1002)
  calm.socket.send('anything')
  await server.state.text.set('a', '1')
  await calm.watcher.frames(2)
  expect(calm.watcher.copy).toMatchObject({ data: 1 })
})

test('a stop answers what is in flight and closes sockets with 1001', async () => {
  const server = await runningNode({ memory: false, data: await dataDirectory() }, machineEnv)
  const list = await Client.open(server.url, 'box/*')
  const clock = await Client.open(server.url, 'box/none').then(({ socket }) => socket)
  await list.watcher.frames(1)
  const writes = Array.from({ length: 50 }, (_, n) =>
    fetch(`${server.url}/box/${n}`, { method: 'POST', body: `${n}` }),
  )
  await writes[0]
  const [answers] = await Promise.all([Promise.allSettled(writes), server.close()])
  expect(await list.closed).toBe(1001)
  expect(clock.readyState).toBe(WebSocket.CLOSED)
  const accepted = answers.filter(
    (answer) => answer.status === 'fulfilled' && answer.value.status === 200,
  )
  expect((list.watcher.copy as unknown[]).length).toBeGreaterThanOrEqual(accepted.length)
  await expect(server.state.text.set('a', '1')).rejects.toMatchObject({
    code: 'SKERRY_STORE_CLOSED',
  })
  await expect(fetch(server.url)).rejects.toThrow()
})
