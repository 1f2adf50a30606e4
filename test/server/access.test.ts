import { Ajv } from 'ajv'
import { hash } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { WebSocket } from 'ws'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { createServer } from '../../src/index.ts'
import { tokenFileSchema } from '../../src/server/access/tokens.ts'
import { read } from '../repo/sources.ts'
import { ManualEnv } from '../state/manual-env.ts'
import { Client, refusal } from './client.ts'
import { directory } from './directory.ts'
import { failure, runningNode } from './running.ts'

const tokens = {
  admin: 'admin-0123456789abcdef',
  ada: 'ada-0123456789abcdef',
  guest: 'guest-0123456789abcdef',
}

const file = {
  tokens: [
    {
      name: 'admin',
      token: tokens.admin,
      rights: [{ verbs: ['read', 'write', 'delete', 'admin'] }],
    },
    {
      name: 'ada',
      sha256: hash('sha256', tokens.ada, 'hex'),
      rights: [
        { verbs: ['read', 'write'], paths: ['users/*', 'settings'] },
        { verbs: ['delete'], paths: ['users/ada'] },
      ],
    },
    { name: 'guest', token: tokens.guest, rights: [{ verbs: ['read'], paths: ['public/*'] }] },
  ],
}

async function tokenFile(content: unknown = file): Promise<string> {
  const path = `${await directory()}/tokens.json`
  await writeFile(path, JSON.stringify(content))
  return path
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

type Who = keyof typeof tokens | 'nobody'

describe('rights are the same over REST and sockets', async () => {
  const cases: [who: Who, method: string, path: string, status: number][] = [
    ['nobody', 'GET', 'users/ada', 401],
    ['nobody', 'GET', 'users/*', 401],
    ['nobody', 'POST', 'users/ada', 401],
    ['nobody', 'DELETE', 'users/ada', 401],
    ['nobody', 'PUT', 'users/ada', 401],
    ['nobody', 'GET', '_skerry/status', 401],
    ['nobody', 'GET', 'nothing/here', 401],
    ['nobody', 'GET', '', 200],
    ['nobody', 'GET', 'healthz', 200],
    ['nobody', 'GET', 'readyz', 200],
    ['guest', 'GET', 'public/1', 200],
    ['guest', 'GET', 'public/*', 200],
    ['guest', 'GET', 'users/ada', 403],
    ['guest', 'GET', 'users/*', 403],
    ['guest', 'GET', '*/ada', 403],
    ['guest', 'GET', '*/*', 403],
    ['guest', 'GET', '*', 403],
    ['guest', 'GET', 'public/1/deep', 403],
    ['guest', 'GET', 'public%2F1', 200],
    ['guest', 'GET', 'public%2F..%2Fusers%2Fada', 403],
    ['guest', 'POST', 'public/1', 403],
    ['guest', 'POST', 'public/*', 403],
    ['guest', 'DELETE', 'public/1', 403],
    ['guest', 'DELETE', 'public/*', 403],
    ['guest', 'GET', '_skerry/status', 403],
    ['ada', 'GET', 'users/ada', 200],
    ['ada', 'POST', 'users/eve', 200],
    ['ada', 'POST', 'users/*', 200],
    ['ada', 'DELETE', 'users/ada', 204],
    ['ada', 'DELETE', 'users/eve', 403],
    ['ada', 'DELETE', 'users/*', 403],
    ['ada', 'POST', 'settings/*', 403],
    ['ada', 'GET', '_skerry/status', 403],
    ['admin', 'DELETE', 'users/*', 204],
    ['admin', 'GET', '_skerry/status', 200],
    ['admin', 'PUT', 'users/ada', 405],
  ]

  test.each(cases)('%s, %s /%s: %i', async (who, method, path, status) => {
    const node = await runningNode({ tokenFile: await tokenFile() })
    await node.state.text.set('users/ada', '1')
    await node.state.text.set('public/1', '1')
    const headers = bearer(who === 'nobody' ? undefined : tokens[who])
    const response = await fetch(`${node.url}/${path}`, {
      method,
      headers,
      ...(method === 'POST' && { body: '1' }),
    })
    expect(response.status).toBe(status)
    if (status === 401) expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /)
    if (status === 401) expect((await failure(response)).code).toBe('SKERRY_UNAUTHENTICATED')
    if (status === 403) expect((await failure(response)).code).toBe('SKERRY_FORBIDDEN')
    if (method !== 'GET' || path === '' || path.endsWith('z') || path.endsWith('status')) return
    if (status === 200) await Client.open(node.url, path, headers)
    else expect((await refusal(node.url, path, headers)).status).toBe(status)
  })

  test.each([
    ['nobody', 401],
    ['guest', 403],
    ['ada', 403],
  ] as const)('%s may open no link: %i', async (who, status) => {
    const node = await runningNode({ tokenFile: await tokenFile() })
    const headers = bearer(who === 'nobody' ? undefined : tokens[who])
    expect((await refusal(node.url, '_skerry/link', headers)).status).toBe(status)
  })
})

test('nodes link with the token of a peer, and not without it', async () => {
  const leader = await runningNode({ id: 'leader', tokenFile: await tokenFile() })
  const peerTokenFile = `${await directory()}/token`
  await writeFile(peerTokenFile, `${tokens.admin}\n`)
  const stranger = await runningNode({ id: 'stranger', leader: leader.url })
  const node = await runningNode({ id: 'node', leader: leader.url, peerTokenFile })
  await leader.state.text.set('a', '1')
  await expect.poll(async () => (await node.state.text.get('a'))?.data).toBe('1')
  await expect
    .poll(() => JSON.stringify(stranger.status().sync))
    .toContain('Unexpected server response: 401')
  expect(await stranger.state.text.get('a')).toBeUndefined()
})

test('browsers bring the token as a sub-protocol, which is answered with bearer', async () => {
  const { url } = await runningNode({ tokenFile: await tokenFile() })
  const socket = new WebSocket(`${url.replace('http', 'ws')}/users/ada`, ['bearer', tokens.ada])
  const [response] = (await once(socket, 'upgrade')) as [{ headers: Record<string, string> }]
  expect(response.headers['sec-websocket-protocol']).toBe('bearer')
  socket.terminate()
  const protocols = { 'sec-websocket-protocol': `bearer, ${tokens.guest}` }
  expect(await refusal(url, 'users/ada', protocols)).toEqual({
    status: 403,
    code: 'SKERRY_FORBIDDEN',
  })
  const unknown = { 'sec-websocket-protocol': 'bearer, nobody-0123456789' }
  expect(await refusal(url, '', unknown)).toEqual({ status: 401, code: 'SKERRY_UNAUTHENTICATED' })
  expect((await refusal(url, '', { 'sec-websocket-protocol': 'bearer' })).status).toBe(401)
})

test.each([
  ['Basic YTpi'],
  ['Bearer'],
  ['Bearer a b'],
  ['Bearer unknown-0123456789abcdef'],
  [`Bearer ${'x'.repeat(8000)}`],
  ['Bearer a.b.c'],
])('credentials %s are refused', async (authorization) => {
  const { url } = await runningNode({ tokenFile: await tokenFile() })
  const response = await fetch(`${url}/a`, { headers: { authorization } })
  expect(await failure(response)).toEqual({ status: 401, code: 'SKERRY_UNAUTHENTICATED' })
})

test('who brings no token has the rights of anonymous, and is told to bring one beyond', async () => {
  const anonymous = [{ verbs: ['read'], paths: ['public/*'] }]
  const {
    url,
    state: { text: state },
  } = await runningNode({ tokenFile: await tokenFile({ ...file, anonymous }) })
  await state.set('public/1', '1')
  expect((await fetch(`${url}/public/1`)).status).toBe(200)
  expect((await fetch(`${url}/public/1`, { method: 'DELETE' })).status).toBe(401)
  expect((await fetch(`${url}/public/1`, { headers: bearer('wrong-0123456789') })).status).toBe(401)
  const preflight = await fetch(`${url}/public/1`, { method: 'OPTIONS' })
  expect(preflight.status).toBe(405)
})

test('a token file that changes holds at once; one that breaks changes nothing', async () => {
  const path = await tokenFile()
  const logged: string[] = []
  const log = (_fields: object, message: string): void => void logged.push(message)
  const logger = { info: log, warn: log, error: log }
  const env = new ManualEnv()
  const { url } = await runningNode({ tokenFile: path, logger }, env)
  const status = async (token: string) =>
    (await fetch(`${url}/public/*`, { headers: bearer(token) })).status
  const replace = async (text: string) => {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
    const before = logged.length
    await expect
      .poll(() => {
        env.advance(1000)
        return logged.length
      })
      .toBeGreaterThan(before)
  }
  await replace('{"tokens": [')
  expect(logged.at(-1)).toContain('kept as before')
  expect(await status(tokens.guest)).toBe(200)
  await replace('{"tokens": []}')
  expect(await status(tokens.guest)).toBe(401)
})

test.each([
  ['no JSON', '{"tokens": [{"token": "secret-secret-secret"', /not JSON/],
  ['a short token', { tokens: [{ name: 'a', token: 'short', rights: [] }] }, /\/tokens\/0\/token/],
  ['no token', { tokens: [{ name: 'a', rights: [] }] }, /\/tokens\/0/],
  ['an unknown verb', { tokens: [], anonymous: [{ verbs: ['fly'] }] }, /\/anonymous\/0\/verbs\/0/],
  ['a path that is none', { tokens: [], anonymous: [{ verbs: [], paths: ['a//b'] }] }, /a\/\/b/],
  ['an unknown member', { tokens: [], users: [] }, /additional/],
  ['one token twice', { tokens: [file.tokens[0], file.tokens[0]] }, /there already/],
])('a token file with %s is refused, and nothing is begun', async (_name, content, said) => {
  const path = `${await directory()}/tokens.json`
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  const error: unknown = await createServer({ memory: true, tokenFile: path }).catch(
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ code: 'SKERRY_OPTION_INVALID' })
  expect((error as Error).message).toMatch(said)
  expect((error as Error).message).not.toContain('secret')
})

test('a node that authenticates may listen on any address', async () => {
  const { url } = await runningNode({ host: '0.0.0.0', tokenFile: await tokenFile() })
  expect((await fetch(`${url}/a`)).status).toBe(401)
})

test('routes of an application are closed too, unless they are open', async () => {
  const server = await createServer({ memory: true, port: 0, tokenFile: await tokenFile() })
  server.app.get('/_mine/name', async ({ principal }) => principal.name)
  server.app.get('/_mine/open', { config: { open: true } }, async () => 'open')
  const get = async (url: string, headers = {}) =>
    (await server.app.inject({ url, headers })).payload
  expect(await get('/_mine/name')).toContain('SKERRY_UNAUTHENTICATED')
  expect(await get('/_mine/name', bearer(tokens.ada))).toBe('ada')
  expect(await get('/_mine/open')).toBe('open')
  expect(await get('/_mine/%6fpen')).toBe('open')
  expect(await get('/_%6dine/open')).toContain('SKERRY_UNAUTHENTICATED')
  await server.close()
})

test('an open route may begin with a parameter', async () => {
  const server = await createServer({ memory: true, port: 0, tokenFile: await tokenFile() })
  server.app.get('/:anything/open', { config: { open: true } }, async () => 'open')
  expect((await server.app.inject('/this/open')).payload).toBe('open')
  expect((await server.app.inject('/this')).statusCode).toBe(401)
  await server.close()
})

test('docs/token-file.schema.json is the schema that token files are checked against', () => {
  expect(JSON.parse(read('docs/token-file.schema.json'))).toEqual(tokenFileSchema)
  expect(new Ajv({ strictRequired: false }).validate(tokenFileSchema, file)).toBe(true)
})
