import { expect, test } from 'vitest'
import type { Filters } from '../../src/index.ts'
import { Client, refusal } from './client.ts'
import { failure, runningNode } from './running.ts'

const REFUSED = { status: 400, code: 'SKERRY_FILTER_REFUSED' }

function no(): never {
  throw new Error('not this one')
}

async function books(filters: Filters) {
  const server = await runningNode({ filters })
  const stored = ['books/a', 'books/protected', 'books/secret', 'books/z']
  await server.store.write(stored.map((path) => ({ path, decide: () => `{"of":"${path}"}` })))
  const paths = async (glob: string): Promise<string[]> => {
    const answer = await fetch(`${server.url}/${glob}`)
    return ((await answer.json()) as { path: string }[]).map(({ path }) => path).sort()
  }
  const send = (method: string, path: string, body?: string) =>
    fetch(`${server.url}/${path}`, { method, ...(body !== undefined && { body }) })
  return { server, url: server.url, paths, send }
}

test('O6: a delete filter on one path holds against a delete of the glob, and the other way round', async () => {
  const one = await books({ 'books/protected': { delete: no } })
  expect(await failure(await one.send('DELETE', 'books/*'))).toEqual(REFUSED)
  expect(await failure(await one.send('DELETE', 'books/protected'))).toEqual(REFUSED)
  expect(await one.paths('books/*')).toHaveLength(4)
  expect((await one.send('DELETE', 'books/a')).status).toBe(204)
  const batch = JSON.stringify([
    { op: 'delete', path: 'books/z' },
    { op: 'delete', path: 'books/*' },
  ])
  expect(await failure(await one.send('POST', '_skerry/batch', batch))).toEqual(REFUSED)
  expect(await one.paths('books/*')).toHaveLength(3)

  const all = await books({ 'books/*': { delete: no }, 'books/z': { open: true } })
  expect(await failure(await all.send('DELETE', 'books/a'))).toEqual(REFUSED)
  expect((await all.send('DELETE', 'books/z')).status).toBe(204)
  expect(await failure(await all.send('DELETE', '*/*'))).toEqual({
    status: 400,
    code: 'SKERRY_PATH_INVALID',
  })
})

test('O6: what a read filter hides is hidden from single, list and glob access, sockets too', async () => {
  const { url, paths, send, server } = await books({ 'books/secret': { read: () => undefined } })
  expect((await send('GET', 'books/secret')).status).toBe(404)
  for (const glob of ['books/*', '*/*', '*/secret']) {
    expect(await paths(glob)).not.toContain('books/secret')
  }
  expect(await paths('books/*')).toHaveLength(3)
  const list = await Client.open(url, 'books/*')
  const single = await Client.open(url, 'books/secret')
  await Promise.all([list.watcher.frames(1), single.watcher.frames(1)])
  expect(single.watcher.copy).toEqual({ created: 0, updated: 0, index: '', data: {} })
  await send('POST', 'books/secret', '{"new":"secret"}')
  await send('POST', 'books/b', '1')
  await list.watcher.frames(2)
  expect(list.watcher.texts.join('')).not.toContain('secret')
  expect(single.watcher.texts).toHaveLength(1)
  expect(await server.state.text.get('books/secret')).toBeUndefined()
  const keys = await fetch(url, { headers: { accept: 'application/json' } })
  expect(await keys.json()).toEqual({ keys: ['books/a', 'books/b', 'books/protected', 'books/z'] })

  const hidden = await books({ 'books/*': { read: () => undefined } })
  expect((await hidden.send('GET', 'books/a')).status).toBe(404)
  expect(await hidden.paths('books/*')).toEqual([])
})

test('a read filter changes what is shown, in lists and patches alike, and keeps other digits', async () => {
  const { url, send } = await books({
    'users/*': {
      read: (_path, entry) => ({ ...entry, data: { ...entry.data, password: undefined } }),
    },
  })
  await send('POST', 'users/ada', '{"id":9007199254740993,"password":"x1"}')
  const client = await Client.open(url, 'users/*')
  await client.watcher.frames(1)
  await send('PATCH', 'users/ada', '{"name":"Ada","password":"x2"}')
  await client.watcher.frames(2)
  const texts = [...client.watcher.texts]
  for (const path of ['users/ada', 'users/*', '*/ada']) {
    texts.push(await (await send('GET', path)).text())
  }
  for (const text of texts) {
    expect(text).not.toContain('password')
    expect(text).not.toMatch(/x[12]/)
  }
  expect(texts.at(-1)).toContain('"data":{"id":9007199254740993,"name":"Ada"}')
  const etag = (await send('GET', 'users/ada')).headers.get('etag')!
  const headers = { 'if-match': etag }
  const put = await fetch(`${url}/users/ada`, { method: 'POST', body: '1', headers })
  expect(put.status).toBe(200)
})

test('a list filter holds for lists, single reads and views, whatever changes', async () => {
  const { url, paths, send } = await books({
    'box/*': { readList: (_path, entries) => entries.filter(({ data }) => (data as number) < 10) },
  })
  for (const n of [1, 20, 3]) await send('POST', `box/${n}`, `${n}`)
  expect(await paths('box/*')).toEqual(['box/1', 'box/3'])
  expect(await paths('*/*')).not.toContain('box/20')
  expect((await send('GET', 'box/20')).status).toBe(404)
  const client = await Client.open(url, 'box/*')
  await client.watcher.frames(1)
  await send('POST', 'box/20', '2')
  await send('POST', 'box/1', '30')
  await client.watcher.frames(3)
  expect(client.watcher.copy).toEqual(await (await send('GET', 'box/*')).json())
  expect(await paths('box/*')).toEqual(['box/20', 'box/3'])
})

test('a write filter checks or changes what is written by set, push, patch and batch', async () => {
  const { send, server } = await books({
    'n/*': {
      write: (_path, data: { n: unknown }) => {
        if (typeof data.n !== 'number') throw new Error('n must be a number')
        return data.n < 100 ? undefined : { ...data, n: 100 }
      },
    },
  })
  expect(await failure(await send('POST', 'n/1', '{"n":"x"}'))).toEqual(REFUSED)
  expect(await failure(await send('POST', 'n/*', '{}'))).toEqual(REFUSED)
  await send('POST', 'n/1', '{ "n": 1.0 }')
  expect((await server.state.text.get('n/1'))?.data).toBe('{ "n": 1.0 }')
  expect(await failure(await send('PATCH', 'n/1', '{"n":true}'))).toEqual(REFUSED)
  await send('PATCH', 'n/1', '{"n":500,"big":9007199254740993}')
  expect((await server.state.text.get('n/1'))?.data).toBe('{"n":100,"big":9007199254740993}')
  const batch = '[{"op":"set","path":"a","data":1},{"op":"push","path":"n/*","data":{"n":null}}]'
  const refused = (await (await send('POST', '_skerry/batch', batch)).json()) as object
  expect(refused).toMatchObject({ code: 'SKERRY_FILTER_REFUSED', item: 1 })
  expect(await server.state.text.get('a')).toBeUndefined()
})

test('a schema holds for every write; the most specific one', async () => {
  const object = { type: 'object', required: ['name'], properties: { mail: { format: 'email' } } }
  const { send } = await books({ 'users/*': { schema: object }, 'users/root': { schema: {} } })
  const violated = { status: 400, code: 'SKERRY_SCHEMA_VIOLATED' }
  expect(await failure(await send('POST', 'users/1', '{}'))).toEqual(violated)
  expect(await failure(await send('POST', 'users/*', '{"name":1,"mail":"x"}'))).toEqual(violated)
  expect((await send('POST', 'users/1', '{"name":1}')).status).toBe(200)
  const removed = '[{"op":"remove","path":"/name"}]'
  const patch = await fetch((await send('GET', 'users/1')).url, {
    method: 'PATCH',
    body: removed,
    headers: { 'content-type': 'application/json-patch+json' },
  })
  expect(await failure(patch)).toEqual(violated)
  expect((await send('POST', 'users/root', '7')).status).toBe(200)
})

test('of each kind the most specific match wins: a path, then the glob that names a segment first', async () => {
  const asked: string[] = []
  const named = (name: string) => ({ write: () => void asked.push(name) })
  const { send } = await books({
    '**': named('everything'),
    '*/*': named('both'),
    '*/1': named('second'),
    'a/*': { ...named('first'), delete: no },
    'a/1': named('path'),
  })
  for (const path of ['a/1', 'a/2', 'b/1', 'b/2', 'b']) await send('POST', path, '1')
  expect(asked).toEqual(['path', 'first', 'second', 'both', 'everything'])
  // Each kind for itself: the filter of the path says nothing about deleting.
  expect(await failure(await send('DELETE', 'a/1'))).toEqual(REFUSED)
})

test('a filter that throws refuses its request, is logged, and harms nothing else', async () => {
  const logged: unknown[] = []
  const logger = {
    info: () => undefined,
    error: () => undefined,
    warn: (fields: object) => void logged.push(fields),
  }
  const told: string[] = []
  const filters: Filters = {
    'bad/*': { write: no, read: no, beforeRead: (path) => void told.push(path) },
    'slow/*': { write: async () => 1, beforeRead: async () => no() },
    'late/*': { afterWrite: no, onChange: no },
    'later/*': { afterWrite: async () => no() },
  }
  const { url, store } = await runningNode({ filters, logger })
  await store.write([{ path: 'bad/1', decide: () => '1' }])
  const send = (method: string, path: string, body?: string) =>
    fetch(`${url}/${path}`, { method, ...(body !== undefined && { body }) })
  expect(await failure(await send('POST', 'bad/2', '1'))).toEqual(REFUSED)
  expect(await failure(await send('POST', 'slow/1', '1'))).toEqual(REFUSED)
  expect(await failure(await send('GET', 'bad/1'))).toEqual(REFUSED)
  expect(await failure(await send('GET', 'bad/*'))).toEqual(REFUSED)
  expect(await failure(await send('GET', 'slow/1'))).toEqual(REFUSED)
  expect(told).toEqual(['bad/1', 'bad/*'])
  const view = await Client.open(url, 'bad/*')
  expect(await view.closed).toBe(1011)
  expect((await send('POST', 'late/1', '1')).status).toBe(200)
  expect((await send('POST', 'later/1', '1')).status).toBe(200)
  expect((await send('POST', 'good/1', '1')).status).toBe(200)
  expect((await send('GET', 'good/*')).status).toBe(200)
  const hooks = logged.map((fields) => (fields as { hook: string }).hook)
  for (const hook of ['write', 'read', 'beforeRead', 'afterWrite', 'onChange']) {
    expect(hooks).toContain(hook)
  }
})

test('hooks are told of what happened', async () => {
  const told: unknown[] = []
  const { send } = await books({
    'a/*': {
      afterWrite: (path) => void told.push(['written', path]),
      onChange: ({ path, before, after }) => void told.push([path, before?.data, after?.data]),
    },
  })
  await send('POST', 'a/1', '1')
  await send('PATCH', 'a/1', '{}')
  await send('POST', '_skerry/batch', '[{"op":"set","path":"a/1","data":[2]}]')
  await send('DELETE', 'a/*')
  expect(told).toEqual([
    ['a/1', undefined, 1],
    ['written', 'a/1'],
    ['a/1', 1, [2]],
    ['written', 'a/1'],
    ['a/1', [2], undefined],
  ])
})

test('O8: a static node serves what its filters open, and nothing else', async () => {
  const filters: Filters = {
    'open/*': { open: true },
    'log/*': { write: () => undefined },
    'news/*': { read: (_path, entry) => entry },
  }
  const {
    url,
    store,
    state: { text: state },
  } = await runningNode({ filters, static: true })
  await store.write([{ path: 'other', decide: () => '1' }])
  const status = async (method: string, path: string, body?: string) => {
    const answer = await fetch(`${url}/${path}`, { method, ...(body !== undefined && { body }) })
    return answer.status
  }
  for (const prefix of ['open']) {
    expect(await status('POST', `${prefix}/1`, '1')).toBe(200)
    expect(await status('POST', `${prefix}/*`, '1')).toBe(200)
    expect(await status('GET', `${prefix}/*`)).toBe(200)
    expect(await status('DELETE', `${prefix}/*`)).toBe(204)
  }
  expect(await status('POST', 'log/1', '1')).toBe(200)
  expect(await status('GET', 'news/*')).toBe(200)
  const closed: [method: string, path: string, body?: string][] = [
    ['GET', 'other'],
    ['GET', '*'],
    ['GET', '*/*'],
    ['GET', 'log/1'],
    ['GET', 'log/*'],
    ['POST', 'news/1', '1'],
    ['PATCH', 'other', '{}'],
    ['DELETE', 'log/1'],
    ['DELETE', 'other'],
    ['POST', '_skerry/batch', '[{"op":"set","path":"other","data":1}]'],
  ]
  for (const [method, path, body] of closed) {
    const answer = await fetch(`${url}/${path}`, { method, ...(body !== undefined && { body }) })
    expect(await failure(answer)).toEqual({ status: 403, code: 'SKERRY_ROUTE_CLOSED' })
  }
  expect(await refusal(url, '*')).toEqual({ status: 403, code: 'SKERRY_ROUTE_CLOSED' })
  for (const page of ['', '?api=keys', '?api=info', '?api=filters', '?api=state', '?api=pivot']) {
    const answer = await fetch(`${url}/${page}`, { headers: { accept: 'application/json' } })
    expect(await failure(answer)).toEqual({ status: 403, code: 'SKERRY_ROUTE_CLOSED' })
  }
  expect([state.isOpen('open/*', 'read'), state.isOpen('*/*', 'read')]).toEqual([true, false])
  expect(state.filters().map(({ pattern, verbs }) => [pattern, verbs])).toEqual([
    ['log/*', ['write']],
    ['news/*', ['read']],
    ['open/*', ['read', 'write', 'delete']],
  ])
})

test.each([
  [{ 'a//b': {} }, 'SKERRY_PATH_INVALID'],
  [{ metrics: {} }, 'SKERRY_PATH_RESERVED'],
  [{ a: { reed: () => 1 } }, 'SKERRY_OPTION_UNKNOWN'],
  [{ a: { read: 1 } }, 'SKERRY_OPTION_INVALID'],
  [{ a: { schema: { type: 'nothing' } } }, 'SKERRY_OPTION_INVALID'],
  [{ a: { schema: { tipe: 'object' } } }, 'SKERRY_OPTION_INVALID'],
] as const)('the filters %j are refused', async (filters, code) => {
  await expect(runningNode({ filters: filters as unknown as Filters })).rejects.toMatchObject({
    code,
  })
})

test('what a limit removes is gone for REST and subscribers alike', async () => {
  const { url, paths, send } = await books({ 'log/*': { limit: { count: 2 } } })
  const client = await Client.open(url, 'log/*')
  for (const name of ['1', '2', '3', '4']) await send('POST', `log/${name}`, '1')
  await expect.poll(() => paths('log/*')).toEqual(['log/3', 'log/4'])
  const shown = () => (client.watcher.copy as { path: string }[]).map(({ path }) => path)
  await expect.poll(shown).toEqual(['log/4', 'log/3'])
})
