import { Ajv2020 } from 'ajv/dist/2020.js'
import { once } from 'node:events'
import { connect } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Server, ServerOptions } from '../../src/index.ts'
import { openapiPath } from '../../src/server/openapi/document.ts'
import { operations } from '../../src/server/openapi/operations.ts'
import { directory } from './directory.ts'
import { runningNode } from './running.ts'

interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, { responses: Record<string, Answer> }>>
}

interface Answer {
  readonly content?: Record<string, unknown>
  readonly 'x-may-be-empty'?: boolean
}

const ADMIN = 'admin-0123456789abcdef'
const GUEST = 'guest-0123456789abcdef'

/** Checks answers against the document that the node itself serves. */
class Checked {
  readonly #server: Server
  readonly #document: Document
  readonly #ajv = new Ajv2020({ strict: false })
  readonly seen = new Set<string>()

  constructor(server: Server, document: Document) {
    this.#server = server
    this.#document = document
    this.#ajv.addSchema(document, 'openapi')
  }

  static async open(options: ServerOptions = {}): Promise<Checked> {
    const server = await runningNode(options)
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as Document
    return new Checked(server, document)
  }

  /** @param route what the path belongs to, such as `/{path}` */
  async ask(route: string, path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(`${this.#server.url}${path}`, init)
    const method = (init.method ?? 'GET').toLowerCase()
    await this.#check(route, method, response.clone())
    return response
  }

  async #check(route: string, method: string, response: Response): Promise<void> {
    const { status } = response
    this.seen.add(`${method} ${route} ${status}`)
    const answer = this.#document.paths[route]?.[method]?.responses[status]
    if (answer === undefined) throw new Error(`${method} ${route} may not answer ${status}`)
    const body = await response.text()
    if (answer.content === undefined) expect(body).toBe('')
    if (answer.content === undefined || (body === '' && answer['x-may-be-empty'])) return
    const [type] = response.headers.get('content-type')!.split(';')
    expect(Object.keys(answer.content)).toContain(type)
    if (type !== 'application/json') return
    const place = ['paths', route, method, 'responses', String(status), 'content', type, 'schema']
    const pointer = place.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/')
    const valid = this.#ajv.compile({ $ref: `openapi#/${encodeURI(pointer)}` })
    if (valid(JSON.parse(body))) return
    throw new Error(`${method} ${route} ${status}: ${this.#ajv.errorsText(valid.errors)}: ${body}`)
  }
}

test('the document lists every route of a node, and no other', async () => {
  const server = await runningNode({ cluster: {}, events: {} })
  const { keys } = server.routes
  const row = `{ summary: '…', answers: { 200: ref('Any') }, errors: […], query: […], body: […] }`
  const faults = [
    ...keys.filter((key) => !(key in operations)).map((key) => `add '${key}': ${row}`),
    ...Object.keys(operations)
      .filter((key) => !keys.includes(key))
      .map((key) => `remove '${key}': no node serves it`),
  ]
  expect(faults, 'src/server/openapi/operations.ts does not fit the routes').toEqual([])
  const { paths, openapi } = (await (await fetch(`${server.url}/openapi.json`)).json()) as Document
  expect(openapi).toBe('3.1.0')
  const listed = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(listed.sort()).toEqual(keys.map(openapiPath).sort())
})

test('what the document names as a WebSocket can be opened as one', async () => {
  const { url } = await runningNode()
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as Record<string, object>
  const paths = Object.keys(document['x-websockets']!)
  expect(paths).toHaveLength(4)
  for (const path of paths) {
    const socket = new WebSocket(url.replace('http', 'ws') + path.replace('{path}', 'a'))
    await once(socket, 'open')
    socket.terminate()
  }
})

test('what a node without cluster does not have is not in its document', async () => {
  const server = await runningNode()
  const { paths } = (await (await fetch(`${server.url}/openapi.json`)).json()) as Document
  expect(Object.keys(paths).filter((path) => path.includes('cluster'))).toEqual([])
})

test('what is answered is what the document says: paths and globs', async () => {
  const node = await Checked.open({ bodyLimitBytes: 1000 })
  const any = '/{path}'
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    node.ask(any, path, { method: 'POST', body, headers })
  const patch = (path: string, body: string, headers: Record<string, string> = {}) =>
    node.ask(any, path, { method: 'PATCH', body, headers })
  const { headers } = await post('/a', '{"n":1}')
  const etag = headers.get('etag')!
  await post('/box/*', '1')
  await post('/a', '1', { 'if-none-match': '*' })
  await post('/a', 'x'.repeat(1001))
  await post('/a', '{')
  await post('/a//b', '1')
  await post('/a', '1', { 'content-type': '/' })
  await node.ask(any, '/a')
  await node.ask(any, '/a', { headers: { 'if-none-match': etag } })
  await node.ask(any, '/box/*')
  await node.ask(any, '/box/*?limit=x')
  await node.ask(any, '/none')
  await patch('/a', '{"m":2}')
  await patch('/none', '{}')
  await patch('/a', '[{"op":"remove","path":"/none"}]', {
    'content-type': 'application/json-patch+json',
  })
  await patch('/a', '{}', { 'if-match': '"none"' })
  const remove = (path: string, conditions = {}) =>
    node.ask(any, path, { method: 'DELETE', headers: conditions })
  await remove('/a', { 'if-match': '"none"' })
  await remove('/a')
  await remove('/a')
  await remove('/box/*')
  for (const seen of ['get /{path} 304', 'post /{path} 412', 'delete /{path} 404']) {
    expect([...node.seen]).toContain(seen)
  }
})

test('what is answered is what the document says: batches, pages, health, metrics', async () => {
  const node = await Checked.open({ cluster: {} })
  const batch = (body: string) =>
    node.ask('/_skerry/batch', '/_skerry/batch', { method: 'POST', body })
  await batch('[{"op":"set","path":"a","data":1},{"op":"delete","path":"a"}]')
  await batch('[{"op":"fly"}]')
  await batch('')
  for (const path of ['/healthz', '/readyz', '/metrics', '/_skerry/status', '/openapi.json']) {
    expect((await node.ask(path, path)).status).toBe(200)
  }
  const withheld = '/_skerry/withheld'
  await node.ask(withheld, withheld)
  await node.ask(withheld, withheld, { method: 'POST', body: '{"drop":["a"]}' })
  await node.ask(withheld, withheld, { method: 'POST', body: '{"drop":"a"}' })
  const forget = '/_skerry/forget'
  await node.ask(forget, forget, { method: 'POST', body: '{"node":"none"}' })
  for (const api of ['keys', 'info', 'filters', 'state', 'pivot', 'none'])
    await node.ask('/', `/?api=${api}`)
  await node.ask('/', '/', { headers: { accept: 'application/json' } })
  await node.ask('/', '/')
  for (const path of ['', '/members', '/owner?key=a', '/owner', '/health?id=none']) {
    const [route = ''] = path.split('?')
    await node.ask(`/_skerry/cluster${route}`, `/_skerry/cluster${path}`)
  }
})

test('what is answered is what the document says: entries in and out, and the pivot protocol', async () => {
  const node = await Checked.open({ keys: ['users/*', 'alone'] })
  await node.ask('/{path}', '/users/a', { method: 'POST', body: '1' })
  const told = await node.ask('/_skerry/export', '/_skerry/export?key=users/*')
  const merge = (body: string) =>
    node.ask('/_skerry/import', '/_skerry/import', { method: 'POST', body })
  expect((await merge(await told.text())).status).toBe(200)
  expect((await merge('{')).status).toBe(400)
  expect((await node.ask('/_skerry/export', '/_skerry/export?key=a/')).status).toBe(400)
  const backup = '/_skerry/backup'
  expect((await node.ask(backup, backup)).status).toBe(200)
  expect((await node.ask(backup, `${backup}?data=/elsewhere`)).status).toBe(409)
  const route = '/_pivot/pivot/{path}'
  const pivot = async (status: number, path: string, init: RequestInit = {}) =>
    expect((await node.ask(route, `/_pivot/pivot/${path}`, init)).status).toBe(status)
  await pivot(200, 'users/*')
  await pivot(200, 'users/a')
  await pivot(500, 'alone')
  await pivot(422, 'other/a')
  const entry = { created: 1, updated: 2, index: 'b', path: 'users/b', data: 1 }
  await pivot(200, 'users/b', { method: 'POST', body: JSON.stringify(entry) })
  await pivot(400, 'users/b', { method: 'POST', body: '{' })
  await pivot(200, 'users/b/3', { method: 'DELETE' })
  await pivot(200, 'users/b', { method: 'POST', body: JSON.stringify(entry) })
  await pivot(400, 'users/b/x', { method: 'DELETE' })
  for (const path of ['version', 'health/nodes', 'pivot', 'synchronize/pivot', 'synchronize/node'])
    await node.ask(`/_pivot/${path}`, `/_pivot/${path}`)
  expect([...node.seen]).toContain('get /_pivot/pivot 400')
  const operator = '/_skerry/pivot'
  expect((await node.ask(`${operator}/removed`, `${operator}/removed`)).status).toBe(200)
  const tries = { retry: 204, 'restore?path=users/none': 404 }
  for (const [verb, status] of Object.entries(tries)) {
    const [route = ''] = verb.split('?')
    const answer = await node.ask(`${operator}/${route}`, `${operator}/${verb}`, { method: 'POST' })
    expect(answer.status).toBe(status)
  }
  const activity = '/_pivot/activity'
  expect((await node.ask(`${activity}/{path}`, `${activity}/users`)).status).toBe(200)
  expect((await node.ask(`${activity}/{path}`, `${activity}/other/*`)).status).toBe(422)
})

test('what is answered is what the document says: tokens and limits', async () => {
  const tokenFile = `${await directory()}/tokens.json`
  const tokens = [
    { name: 'admin', token: ADMIN, rights: [{ verbs: ['read', 'write', 'delete', 'admin'] }] },
    { name: 'guest', token: GUEST, rights: [] },
  ]
  await writeFile(tokenFile, JSON.stringify({ tokens }))
  const node = await Checked.open({ tokenFile })
  for (const [status, token] of [
    [401, 'unknown-0123456789'],
    [403, GUEST],
    [200, ADMIN],
  ] as const) {
    const headers = { authorization: `Bearer ${token}` }
    for (const path of ['/_skerry/status', '/metrics']) {
      expect((await node.ask(path, path, { headers })).status).toBe(status)
    }
    expect((await node.ask('/{path}', '/a/*', { headers })).status).toBe(status)
  }
  const limited = await Checked.open({ maxRequestsPerMinute: 1 })
  expect((await limited.ask('/healthz', '/healthz')).status).toBe(429)
})

/** What a client may send that is wrong, over the very bytes; and what it is told. */
const BAD: readonly [name: string, head: string, status: number, code: string][] = [
  ['no HTTP', 'nonsense', 400, 'REQUEST_INVALID'],
  ['an unknown method', 'BREW /a HTTP/1.1', 400, 'REQUEST_INVALID'],
  ['a method that no path has', 'PUT /a HTTP/1.1', 405, 'METHOD_NOT_ALLOWED'],
  ['a write to what is only read', 'POST /healthz HTTP/1.1', 400, 'JSON_INVALID'],
  ['a broken escape', 'GET /%zz HTTP/1.1', 400, 'REQUEST_INVALID'],
  ['bytes that are no UTF-8', 'GET /%ff%fe HTTP/1.1', 400, 'REQUEST_INVALID'],
  ['a NUL', 'GET /a%00b HTTP/1.1', 400, 'PATH_INVALID'],
  ['dots', 'GET /a/../b HTTP/1.1', 400, 'PATH_INVALID'],
  ['a path too long', `GET /${'a'.repeat(1025)} HTTP/1.1`, 400, 'PATH_INVALID'],
  ['too many segments', `GET /${'a/'.repeat(64)}a HTTP/1.1`, 400, 'PATH_INVALID'],
  ['a reserved name', 'DELETE /metrics/a HTTP/1.1', 400, 'PATH_RESERVED'],
  ['an event that is none', 'GET /_skerry/none HTTP/1.1', 400, 'PATH_INVALID'],
  ['huge headers', `GET /a HTTP/1.1\r\na: ${'x'.repeat(20_000)}`, 431, 'HEADERS_TOO_LARGE'],
  ['a broken header', 'GET /a HTTP/1.1\r\na b: c', 400, 'REQUEST_INVALID'],
  [
    'two lengths',
    'POST /a HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2',
    400,
    'REQUEST_INVALID',
  ],
  [
    'length and chunks',
    'POST /a HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked',
    400,
    'REQUEST_INVALID',
  ],
  ['a length that is none', 'POST /a HTTP/1.1\r\ncontent-length: -1', 400, 'REQUEST_INVALID'],
  ['a body too large', 'POST /a HTTP/1.1\r\ncontent-length: 99999999', 413, 'BODY_TOO_LARGE'],
  ['no body', 'POST /a HTTP/1.1', 400, 'JSON_INVALID'],
  ['a foreign page', 'POST /a HTTP/1.1\r\norigin: https://evil.example', 403, 'ORIGIN_REFUSED'],
  ['an origin that is none', 'POST /a HTTP/1.1\r\norigin: \\', 403, 'ORIGIN_REFUSED'],
  [
    'a broken upgrade',
    'GET /a HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c',
    400,
    'UPGRADE_INVALID',
  ],
  ['a page that is none', 'GET /?api=x HTTP/1.1', 400, 'REQUEST_INVALID'],
  [
    'a condition that is none',
    'POST /a HTTP/1.1\r\ncontent-length: 0\r\nif-match: x',
    400,
    'JSON_INVALID',
  ],
]

test.each(BAD)(
  '%s is answered as documented, and harms nothing',
  async (_name, head, status, code) => {
    const server = await runningNode()
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
    socket.on('error', () => undefined)
    const close = head.includes('connection:') ? '' : 'connection: close\r\n'
    socket.write(`${head}\r\nhost: localhost\r\n${close}\r\n`)
    await once(socket, 'close')
    expect(answer.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toContain(`{"code":"SKERRY_${code}","message":"`)
    expect(server.store.seq).toBe(0)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  },
)
