import { expect, test } from 'vitest'
import { failure, runningNode } from './running.ts'

const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'

function send(url: string, method: string, body: string, type = 'application/json') {
  return fetch(url, { method, body, headers: { 'content-type': type } })
}

test('O5: 100 concurrent patches of distinct fields all land', async () => {
  const {
    url,
    state: { text: state },
  } = await runningNode()
  await state.set('form', '{"untouched":9007199254740993}')
  const forms = ['application/json', MERGE_PATCH, JSON_PATCH]
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => {
      const type = forms[n % 3]!
      const body =
        type === JSON_PATCH ? `[{"op":"add","path":"/f${n}","value":${n}}]` : `{"f${n}":${n}}`
      return send(`${url}/form`, 'PATCH', body, type)
    }),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 200))
  const { data } = (await state.get('form'))!
  const members = JSON.parse(data!) as Record<string, number>
  for (let n = 0; n < 100; n++) expect(members[`f${n}`]).toBe(n)
  expect(data).toContain('"untouched":9007199254740993')
})

test('a patch is read by its content type', async () => {
  const { url } = await runningNode()
  const patched = async (body: string, type?: string) => {
    await send(`${url}/a`, 'POST', '{"x":1,"y":{"z":2}}')
    const answer = await send(`${url}/a`, 'PATCH', body, type)
    expect([answer.status, await answer.text()]).toEqual([200, '{"index":"a"}'])
    const { data } = (await (await fetch(`${url}/a`)).json()) as { data: unknown }
    return data
  }
  expect(await patched('{"y":{"w":3},"x":null}')).toEqual({ x: null, y: { z: 2, w: 3 } })
  expect(await patched('{"y":{"w":3},"x":null}', 'text/plain')).toEqual({
    x: null,
    y: { z: 2, w: 3 },
  })
  expect(await patched('{"y":{"z":null},"x":null}', `${MERGE_PATCH}; charset=utf-8`)).toEqual({
    y: {},
  })
  expect(await patched('[{"op":"move","from":"/y/z","path":"/x"}]', JSON_PATCH)).toEqual({
    x: 2,
    y: {},
  })
})

test.each([
  ['missing', '{"a":1}', undefined, 404, 'SKERRY_NOT_FOUND'],
  ['a', '{"x"', undefined, 400, 'SKERRY_JSON_INVALID'],
  ['a', '', undefined, 400, 'SKERRY_JSON_INVALID'],
  ['a', '7', undefined, 400, 'SKERRY_PATCH_INVALID'],
  ['a', '{}', JSON_PATCH, 400, 'SKERRY_PATCH_INVALID'],
  ['a', '[{"op":"add","path":"/__proto__/x","value":1}]', JSON_PATCH, 400, 'SKERRY_PATCH_INVALID'],
  ['a', '[{"op":"test","path":"/x","value":2}]', JSON_PATCH, 400, 'SKERRY_PATCH_TEST_FAILED'],
  ['*', '{"a":1}', undefined, 400, 'SKERRY_PATH_INVALID'],
  ['metrics', '{"a":1}', undefined, 400, 'SKERRY_PATH_RESERVED'],
] as const)('PATCH /%s with %s as %s is refused', async (path, body, type, ...expected) => {
  const [status, code] = expected
  const {
    url,
    state: { text: state },
    store,
  } = await runningNode()
  await state.set('a', '{"x":1}')
  expect(await failure(await send(`${url}/${path}`, 'PATCH', body, type))).toEqual({ status, code })
  expect(store.seq).toBe(1)
})

test('patches that would make data grow beyond the limit are refused', async () => {
  const { url, store } = await runningNode({ bodyLimitBytes: 100 })
  await send(`${url}/a`, 'POST', `{"x":"${'x'.repeat(80)}"}`)
  const body = `{"y":"${'y'.repeat(80)}"}`
  for (const type of [MERGE_PATCH, 'application/json']) {
    const answer = await send(`${url}/a`, 'PATCH', body, type)
    expect(await failure(answer)).toEqual({ status: 413, code: 'SKERRY_DATA_TOO_LARGE' })
  }
  expect(store.seq).toBe(1)
})
