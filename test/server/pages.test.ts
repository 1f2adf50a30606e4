import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { Client } from './client.ts'
import { directory } from './directory.ts'
import { failure, runningNode } from './running.ts'

interface Keys {
  readonly keys: string[]
  readonly total: number
}

test('pages of keys are exact: together they have every path once, in order', async () => {
  const {
    url,
    state: { text: state },
  } = await runningNode()
  const paths = Array.from({ length: 120 }, (_, n) => `box/${String(n).padStart(3, '0')}`)
  for (const path of paths) await state.set(path, '1')
  const page = async (query: string) =>
    (await (await fetch(`${url}/?api=keys${query}`)).json()) as Keys
  expect(await page('')).toEqual({
    keys: paths.slice(0, 50),
    total: 120,
    page: 1,
    limit: 50,
    filter: '',
  })
  const all = [await page('&page=1'), await page('&page=2'), await page('&page=3')]
  expect(all.flatMap(({ keys }) => keys)).toEqual(paths)
  expect(await page('&page=4')).toMatchObject({ keys: [], total: 120 })
  expect(await page('&limit=500')).toMatchObject({ keys: paths, limit: 500 })
  expect(await page('&limit=501')).toMatchObject({ limit: 500 })
  expect(await page('&filter=box/*&limit=1')).toMatchObject({ keys: ['box/000'], total: 120 })
  expect(await page('&filter=*')).toMatchObject({ keys: [], total: 0 })
  expect(await page('&filter=x/01')).toMatchObject({ total: 10 })
  expect(await page('&filter=nowhere')).toMatchObject({ keys: [], total: 0 })
})

test.each([
  ['api=keys&page=0', 'SKERRY_RANGE_INVALID'],
  ['api=keys&page=-1', 'SKERRY_RANGE_INVALID'],
  ['api=keys&page=x', 'SKERRY_RANGE_INVALID'],
  ['api=keys&limit=0', 'SKERRY_RANGE_INVALID'],
  ['api=keys&limit=1e3', 'SKERRY_RANGE_INVALID'],
  ['api=keys&filter=a//*', 'SKERRY_PATH_INVALID'],
  ['api=toString', 'SKERRY_REQUEST_INVALID'],
  ['api=', 'SKERRY_REQUEST_INVALID'],
])('GET /?%s is refused', async (query, code) => {
  const { url } = await runningNode()
  expect(await failure(await fetch(`${url}/?${query}`))).toEqual({ status: 400, code })
})

test('the node, what is watched, and the links have pages', async () => {
  const { url, id } = await runningNode()
  const list = await Client.open(url, 'box/*')
  await list.watcher.frames(1)
  const get = async (name: string) => (await fetch(`${url}/?api=${name}`)).json()
  expect(await get('info')).toMatchObject({ id, url, sockets: 1 })
  expect(await get('state')).toEqual([{ pattern: 'box/*', subscribers: 1 }])
  expect(await get('pivot')).toMatchObject({ nodeId: id, links: [] })
})

test('the page of filters shows all that each is made of, limits and ttl included', async () => {
  const limit = { count: 3, maxAgeMs: 60_000, order: 'asc' as const }
  const filters = {
    'log/*': { limit },
    'seats/*': { limit: { countOf: () => 4, cleanupIntervalMs: 50 }, write: () => undefined },
    'sessions/*': { ttlMs: 1000, schema: { type: 'object' } },
  }
  const { url } = await runningNode({ filters })
  expect(await (await fetch(`${url}/?api=filters`)).json()).toEqual([
    { pattern: 'log/*', verbs: [], hooks: [], limit },
    {
      ...{ pattern: 'seats/*', verbs: ['write'], hooks: ['write'] },
      limit: { countOf: true, cleanupIntervalMs: 50 },
    },
    {
      ...{ pattern: 'sessions/*', verbs: ['write'], hooks: [] },
      ...{ schema: { type: 'object' }, ttlMs: 1000 },
    },
  ])
})

test('who may read some paths is shown those, and nothing of the node', async () => {
  const tokenFile = `${await directory()}/tokens.json`
  const token = 'ada-0123456789abcdef'
  const rights = [{ verbs: ['read'], paths: ['users/*'] }]
  await writeFile(tokenFile, JSON.stringify({ tokens: [{ name: 'ada', token, rights }] }))
  const {
    url,
    state: { text: state },
  } = await runningNode({ tokenFile })
  for (const path of ['users/1', 'secrets/1', 'users/1/deep']) await state.set(path, '1')
  const get = (query: string, headers = {}) => fetch(`${url}/?api=${query}`, { headers })
  const headers = { authorization: `Bearer ${token}` }
  expect(await (await get('keys', headers)).json()).toMatchObject({ keys: ['users/1'], total: 1 })
  for (const name of ['keys', 'info', 'state', 'pivot']) {
    expect((await get(name)).status).toBe(401)
    if (name !== 'keys') expect((await get(name, headers)).status).toBe(403)
  }
})
