import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { failure, runningNode } from './running.ts'

function post(url: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
  return fetch(url, { method: 'POST', body, headers })
}

/** Sends bytes as they are and reads all that comes back. */
async function raw(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  socket.write(request)
  await once(socket, 'close')
  return answer
}

test('an entry is created, read, overwritten and deleted', async () => {
  const { url } = await runningNode()
  const created = await post(`${url}/users/42`, '{"name":"Ada"}')
  expect([created.status, await created.text()]).toEqual([200, '{"index":"42"}'])

  const first = await (await fetch(`${url}/users/42`)).text()
  expect(first).toMatch(
    /^\{"created":\d{19},"updated":0,"index":"42","path":"users\/42","data":\{"name":"Ada"\}\}$/,
  )
  await post(`${url}/users/42`, '{"name":"Grace"}')
  const second = await fetch(`${url}/users/42`)
  expect(second.headers.get('content-type')).toBe('application/json; charset=utf-8')
  const text = await second.text()
  const createdAt = /"created":(\d+)/.exec(first)![1]
  expect(text).toContain(`"created":${createdAt},"updated":1`)
  expect(text).toContain('{"name":"Grace"}')

  const deleted = await fetch(`${url}/users/42`, { method: 'DELETE' })
  expect([deleted.status, await deleted.text()]).toEqual([204, ''])
  expect(await failure(await fetch(`${url}/users/42`))).toEqual({
    status: 404,
    code: 'SKERRY_NOT_FOUND',
  })
  const again = await fetch(`${url}/users/42`, { method: 'DELETE' })
  expect(await failure(again)).toEqual({ status: 404, code: 'SKERRY_NOT_FOUND' })
})

test('data comes back as the very text that was written', async () => {
  const { url } = await runningNode()
  const texts = [
    '{ "b" : 1, "a":9223372036854775807, "a": 1.50e+3 }',
    '-9223372036854775808',
    ' [1 ,2]\n',
    '"\\u00e9 é \\ud83d\\ude00 😀 \\/"',
    'null',
    '{"__proto__":{"x":1}}',
  ]
  for (const [index, text] of texts.entries()) {
    expect((await post(`${url}/texts/${index}`, text)).status).toBe(200)
    const entry = await (await fetch(`${url}/texts/${index}`)).text()
    expect(entry.slice(entry.indexOf('"data":') + 7, -1)).toBe(text)
  }
})

test('pushes get fresh indexes that are unique and sort by time', async () => {
  const { url } = await runningNode()
  const pushes = Array.from({ length: 200 }, (_, n) => post(`${url}/log/*`, `${n}`))
  const indexes = await Promise.all(
    pushes.map(async (push) => ((await (await push).json()) as { index: string }).index),
  )
  expect(new Set(indexes).size).toBe(200)
  for (const index of indexes) expect(index).toMatch(/^[0-9a-f]{24}$/)
  expect(new Set(indexes.map((index) => index.slice(16))).size).toBe(1)

  const list = (await (await fetch(`${url}/log/*`)).json()) as { index: string }[]
  expect(list.map(({ index }) => index)).toEqual([...indexes].sort().reverse())
})

test('a glob lists exactly its segments, newest first', async () => {
  const { url } = await runningNode()
  for (const path of ['box/1/things/a', 'box/2/things/b', 'box/1', 'box/1/other/c', 'top']) {
    await post(`${url}/${path}`, '1')
  }
  const paths = async (glob: string): Promise<string[]> => {
    const list = (await (await fetch(`${url}/${glob}`)).json()) as { path: string }[]
    return list.map(({ path }) => path)
  }
  expect(await paths('box/*/things/*')).toEqual(['box/2/things/b', 'box/1/things/a'])
  expect(await paths('box/*')).toEqual(['box/1'])
  expect(await paths('*')).toEqual(['top'])
  expect(await paths('%2A')).toEqual(['top'])
  expect(await paths('none/*')).toEqual([])
})

test('a delete by glob takes all that match, and nothing else', async () => {
  const { url, store } = await runningNode()
  for (let n = 0; n < 20; n++) await post(`${url}/box/${n}`, '1')
  await post(`${url}/box/1/deep`, '1')
  const commits: number[] = []
  store.watch(({ changes }) => commits.push(changes.length))
  expect((await fetch(`${url}/box/*`, { method: 'DELETE' })).status).toBe(204)
  expect(commits).toEqual([20])
  expect(await (await fetch(`${url}/box/*`)).text()).toBe('[]')
  expect((await fetch(`${url}/box/1/deep`)).status).toBe(200)
  expect((await fetch(`${url}/box/*`, { method: 'DELETE' })).status).toBe(204)
})

test.each([
  ['POST', 'a//b', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', 'a%2F..%2Fb', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', '-a', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', 'a/', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', 'a b', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', 'ä', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', '', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', 'a/*/b', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', 'a/**', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', 'a/b*', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', '_skerry/link', '1', 400, 'SKERRY_PATH_INVALID'],
  ['POST', 'metrics', '1', 400, 'SKERRY_PATH_RESERVED'],
  ['POST', 'healthz', '1', 400, 'SKERRY_PATH_RESERVED'],
  ['POST', 'readyz/x', '1', 400, 'SKERRY_PATH_RESERVED'],
  ['POST', '%E0%A4%A', '1', 400, 'SKERRY_REQUEST_INVALID'],
  ['GET', 'a/%ff', undefined, 400, 'SKERRY_REQUEST_INVALID'],
  ['GET', 'a//b', undefined, 400, 'SKERRY_PATH_INVALID'],
  ['GET', '**', undefined, 400, 'SKERRY_PATH_INVALID'],
  ['DELETE', 'a/*/b/*', undefined, 400, 'SKERRY_PATH_INVALID'],
  ['DELETE', 'metrics/*', undefined, 400, 'SKERRY_PATH_RESERVED'],
  ['POST', 'a', '', 400, 'SKERRY_JSON_INVALID'],
  ['POST', 'a', '{"a":1', 400, 'SKERRY_JSON_INVALID'],
  ['POST', 'a', '{a:1}', 400, 'SKERRY_JSON_INVALID'],
  ['POST', 'a', '\ufeff1', 400, 'SKERRY_JSON_INVALID'],
  ['POST', 'a', '01', 400, 'SKERRY_JSON_INVALID'],
  ['PUT', 'a', '1', 405, 'SKERRY_METHOD_NOT_ALLOWED'],
  ['OPTIONS', 'a', undefined, 405, 'SKERRY_METHOD_NOT_ALLOWED'],
])('%s /%s with body %s is refused', async (method, path, body, ...expected) => {
  const [status, code] = expected
  const { url, store } = await runningNode()
  const response = await fetch(`${url}/${path}`, { method, ...(body !== undefined && { body }) })
  if (status === 405) expect(response.headers.get('allow')).toBe('GET, HEAD, POST, PATCH, DELETE')
  expect(await failure(response)).toEqual({ status, code })
  expect(store.seq).toBe(0)
})

test('a path that is too long is refused, also if only its index makes it so', async () => {
  const { url } = await runningNode()
  for (const path of ['a'.repeat(1025), `${'a'.repeat(1020)}/*`]) {
    const response = await post(`${url}/${path}`, '1')
    expect(await failure(response)).toEqual({ status: 400, code: 'SKERRY_PATH_INVALID' })
  }
})

test('a body that is not UTF-8 is refused', async () => {
  const { url } = await runningNode()
  const response = await post(`${url}/a`, Uint8Array.of(0x22, 0xff, 0x22))
  expect(await failure(response)).toEqual({ status: 400, code: 'SKERRY_JSON_INVALID' })
})

test('the content type does not matter, unless it is malformed', async () => {
  const { url } = await runningNode()
  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
    expect((await post(`${url}/a`, '1', { 'content-type': type })).status).toBe(200)
  }
  const untyped = await raw(
    url,
    'POST /b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1\r\n\r\n7',
  )
  expect(untyped).toContain('{"index":"b"}')
  const malformed = await post(`${url}/a`, '1', { 'content-type': '/' })
  expect(await failure(malformed)).toEqual({ status: 415, code: 'SKERRY_CONTENT_TYPE_INVALID' })
})

test('a body over the limit is refused, announced or not', async () => {
  const { url, store } = await runningNode({ bodyLimitBytes: 100 })
  expect((await post(`${url}/a`, `"${'x'.repeat(98)}"`)).status).toBe(200)
  const announced = await raw(
    url,
    'POST /b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 101\r\n\r\n',
  )
  expect(announced).toMatch(/^HTTP\/1.1 413 [^]*"SKERRY_BODY_TOO_LARGE"/)
  const chunk = `65\r\n"${'x'.repeat(99)}"\r\n0\r\n\r\n`
  const streamed = await raw(
    url,
    `POST /b HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`,
  )
  expect(streamed).toMatch(/^HTTP\/1.1 413 [^]*"SKERRY_BODY_TOO_LARGE"/)
  expect(store.seq).toBe(1)
})

test('a body that breaks off writes nothing, and is no fault of the server', async () => {
  const faults: string[] = []
  const logger = {
    info: () => undefined,
    warn: () => undefined,
    error: (_fields: object, message: string) => void faults.push(message),
  }
  const { app, url, store } = await runningNode({ logger })
  const { port } = new URL(url)
  const broken = connect(Number(port), '127.0.0.1')
  const left = new Promise((resolve) =>
    app.server.once('connection', (socket) => socket.once('close', resolve)),
  )
  broken.write('POST /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n"123')
  await new Promise<void>((resolve) => app.server.once('request', () => resolve()))
  broken.destroy()
  await left
  expect((await post(`${url}/b`, '1')).status).toBe(200)
  expect([faults, store.seq]).toEqual([[], 1])
})

test('what is not HTTP is answered and cut off', async () => {
  const { url } = await runningNode()
  expect(await raw(url, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [^]*"SKERRY_REQUEST_INVALID"/)
  const long = `GET / HTTP/1.1\r\nhost: localhost\r\na: ${'x'.repeat(20_000)}\r\n\r\n`
  expect(await raw(url, long)).toMatch(/^HTTP\/1.1 431 [^]*"SKERRY_HEADERS_TOO_LARGE"/)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('a target that names its host in front is taken, and the header Host is not', async () => {
  const { url } = await runningNode()
  const ask = (target: string, host: string) =>
    raw(url, `GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
  await post(`${url}/a`, '1')
  expect(await ask(`${url}/a?x=1`, 'evil.example')).toMatch(/^HTTP\/1.1 200 [^]*"data":1/)
  expect(await ask(`HTTP://localhost/a/*`, 'localhost')).toMatch(/^HTTP\/1.1 200 [^]*\[\]$/)
  expect(await ask(`${url}?api=keys`, 'localhost')).toMatch(/^HTTP\/1.1 200 [^]*"keys":\["a"\]/)
  const foreign = await ask('http://evil.example/a', 'localhost')
  expect(foreign).toMatch(/^HTTP\/1.1 403 [^]*"SKERRY_HOST_REFUSED"/)
})

test('a request without Host is refused by name, unless it is of HTTP/1.0', async () => {
  const { url } = await runningNode()
  const nameless = await raw(url, 'GET /a/* HTTP/1.1\r\nconnection: close\r\n\r\n')
  expect(nameless).toMatch(/^HTTP\/1.1 400 [^]*"SKERRY_REQUEST_INVALID"/)
  expect(await raw(url, 'GET /a/* HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /)
})

test.each([
  ['localhost:1', 200],
  ['LOCALHOST', 200],
  ['127.0.0.1', 200],
  ['127.3.2.1:8800', 200],
  ['[::1]:8800', 200],
  ['app.localhost', 200],
  ['proxy.example:443', 200],
  ['evil.example', 403],
  ['127.0.0.1.evil.example', 403],
  ['localhost.evil.example:8800', 403],
  ['169.254.1.1', 403],
  ['x', 403],
])('a node on loopback that is called %s answers %i (DNS rebinding)', async (host, status) => {
  const { url } = await runningNode({ allowedHosts: ['proxy.example'] })
  const get = `GET /a/* HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`
  const answer = await raw(url, get)
  expect(answer.slice(0, 12)).toBe(`HTTP/1.1 ${status}`)
  if (status === 403) expect(answer).toContain('SKERRY_HOST_REFUSED')
})

test('only permitted pages may write', async () => {
  const { url } = await runningNode({ allowedOrigins: ['https://app.example'] })
  const from = (origin: string) => post(`${url}/a`, '1', { origin })
  expect((await from(url)).status).toBe(200)
  expect(await failure(await from('https://evil.example'))).toEqual({
    status: 403,
    code: 'SKERRY_ORIGIN_REFUSED',
  })
  expect((await from('null')).status).toBe(403)
  const allowed = await from('https://app.example')
  expect(allowed.status).toBe(200)
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example')
  expect(allowed.headers.get('access-control-expose-headers')).toContain('etag')
  expect(allowed.headers.get('etag')).toMatch(/^"[0-9a-f]{24}"$/)
  const preflight = await fetch(`${url}/a`, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'DELETE' },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-methods')).toBe('DELETE')
  const failed = await fetch(`${url}/none`, { headers: { origin: 'https://app.example' } })
  expect(failed.status).toBe(404)
  expect(failed.headers.get('access-control-allow-origin')).toBe('https://app.example')
  const read = await fetch(`${url}/a`, { headers: { origin: 'https://evil.example' } })
  expect(read.headers.get('access-control-allow-origin')).toBeNull()
})

test('the main page is there', async () => {
  const { url } = await runningNode()
  const response = await fetch(url)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(await response.text()).toContain('<h1>Skerry</h1>')
})

test('large answers are compressed for who takes that, small ones never', async () => {
  const {
    url,
    state: { text: state },
  } = await runningNode()
  await state.set('box/large', `"${'x'.repeat(20_000)}"`)
  await state.set('small', '1')
  const get = (path: string, encoding: string) =>
    fetch(`${url}/${path}`, { headers: { 'accept-encoding': encoding } })
  for (const path of ['box/large', 'box/*']) {
    const plain = await get(path, 'identity')
    expect(plain.headers.get('content-encoding')).toBeNull()
    const text = await plain.text()
    for (const encoding of ['gzip', 'br']) {
      const packed = await get(path, encoding)
      expect(packed.headers.get('content-encoding')).toBe(encoding)
      expect(packed.headers.get('content-type')).toBe('application/json; charset=utf-8')
      expect(packed.headers.get('vary')).toContain('accept-encoding')
      expect(await packed.text()).toBe(text)
    }
  }
  expect((await get('small', 'gzip')).headers.get('content-encoding')).toBeNull()
})

test('an answer that could be compressed says so to caches, compressed or not', async () => {
  const origin = 'https://app.example'
  const { url, state } = await runningNode({ allowedOrigins: [origin] })
  await state.text.set('large', `"${'x'.repeat(20_000)}"`)
  const get = (headers: Record<string, string>) => fetch(`${url}/large`, { headers })
  const plain = await get({ 'accept-encoding': 'gzip;q=0, identity' })
  expect(plain.headers.get('content-encoding')).toBeNull()
  expect(plain.headers.get('vary')).toBe('accept-encoding')
  const packed = await get({ 'accept-encoding': 'deflate, gzip;q=0.5, br;q=0.1', origin })
  expect(packed.headers.get('content-encoding')).toBe('gzip')
  expect(packed.headers.get('vary')).toBe('origin, accept-encoding')
  const head = await fetch(`${url}/large`, { method: 'HEAD', headers: { 'accept-encoding': 'br' } })
  expect(head.headers.get('content-encoding')).toBe('br')
  expect(await head.text()).toBe('')
})

test('an answer that is kept is that of the version which is there, as filters show it now', async () => {
  let asked = 0
  const { url } = await runningNode({
    filters: { 'counted/*': { read: () => ({ data: { asked: ++asked } }) } },
  })
  const get = async (path: string) => {
    const response = await fetch(`${url}/${path}`)
    const { data } = (await response.json()) as { data: unknown }
    return { data, etag: response.headers.get('etag') }
  }
  const set = (path: string, body: string) => fetch(`${url}/${path}`, { method: 'POST', body })
  await set('plain', '1')
  const first = await get('plain')
  expect(await get('plain')).toEqual(first)
  await set('plain', '2')
  const second = await get('plain')
  expect(second.data).toBe(2)
  expect(second.etag).not.toBe(first.etag)
  await fetch(`${url}/plain`, { method: 'DELETE' })
  expect((await fetch(`${url}/plain`)).status).toBe(404)
  await set('counted/a', '1')
  const shown = await get('counted/a')
  expect(shown.data).toEqual({ asked: 1 })
  expect(await get('counted/a')).toEqual({ data: { asked: 2 }, etag: shown.etag })
})
