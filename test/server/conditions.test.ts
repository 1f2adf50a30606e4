import { expect, test } from 'vitest'
import { failure, runningNode } from './running.ts'

function send(url: string, method: string, headers: Record<string, string>, body?: string) {
  return fetch(url, { method, headers, ...(body !== undefined && { body }) })
}

test('writes and reads tell the version, and a write asks for it', async () => {
  const { url } = await runningNode()
  const created = await send(`${url}/a`, 'POST', { 'if-none-match': '*' }, '{"n":1}')
  const first = created.headers.get('etag')!
  expect(first).toMatch(/^"[0-9a-f]{24}"$/)
  expect((await fetch(`${url}/a`)).headers.get('etag')).toBe(first)
  const again = await send(`${url}/a`, 'POST', { 'if-none-match': '*' }, '{"n":2}')
  expect(await failure(again)).toEqual({ status: 412, code: 'SKERRY_PRECONDITION_FAILED' })

  const patched = await send(`${url}/a`, 'PATCH', { 'if-match': first }, '{"n":3}')
  const second = patched.headers.get('etag')!
  expect([patched.status, second === first]).toEqual([200, false])
  for (const [method, body] of [
    ['POST', '4'],
    ['PATCH', '{"n":4}'],
    ['DELETE', undefined],
  ] as const) {
    const stale = await send(`${url}/a`, method, { 'if-match': first }, body)
    expect(await failure(stale)).toEqual({ status: 412, code: 'SKERRY_PRECONDITION_FAILED' })
    const weak = await send(`${url}/a`, method, { 'if-match': `W/${second}` }, body)
    expect(weak.status).toBe(412)
  }
  expect((await fetch(`${url}/a`)).headers.get('etag')).toBe(second)
  const listed = await send(`${url}/a`, 'POST', { 'if-match': `${first}, ${second}` }, '5')
  expect(listed.status).toBe(200)
  expect((await send(`${url}/a`, 'DELETE', { 'if-match': '*' })).status).toBe(204)
  for (const [method, body] of [
    ['POST', '4'],
    ['PATCH', '{}'],
    ['DELETE', undefined],
  ] as const) {
    expect((await send(`${url}/a`, method, { 'if-match': '*' }, body)).status).toBe(412)
  }
})

test('of many who compare and set at once, exactly one wins each round', async () => {
  const {
    url,
    state: { text: state },
  } = await runningNode()
  await state.set('counter', '0')
  for (let round = 0; round < 5; round++) {
    const read = await fetch(`${url}/counter`)
    const { data } = (await read.json()) as { data: number }
    const headers = { 'if-match': read.headers.get('etag')! }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => send(`${url}/counter`, 'POST', headers, `${data + 1}`)),
    )
    const won = answers.filter(({ status }) => status === 200)
    expect([won.length, answers.filter(({ status }) => status === 412).length]).toEqual([1, 19])
  }
  expect((await state.get('counter'))?.data).toBe('5')
})

test('a read of a version that the reader has is answered without it', async () => {
  const {
    url,
    state: { text: state },
  } = await runningNode()
  const { path } = await state.set('a', '1')
  const etag = (await fetch(`${url}/${path}`)).headers.get('etag')!
  for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const answer = await send(`${url}/a`, 'GET', { 'if-none-match': value })
    expect([answer.status, await answer.text(), answer.headers.get('etag')]).toEqual([
      304,
      '',
      etag,
    ])
  }
  await state.set('a', '2')
  expect((await send(`${url}/a`, 'GET', { 'if-none-match': etag })).status).toBe(200)
  expect((await send(`${url}/b`, 'GET', { 'if-none-match': '*' })).status).toBe(404)
})

test.each([
  ['POST', 'a', { 'if-match': 'unquoted' }],
  ['DELETE', 'a', { 'if-none-match': '"open' }],
  ['GET', 'a', { 'if-none-match': 'x' }],
  ['DELETE', 'box/*', { 'if-match': '*' }],
  ['POST', 'box/*', { 'if-match': '*' }],
] as const)('%s /%s with %j is refused', async (method, path, headers) => {
  const {
    url,
    state: { text: state },
    store,
  } = await runningNode()
  await state.set('a', '1')
  const answer = await send(`${url}/${path}`, method, headers, method === 'POST' ? '1' : undefined)
  expect(await failure(answer)).toEqual({ status: 400, code: 'SKERRY_CONDITION_INVALID' })
  expect(store.seq).toBe(1)
})
