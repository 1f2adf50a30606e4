import { expect, test } from 'vitest'
import { writeFile } from 'node:fs/promises'
import { directory } from './directory.ts'
import { failure, runningNode } from './running.ts'
import { withhold } from './withheld.ts'

function post(url: string, body?: string): Promise<Response> {
  return fetch(url, { method: 'POST', ...(body !== undefined && { body }) })
}

test('withheld versions are listed exactly, and released or dropped by path', async () => {
  const node = await runningNode()
  await withhold(node, ['a', 'b', 'c'])
  const url = `${node.url}/_skerry/withheld`
  const version =
    '{"path":"a","created":10,"updated":0,"origin":"stale","peer":"stale","data":9223372036854775807}'
  const listed = await (await fetch(url)).text()
  expect(listed).toContain(`{"count":3,"withheld":[${version},`)

  const answer = await post(url, '{"release":["a","none"],"drop":["b"]}')
  expect(await answer.json()).toEqual({ released: 1, dropped: 1 })
  expect((await node.state.text.get('a'))?.data).toBe('9223372036854775807')
  expect((await node.store.newest('b'))?.data).toBeNull()
  expect(await (await fetch(url)).json()).toMatchObject({ count: 1, withheld: [{ path: 'c' }] })
})

test.each([
  ['', 'SKERRY_JSON_INVALID'],
  ['{', 'SKERRY_JSON_INVALID'],
  ['[]', 'SKERRY_REQUEST_INVALID'],
  ['{}', 'SKERRY_REQUEST_INVALID'],
  ['null', 'SKERRY_REQUEST_INVALID'],
  ['{"release":"a"}', 'SKERRY_REQUEST_INVALID'],
  ['{"release":[1]}', 'SKERRY_REQUEST_INVALID'],
  ['{"release":["a"],"keep":[]}', 'SKERRY_REQUEST_INVALID'],
  ['{"release":["a"],"drop":["a"]}', 'SKERRY_REQUEST_INVALID'],
  [JSON.stringify({ drop: Array(1001).fill('a') }), 'SKERRY_REQUEST_INVALID'],
])('a decision that is none is refused, and decides nothing: %.40s', async (body, code) => {
  const node = await runningNode()
  await withhold(node, ['a'])
  const answer = await post(`${node.url}/_skerry/withheld`, body)
  expect(await failure(answer)).toEqual({ status: 400, code })
  expect(node.store.withheldCount).toBe(1)
})

test('forget takes a node that was linked and is gone, and no other', async () => {
  const leader = await runningNode({ id: 'leader' })
  const node = await runningNode({ id: 'node', leader: leader.url })
  const known = (): unknown => leader.status().sync.peers
  await expect.poll(known, { timeout: 30_000 }).toMatchObject([{ peer: 'node', linked: true }])
  const forget = (id: unknown) => post(`${leader.url}/_skerry/forget`, JSON.stringify({ node: id }))
  const linked = { status: 409, code: 'SKERRY_PEER_LINKED' }
  expect(await failure(await forget('node'))).toEqual(linked)
  const unknown = { status: 404, code: 'SKERRY_PEER_UNKNOWN' }
  expect(await failure(await forget('nobody'))).toEqual(unknown)
  const invalid = { status: 400, code: 'SKERRY_REQUEST_INVALID' }
  expect(await failure(await forget(7))).toEqual(invalid)

  await node.close()
  await expect.poll(known, { timeout: 30_000 }).toMatchObject([{ linked: false }])
  expect(await (await forget('node')).json()).toEqual({ node: 'node' })
  expect(known()).toMatchObject([{ peer: 'node', linked: false, forgotten: true }])
})

test('forget and withheld need the right admin', async () => {
  const token = 'reader-0123456789abcdef'
  const rights = [{ verbs: ['read', 'write', 'delete'] }]
  const tokenFile = `${await directory()}/tokens.json`
  await writeFile(tokenFile, JSON.stringify({ tokens: [{ name: 'reader', token, rights }] }))
  const { url } = await runningNode({ tokenFile })
  const asked: [string, string][] = [
    ['POST', 'forget'],
    ['GET', 'withheld'],
    ['POST', 'withheld'],
  ]
  for (const [method, name] of asked) {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await fetch(`${url}/_skerry/${name}`, { method, headers })
    expect(await failure(answer)).toEqual({ status: 403, code: 'SKERRY_FORBIDDEN' })
  }
})
