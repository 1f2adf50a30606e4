import { expect, test } from 'vitest'
import { runningNode } from './running.ts'

interface Refusal {
  readonly status: number
  readonly code: unknown
  readonly item: unknown
}

function post(url: string, body: unknown): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${url}/_skerry/batch`, { method: 'POST', body: text })
}

async function refusal(response: Response): Promise<Refusal> {
  const { code, item } = (await response.json()) as { code: unknown; item: unknown }
  return { status: response.status, code, item }
}

test('a batch writes all in one step, each write on what those before it did', async () => {
  const {
    url,
    state: { text: state },
    store,
  } = await runningNode()
  for (const path of ['old/1', 'old/2', 'gone']) await state.set(path, '1')
  const commits: number[] = []
  store.watch(({ changes }) => commits.push(changes.length))
  const answer = await post(
    url,
    '[{"op":"set","path":"a","data":{"n": 9007199254740993}},' +
      '{"op":"patch","path":"a","data":{"m":1}},' +
      '{"op":"patch","path":"a","data":[{"op":"test","path":"/m","value":1}],"form":"json-patch"},' +
      '{"op":"push","path":"log/*","data":"x"},' +
      '{"op":"delete","path":"old/*"},' +
      '{"op":"delete","path":"gone","ifMatch":"*"},' +
      '{"op":"set","path":"gone","data":2,"ifNoneMatch":"*"},' +
      '{"op":"delete","path":"never"}]',
  )
  expect(answer.status).toBe(200)
  const results = (await answer.json()) as Record<string, unknown>[]
  const [set, , , push] = results
  expect(set).toEqual({ index: 'a', path: 'a', version: expect.any(String) as string })
  expect(push?.['path']).toMatch(/^log\/[0-9a-f]{24}$/)
  expect(results.slice(4)).toEqual([
    { path: 'old/*', deleted: 2 },
    { path: 'gone', deleted: 1 },
    { index: 'gone', path: 'gone', version: expect.any(String) as string },
    { path: 'never', deleted: 0 },
  ])
  expect((await state.get('a'))?.data).toBe('{"n":9007199254740993,"m":1}')
  expect(await state.list('old/*')).toEqual([])
  expect(commits).toHaveLength(1)
})

test.each([
  [{ op: 'patch', path: 'missing', data: {} }, 404, 'SKERRY_NOT_FOUND'],
  [{ op: 'set', path: 'a', data: 1, ifNoneMatch: '*' }, 412, 'SKERRY_PRECONDITION_FAILED'],
  [{ op: 'set', path: 'a', data: 1, ifMatch: ['x', 'y'] }, 412, 'SKERRY_PRECONDITION_FAILED'],
  [{ op: 'set', path: 'a//b', data: 1 }, 400, 'SKERRY_PATH_INVALID'],
  [{ op: 'set', path: 'metrics', data: 1 }, 400, 'SKERRY_PATH_RESERVED'],
  [{ op: 'push', path: 'a', data: 1 }, 400, 'SKERRY_PATH_INVALID'],
  [{ op: 'delete', path: 'a/*', ifMatch: '*' }, 400, 'SKERRY_CONDITION_INVALID'],
  [{ op: 'jump', path: 'a' }, 400, 'SKERRY_BATCH_INVALID'],
  [{ op: 'toString', path: 'a' }, 400, 'SKERRY_BATCH_INVALID'],
  [{ op: 'set', path: 'a' }, 400, 'SKERRY_BATCH_INVALID'],
  [{ op: 'set', path: 7, data: 1 }, 400, 'SKERRY_BATCH_INVALID'],
  [{ op: 'set', path: 'a', data: 1, extra: 1 }, 400, 'SKERRY_BATCH_INVALID'],
  [{ op: 'patch', path: 'a', data: {}, form: 'x' }, 400, 'SKERRY_BATCH_INVALID'],
  [{ op: 'set', path: 'a', data: 1, ifMatch: 7 }, 400, 'SKERRY_BATCH_INVALID'],
  ['set', 400, 'SKERRY_BATCH_INVALID'],
] as const)(
  'the bad write %j is named, and nothing of its batch is done',
  async (bad, ...expected) => {
    const [status, code] = expected
    const {
      url,
      state: { text: state },
      store,
    } = await runningNode()
    await state.set('a', '0')
    const answer = await post(url, [
      { op: 'set', path: 'b', data: 1 },
      { op: 'delete', path: 'a/b' },
      bad,
    ])
    expect(await refusal(answer)).toEqual({ status, code, item: 2 })
    expect(store.seq).toBe(1)
  },
)

test('what is not a batch, or too large a one, is refused', async () => {
  const { url, store } = await runningNode()
  const many = Array.from({ length: 1001 }, (_, n) => ({ op: 'set', path: `a/${n}`, data: n }))
  expect(await refusal(await post(url, many))).toMatchObject({
    status: 413,
    code: 'SKERRY_BATCH_TOO_LARGE',
  })
  for (const body of ['{}', '[', '']) {
    expect(await refusal(await post(url, body))).toMatchObject({
      status: 400,
      code: 'SKERRY_JSON_INVALID',
    })
  }
  expect(store.seq).toBe(0)
  expect((await post(url, many.slice(1))).status).toBe(200)
  expect(await (await post(url, '[]')).text()).toBe('[]')
})
