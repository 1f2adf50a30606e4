import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { createServer } from '../../src/index.ts'
import { failure, runningNode } from './running.ts'

test('a node says that it lives, that it is ready, and how it is', async () => {
  const { url, id } = await runningNode({ keys: ['users/*'] })
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  await fetch(`${url}/users/1`, { method: 'POST', body: '1' })
  const status: unknown = await (await fetch(`${url}/_skerry/status`)).json()
  expect(status).toMatchObject({ id, url, ready: true, seq: 1, durable: false, sockets: 0 })
  expect(status).toMatchObject({ sync: { nodeId: id, keys: ['users/*'], links: [] } })
})

test('a node that does not serve yet, or no more, is alive but not ready', async () => {
  const server = await createServer({ memory: true, port: 0 })
  expect((await server.app.inject('/healthz')).statusCode).toBe(200)
  const early = await server.app.inject('/readyz')
  expect([early.statusCode, early.json()]).toMatchObject([503, { code: 'SKERRY_NOT_READY' }])
  await server.close()
  await expect(server.listen()).rejects.toMatchObject({ code: 'SKERRY_NOT_READY' })
})

test('while a node stops, what is in flight is answered and what comes is not', async () => {
  const server = await createServer({ memory: true, port: 0 })
  let release: () => void = () => undefined
  let entered: () => void = () => undefined
  const inside = new Promise<void>((resolve) => (entered = resolve))
  const held = new Promise<void>((resolve) => (release = resolve))
  server.app.get('/_mine/slow', async () => {
    entered()
    await held
    return server.state.text.set('late', '1').then(({ path }) => path)
  })
  await server.listen()
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  let answers = ''
  socket.setEncoding('utf8').on('data', (text: string) => (answers += text))
  socket.write('GET /_mine/slow HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await inside

  const closing = server.close()
  await expect(fetch(server.url)).rejects.toThrow()
  // The connection is still there, so a client may use it once more.
  const arrived = once(server.app.server, 'request')
  socket.write('POST /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\n1')
  await arrived
  release()
  await once(socket, 'close')
  expect(answers).toMatch(/^HTTP\/1.1 200 OK[^]*\r\n\r\nlateHTTP\/1.1 503 [^]*"SKERRY_NOT_READY"/)
  await closing
  await expect(server.close()).resolves.toBeUndefined()
})

test('an error nobody foresaw is logged, not told, and harms nothing', async () => {
  const logged: unknown[] = []
  const log = (fields: object): void => void logged.push(fields)
  const logger = { info: log, warn: log, error: log }
  const server = await createServer({ memory: true, port: 0, logger })
  server.app.get('/_mine/broken', async () => {
    throw new Error('the secret of the house')
  })
  await server.listen()
  const response = await fetch(`${server.url}/_mine/broken`)
  expect(await failure(response)).toEqual({ status: 500, code: 'SKERRY_INTERNAL' })
  expect(logged).toMatchObject([
    { err: { cause: { message: 'the secret of the house' } }, method: 'GET' },
  ])
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  await server.close()
})
