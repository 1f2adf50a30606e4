import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { patienceOf } from '../../src/server/patience.ts'
import { runningNode } from './running.ts'

/** Sends bytes over a socket that then says nothing more; resolves to all that came until it was closed. */
async function untilCutOff(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}

const POST = 'POST /box/slow HTTP/1.1\r\nhost: 127.0.0.1\r\n'

const CUT_OFF = /^HTTP\/1\.1 408 [^]*SKERRY_REQUEST_TIMEOUT/

test.each([
  ['with its length', `${POST}content-length: 100\r\n\r\n{"half":`],
  ['in chunks', `${POST}transfer-encoding: chunked\r\n\r\n8\r\n{"half":\r\n`],
])(
  'a body that never ends is cut off with 408, and nothing of it is written (%s)',
  async (_, bytes) => {
    const logged: unknown[] = []
    const log = (fields: object): void => void logged.push(fields)
    const logger = { info: () => undefined, warn: log, error: log }
    const { url, state } = await runningNode({ requestTimeoutMs: 200, logger })
    expect(await untilCutOff(url, bytes)).toMatch(CUT_OFF)
    expect(await state.keys()).toEqual([])
    expect(logged).toEqual([])
    const fine = await fetch(`${url}/box/fine`, { method: 'POST', body: '1' })
    expect(fine.status).toBe(200)
  },
)

test('a head that never ends is cut off with 408', async () => {
  const { url } = await runningNode({ requestTimeoutMs: 200 })
  expect(await untilCutOff(url, POST)).toMatch(CUT_OFF)
})

test('a connection that waits for its next request is not one that is slow', async () => {
  const { url } = await runningNode({ requestTimeoutMs: 200 })
  const { hostname, port } = new URL(url)
  const idle = connect(Number(port), hostname)
  let answer = ''
  idle.setEncoding('utf8').on('data', (text: string) => (answer += text))
  idle.write('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  await once(idle, 'data')
  expect(await untilCutOff(url, POST)).toMatch(CUT_OFF)
  expect(await untilCutOff(url, POST)).toMatch(CUT_OFF)
  idle.write('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n')
  await once(idle, 'close')
  expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(2)
})

test('how long a request may take decides how often it is looked at', () => {
  expect(patienceOf(300_000)).toEqual({
    requestTimeout: 300_000,
    headersTimeout: 60_000,
    connectionsCheckingInterval: 10_000,
  })
  expect(patienceOf(200)).toEqual({
    requestTimeout: 200,
    headersTimeout: 200,
    connectionsCheckingInterval: 20,
  })
})
