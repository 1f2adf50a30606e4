import { expect, test } from 'vitest'
import { SkerryError } from '../../src/core/errors.ts'
import type { ClientWrite } from '../../src/state/delivery.ts'
import { runningNode } from '../server/running.ts'
import { ManualEnv } from './manual-env.ts'

const CLIENT = '0123456789abcdef0123456789abcdef'
/** Where the clock of the tests stands, in nanoseconds. */
const NOW = 1_767_602_580_000_000_000n

function set(path: string, data: string, stamp: bigint): ClientWrite {
  return { kind: 'set', path, data, stamp }
}

test('a delivery takes the place in time that its stamp gives it, under the origin of its client', async () => {
  const {
    state: { text: state },
  } = await runningNode({}, new ManualEnv())
  const held = await state.set('a', '"node"')
  const results = await state.deliver(CLIENT, [
    set('a', '"too old"', NOW - 5n),
    set('b', '"b"', NOW - 4n),
    set('a', '"newer"', held.created + 1n),
  ])
  expect(results).toEqual(['overruled', 'written', 'written'])
  const origin = `client.${CLIENT}`
  expect(await state.get('a')).toMatchObject({ data: '"newer"', updated: NOW + 1n, origin })
  expect(await state.get('b')).toMatchObject({
    data: '"b"',
    created: NOW - 4n,
    updated: 0n,
    origin,
  })
})

test('what is delivered twice changes nothing, even if it was deleted in between', async () => {
  const {
    state: { text: state },
    store,
  } = await runningNode({}, new ManualEnv())
  const writes = [set('a', '1', NOW - 9n), set('b', '2', NOW - 8n)]
  expect(await state.deliver(CLIENT, writes)).toEqual(['written', 'written'])
  await state.delete('a')
  const { seq } = store
  expect(await state.deliver(CLIENT, writes)).toEqual(['known', 'known'])
  expect(store.seq).toBe(seq)
  expect(await state.get('a')).toBeUndefined()
})

test('a refused write of a delivery keeps no other one back', async () => {
  const {
    state: { text: state },
  } = await runningNode({}, new ManualEnv())
  const results = await state.deliver(CLIENT, [
    set('a//b', '1', 1n),
    set('bad', '{', 2n),
    { kind: 'patch', path: 'missing', data: '{}', stamp: 3n },
    set('good', '1', 4n),
    set('ahead', '1', NOW + 3_600_000_000_000n),
  ])
  const codes = results.map((result) => (result instanceof SkerryError ? result.code : result))
  expect(codes).toEqual([
    ...['SKERRY_PATH_INVALID', 'SKERRY_JSON_INVALID', 'SKERRY_NOT_FOUND'],
    ...['written', 'SKERRY_STAMP_AHEAD'],
  ])
  expect((await state.list('*')).map(({ path }) => path)).toEqual(['good'])
})

test('a delete by glob deletes what is older, and what the same delivery wrote before it', async () => {
  const {
    state: { text: state },
  } = await runningNode({}, new ManualEnv())
  await state.set('x/newer', '1')
  const results = await state.deliver(CLIENT, [
    set('x/a', '1', NOW - 9n),
    { kind: 'delete', path: 'x/*', data: '', stamp: NOW - 8n },
    set('x/b', '1', NOW - 7n),
  ])
  expect(results).toEqual(['written', 'written', 'written'])
  expect((await state.list('x/*')).map(({ path }) => path)).toEqual(['x/newer', 'x/b'])
})

test('a delivery by no client, or with stamps that do not grow, is refused whole', async () => {
  const {
    state: { text: state },
  } = await runningNode()
  const invalid = { code: 'SKERRY_REQUEST_INVALID' }
  await expect(state.deliver('node-a', [set('a', '1', 1n)])).rejects.toMatchObject(invalid)
  const twice = [set('a', '1', 2n), set('a', '1', 2n)]
  await expect(state.deliver(CLIENT, twice)).rejects.toMatchObject(invalid)
  await expect(state.deliver(CLIENT, [set('a', '1', 2n ** 63n)])).rejects.toMatchObject(invalid)
  expect(await state.get('a')).toBeUndefined()
})

test('what a client delivers too late is kept in the history of its path, and its name is told to nobody', async () => {
  const node = await runningNode({ history: { '**': 5 } }, new ManualEnv())
  const { text } = node.state
  await text.set('a', '{"n":1}')
  await text.set('b', '1')
  const writes: ClientWrite[] = [
    set('a', '{"late":1}', NOW - 5n),
    { kind: 'patch', path: 'a', data: '{"m":2}', stamp: NOW - 4n },
    { kind: 'patch', path: 'b', data: '{"m":2}', stamp: NOW - 3n },
    { kind: 'delete', path: 'b', data: '', stamp: NOW - 2n },
  ]
  const overruled = Array(4).fill('overruled') as string[]
  expect(await text.deliver(CLIENT, writes)).toEqual(overruled)
  expect(await text.deliver(CLIENT, writes)).toEqual(Array(4).fill('known'))
  const told = async (path: string) => (await fetch(`${node.url}/_skerry/history/${path}`)).text()
  const [a, b] = [await told('a'), await told('b')]
  const found = (all: string) =>
    (JSON.parse(all) as { versions: { kind: string; data: unknown; origin: string }[] }).versions
  expect(found(a)).toMatchObject([
    { kind: 'current', data: { n: 1 } },
    { kind: 'overruled', data: { n: 1, m: 2 } },
    { kind: 'overruled', data: { late: 1 } },
  ])
  expect(found(b)).toMatchObject([
    { kind: 'current', data: 1 },
    { kind: 'overruled', data: null },
    { kind: 'overruled', data: { m: 2 } },
  ])
  expect(found(a)[1]!.origin).toMatch(/^client\.[0-9a-f]{8}$/)
  expect(a + b).not.toContain(CLIENT)
  expect(
    JSON.stringify((await node.state.history('a')).versions.map(({ origin }) => origin)),
  ).not.toContain(CLIENT)
})
