import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Server, ServerOptions } from '../../src/index.ts'
import { readSecrets } from '../../src/sync/trust/secrets.ts'
import { signature, SIGNATURE_WINDOW_MS, SignatureCheck } from '../../src/server/trust/signature.ts'
import { failure, runningNode } from './running.ts'

const OLD = 'the first secret of the cluster, long enough'
const NEW = 'the second one, which takes its place soon!!'
const [secret] = readSecrets(OLD)

function secretFile(...secrets: string[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'skerry-secret-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'secret')
  writeFileSync(file, secrets.join('\n'))
  return file
}

const node = (secrets: string[], options: ServerOptions = {}): Promise<Server> =>
  runningNode({ secretFile: secretFile(...secrets), ...options })

const text = async (server: Server, path: string) => (await server.state.text.get(path))?.data

test('servers with the same secret share state by a sealed link, tokens or not', async () => {
  const leader = await node([OLD])
  const follower = await node([OLD], { leader: leader.url })
  await follower.state.text.set('a', '1')
  await expect.poll(() => text(leader, 'a')).toBe('1')
})

test('a server without the secret, or with another one, gets no link', async () => {
  const leader = await node([OLD])
  await leader.state.text.set('private', '1')
  for (const options of [{}, { secretFile: secretFile(NEW) }]) {
    const stranger = await runningNode({ leader: leader.url, ...options })
    await expect
      .poll(() => stranger.status().sync.waiting.map(({ lastError }) => lastError ?? ''))
      .toEqual([expect.stringMatching(/UNTRUSTED|not trusted/)])
    expect(await text(stranger, 'private')).toBeUndefined()
  }
})

test('a secret is replaced while nodes run: files are read again', async () => {
  const file = secretFile(OLD)
  const leader = await runningNode({ secretFile: file })
  writeFileSync(file, `${NEW}\n${OLD}\n`)
  const follower = await node([NEW], { leader: leader.url })
  await follower.state.text.set('a', '1')
  await expect.poll(() => text(leader, 'a')).toBe('1')
})

test('a peer without the right admin shares what its token may read, write and delete', async () => {
  const token = 'a-token-of-the-edge-number-7'
  const rights = [
    { verbs: ['read', 'write', 'delete'], paths: ['edge/*'] },
    { verbs: ['admin'], paths: ['link'] },
  ]
  const tokens = { tokens: [{ name: 'edge7', token, rights }] }
  const keys = ['edge/*', 'secret/*']
  const leader = await runningNode({ tokenFile: secretFile(JSON.stringify(tokens)), keys })
  await leader.state.text.set('edge/1', '1')
  await leader.state.text.set('secret/1', '1')
  const options = { peerTokenFile: secretFile(token), keys, leader: leader.url }
  const edge = await runningNode(options)
  await edge.state.text.set('secret/2', '2')
  await edge.state.text.set('edge/2', '2')
  await expect.poll(() => text(leader, 'edge/2')).toBe('2')
  await expect.poll(() => text(edge, 'edge/1')).toBe('1')
  expect(edge.status().sync.links.map(({ keys: shared }) => shared)).toEqual([['edge/*']])
  expect(await text(edge, 'secret/1')).toBeUndefined()
  expect(await text(leader, 'secret/2')).toBeUndefined()
})

const url = '/_pivot/pivot/users/1'
const body = '{"created":1700000000000000000,"updated":0,"data":{"name":"Ada"}}'
const signed = (nowMs = Date.now()) =>
  signature(secret!, { method: 'POST', target: url, body }, nowMs)

async function post(server: Server, authorization: string | undefined, sent = body) {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
  return fetch(server.url + url, { method: 'POST', body: sent, headers })
}

const UNAUTHENTICATED = { status: 401, code: 'SKERRY_UNAUTHENTICATED' }

test('the pivot protocol takes signed requests only, once, in their time, as they were signed', async () => {
  const server = await node([OLD], { keys: ['users/*'] })
  expect(await failure(await post(server, undefined))).toEqual(UNAUTHENTICATED)
  expect(await failure(await post(server, 'Bearer whatever-token-it-may-be'))).toEqual(
    UNAUTHENTICATED,
  )
  const once = signed()
  expect((await post(server, once)).status).toBe(200)
  expect(await failure(await post(server, once))).toEqual(UNAUTHENTICATED)
  expect(await failure(await post(server, signed(), body.replace('Ada', 'Eve')))).toEqual(
    UNAUTHENTICATED,
  )
  const late = signed(Date.now() - 2 * SIGNATURE_WINDOW_MS)
  expect(await failure(await post(server, late))).toEqual(UNAUTHENTICATED)
  const forged = signed().replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
  expect(await failure(await post(server, forged))).toEqual(UNAUTHENTICATED)
  for (const path of ['/_pivot/version', '/_pivot/activity/users', '/_pivot/synchronize/pivot']) {
    expect(await failure(await fetch(server.url + path))).toEqual(UNAUTHENTICATED)
  }
  expect(await text(server, 'users/1')).toBe('{"name":"Ada"}')
})

test('a signature for one route opens no other one', async () => {
  const server = await node([OLD], { keys: ['users/*'] })
  const headers = { authorization: signed() }
  const elsewhere = await fetch(`${server.url}/_pivot/pivot/users/2`, {
    method: 'POST',
    body,
    headers,
  })
  expect(await failure(elsewhere)).toEqual(UNAUTHENTICATED)
  const otherwise = await fetch(server.url + url, { method: 'DELETE', headers })
  expect(await failure(otherwise)).toEqual(UNAUTHENTICATED)
})

test('addresses of Go nodes need no signature, for the pivot protocol alone', async () => {
  const server = await node([OLD], { keys: ['users/*'], allowUnsigned: ['127.0.0.0/8'] })
  expect((await post(server, undefined)).status).toBe(200)
  expect((await fetch(`${server.url}/_pivot/version`)).status).toBe(200)
})

test('over the pivot protocol servers sign for each other', async () => {
  const keys = ['users/*']
  const leader = await node([OLD], { keys, nativeLink: false })
  const follower = await node([OLD], { keys, leader: leader.url, nativeLink: false })
  await follower.state.text.set('users/1', '{"name":"Ada"}')
  await expect.poll(() => text(leader, 'users/1')).toBe('{"name":"Ada"}')
})

test('a rogue address in the list of nodes is told nothing', async () => {
  const heard: { url: string | undefined; headers: IncomingHttpHeaders; body: string }[] = []
  const rogue = createHttpServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { url: asked, headers } = request
      heard.push({ url: asked, headers, body: Buffer.concat(pieces).toString() })
      response.writeHead(302, { location: 'http://127.0.0.1:9/elsewhere' }).end()
    })
  })
  await new Promise<void>((resolve) => rogue.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void rogue.close())
  const { port } = rogue.address() as AddressInfo
  const leader = await node([OLD], {
    keys: ['users/*'],
    nodesKey: 'nodes/*',
    nodeCheckIntervalMs: 50,
  })
  await leader.state.text.set('nodes/1', JSON.stringify({ ip: '127.0.0.1', port }))
  await leader.state.text.set('users/1', '{"name":"private"}')
  await expect.poll(() => heard.length).toBeGreaterThan(1)
  const told = JSON.stringify(heard)
  for (const word of ['private', OLD, 'Bearer']) expect(told).not.toContain(word)
  expect(heard.every(({ url: asked }) => asked === '/' || asked?.startsWith('/_pivot/'))).toBe(true)
})

test('a check of signatures forgets nonces only when their time is over', () => {
  let nowMs = 1_700_000_000_000
  const check = new SignatureCheck(
    () => [secret!],
    () => nowMs,
  )
  const asked = { method: 'GET', target: '/x' }
  const first = signature(secret!, asked, nowMs)
  check.verify(first, asked)
  for (const step of [1, SIGNATURE_WINDOW_MS - 1]) {
    nowMs += step
    expect(() => check.verify(first, asked)).toThrow(/sent before/)
  }
  nowMs += SIGNATURE_WINDOW_MS
  expect(() => check.verify(first, asked)).toThrow(/out of its time/)
})

test('a mac by another key is refused, whatever the id says', () => {
  const check = new SignatureCheck(() => [secret!], Date.now)
  const mac = createHmac('sha256', 'guess').digest('hex')
  const header = `Skerry-HMAC ${secret!.id}.${Date.now()}.${'0'.repeat(24)}.${'0'.repeat(64)}.${mac}`
  expect(() => check.verify(header, { method: 'GET', target: '/' })).toThrow(/does not fit/)
})
