import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { generate } from 'selfsigned'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { ManualEnv } from '../state/manual-env.ts'
import { directory } from './directory.ts'
import { runningNode } from './running.ts'

interface Certificate {
  readonly cert: string
  readonly private: string
}

let first: Certificate
let second: Certificate

beforeAll(async () => {
  const names = [{ name: 'commonName', value: 'localhost' }]
  const extensions = [
    { name: 'basicConstraints' as const, cA: true },
    { name: 'subjectAltName' as const, altNames: [{ type: 7 as const, ip: '127.0.0.1' }] },
  ]
  const make = () => generate(names, { keyType: 'ec', extensions })
  ;[first, second] = await Promise.all([make(), make()])
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

test('plain HTTP on the port of HTTPS harms nothing', async () => {
  const { url } = await runningNode({ tls: await files(first) })
  await expect(fetch(url.replace('https', 'http'))).rejects.toThrow()
  expect((await ask(url, { ca: first.cert })).status).toBe(200)
})
