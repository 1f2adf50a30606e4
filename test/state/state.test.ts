import { expect, test } from 'vitest'
import { State } from '../../src/state/state.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { ManualEnv } from './manual-env.ts'

async function opened(nodeId: string, seed: number) {
  const env = new ManualEnv(seed)
  const store = await LocalStore.open(new MemoryEngine(), env, { nodeId })
  return { store, state: new State({ store, env }) }
}

test('two nodes never push the same index, not even at the same moment', async () => {
  const one = await opened('one', 1)
  const two = await opened('two', 1)
  const first = await one.state.push('a/*', '1')
  const second = await two.state.push('a/*', '1')
  expect(first.path.slice(0, 18)).toBe(second.path.slice(0, 18))
  expect(first.path).not.toBe(second.path)

  await one.store.renewEpoch()
  const renewed = await one.state.push('a/*', '1')
  expect(renewed.path.slice(18)).not.toBe(first.path.slice(18))
})

test('an index is minted again if its path is taken', async () => {
  const { state, store } = await opened('one', 1)
  const { path, created } = await state.push('a/*', '1')
  const taken = path.replace(created.toString(16), (created + 1n).toString(16))
  await state.set('b', '1')
  await store.merge([{ path: taken, created: 5n, updated: 0n, origin: 'x', data: '"taken"' }], {
    peer: 'x',
  })
  await state.push('a/*', '2')
  expect((await state.get(taken))?.data).toBe('"taken"')
  expect(await state.list('a/*')).toHaveLength(3)
})

test('a list is ordered by creation, ties by path', async () => {
  const { state, store } = await opened('one', 1)
  const entry = (path: string, created: bigint) => {
    return { path, created, updated: 0n, origin: 'x', data: '1' }
  }
  const entries = [entry('a/b', 7n), entry('a/c', 9n), entry('a/a', 7n), entry('a/d', 8n)]
  await store.merge(entries, { peer: 'x' })
  await state.set('a/b', '2')
  expect((await state.list('a/*')).map(({ path }) => path)).toEqual(['a/c', 'a/d', 'a/a', 'a/b'])
})

test.each([
  ['get', ['a/*'], 'SKERRY_PATH_INVALID'],
  ['get', ['a//b'], 'SKERRY_PATH_INVALID'],
  ['list', ['**'], 'SKERRY_PATH_INVALID'],
  ['set', ['a/*', '1'], 'SKERRY_PATH_INVALID'],
  ['set', ['_a', '1'], 'SKERRY_PATH_INVALID'],
  ['set', ['metrics/a', '1'], 'SKERRY_PATH_RESERVED'],
  ['set', ['a', 'x'], 'SKERRY_JSON_INVALID'],
  ['set', ['a', '"\ud800"'], 'SKERRY_JSON_INVALID'],
  ['push', ['a', '1'], 'SKERRY_PATH_INVALID'],
  ['push', ['*/a', '1'], 'SKERRY_PATH_INVALID'],
  ['push', ['a/*', ''], 'SKERRY_JSON_INVALID'],
  ['delete', ['a/*/*'], 'SKERRY_PATH_INVALID'],
  ['delete', ['metrics'], 'SKERRY_PATH_RESERVED'],
] as const)('%s %j is refused', async (method, args, code) => {
  const { state, store } = await opened('one', 1)
  const call = state[method].bind(state) as (...args: string[]) => Promise<unknown>
  await expect(call(...args)).rejects.toMatchObject({ code })
  expect(store.seq).toBe(0)
})

test('text that is well formed is kept, surrogate pairs and escapes included', async () => {
  const { state } = await opened('one', 1)
  for (const text of ['"😀"', '"\\ud800"']) {
    expect((await state.set('a', text)).data).toBe(text)
  }
})

test('what is not a pattern can not be watched', async () => {
  const { state } = await opened('one', 1)
  const subscriber = { frame: () => undefined, bufferedBytes: 0, ended: () => undefined }
  expect(() => state.watch('a//b', subscriber)).toThrow(
    expect.objectContaining({ code: 'SKERRY_PATH_INVALID' }),
  )
})
