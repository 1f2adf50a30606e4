import { expect, expectTypeOf, test } from 'vitest'
import type { SkerryError, StateEntry, VersionedEntry } from '../../src/index.ts'
import type { Watch } from '../../src/core/watch.ts'
import { runningNode } from '../server/running.ts'

interface User {
  readonly name: string
  readonly born?: number
}

const LIST = 'users/*'

/** The data of each value, as the watch shows it now. */
function shown(watch: Watch<readonly StateEntry[], SkerryError>): unknown[] | undefined {
  return watch.value?.map(({ data }) => data)
}

test('values go in and come out, with path, index, exact times and version', async () => {
  const { state } = await runningNode()
  const pushed = await state.push<User>(LIST, { name: 'Ada' })
  expect(pushed.path).toBe(`users/${pushed.index}`)
  const patched = await state.patch<User>(pushed.path, { born: 1815 })
  expect(patched.data).toEqual({ name: 'Ada', born: 1815 })
  expect(await state.get<User>(pushed.path)).toEqual(patched)
  const { created, updated, version } = patched
  expect([created, updated > created]).toEqual([pushed.created, true])
  expect(version).not.toBe(pushed.version)
  const eve = await state.set<User>('users/eve', { name: 'Eve' })
  expect(await state.list(LIST)).toEqual([eve, patched])
  expect(await state.list(LIST, { limit: 1, order: 'asc' })).toEqual([patched])
  expect(await state.keys(LIST)).toEqual([pushed.path, 'users/eve'])
  expect(await state.delete(LIST)).toBe(2)
  expect(await state.get('users/eve')).toBeNull()
})

test('a write insists on the version that was read', async () => {
  const { state } = await runningNode()
  const { version } = await state.set('stock', 3, { ifNoneMatch: '*' })
  await state.set('stock', 2, { ifMatch: version })
  const failed = { code: 'SKERRY_PRECONDITION_FAILED' }
  await expect(state.set('stock', 1, { ifMatch: version })).rejects.toMatchObject(failed)
  await expect(state.patch('stock', 1, { ifMatch: version })).rejects.toMatchObject(failed)
  await expect(state.delete('stock', { ifMatch: version })).rejects.toMatchObject(failed)
  expect((await state.get('stock'))?.data).toBe(2)
})

test('patches are merge patches, unless the form says otherwise', async () => {
  const { state } = await runningNode()
  await state.set('a', { keep: 1, gone: 2 })
  expect((await state.patch('a', { gone: null })).data).toEqual({ keep: 1 })
  const operations = [{ op: 'add', path: '/more', value: [1] }]
  const { data } = await state.patch('a', operations, { form: 'json-patch' })
  expect(data).toEqual({ keep: 1, more: [1] })
  expect((await state.patch('a', { keep: null }, { form: 'merge' })).data).toEqual({
    keep: null,
    more: [1],
  })
})

test('a batch of values is one step, and names the write that it is refused for', async () => {
  const { state } = await runningNode()
  await state.set('a', { n: 1, gone: true })
  const results = await state.batch([
    { op: 'patch', path: 'a', data: { gone: null } },
    { op: 'push', path: 'log/*', data: 'one' },
    { op: 'delete', path: 'none' },
  ])
  expect(results).toMatchObject([
    { entry: { path: 'a', data: { n: 1 } } },
    { entry: { data: 'one' } },
    { deleted: 0 },
  ])
  const refused = state.batch([
    { op: 'set', path: 'b', data: 1 },
    { op: 'set', path: 'c', data: undefined },
  ])
  await expect(refused).rejects.toMatchObject({ code: 'SKERRY_VALUE_INVALID', item: 1 })
  expect(await state.get('b')).toBeNull()
})

test('what JSON has no form for is refused, and nothing is written', async () => {
  const { state } = await runningNode()
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const nested: unknown[] = []
  let inner = nested
  for (let depth = 0; depth < 100_000; depth++) inner.push((inner = []))
  const refused = [
    ...[undefined, NaN, Infinity, 1n, Symbol('s'), () => 1, new Map(), new Set([1])],
    ...[cyclic, nested, { a: NaN }, { a: [1n] }, { a: () => 1 }, [undefined], new Array(2)],
    { toJSON: () => undefined },
  ]
  const invalid = { code: 'SKERRY_VALUE_INVALID' }
  for (const value of refused) {
    await expect(state.set('a', value)).rejects.toMatchObject(invalid)
    await expect(state.push('b/*', value)).rejects.toMatchObject(invalid)
    await expect(state.patch('c', value)).rejects.toMatchObject(invalid)
  }
  expect(await state.keys()).toEqual([])
  await expect(state.set('a', { price: NaN })).rejects.toThrow("'price' is NaN")
  const written = await state.set('a', { left: undefined, at: new Date(0), none: null, '': '' })
  expect(written.data).toEqual({ at: '1970-01-01T00:00:00.000Z', none: null, '': '' })
})

test('the text of the same state keeps digits that values round', async () => {
  const { state } = await runningNode()
  await state.text.set('big', '{"n":9007199254740993}')
  expect((await state.get('big'))?.data).toEqual({ n: 9007199254740992 })
  await state.patch('big', { m: 1 })
  expect((await state.text.get('big'))?.data).toBe('{"n":9007199254740993,"m":1}')
})

test('a watch calls back with each value, and shares what did not change', async () => {
  const { state } = await runningNode()
  await state.set('users/ada', { name: 'Ada' })
  const seen: (readonly StateEntry<User>[])[] = []
  const watch = state.watch<User>(LIST, (users) => seen.push(users))
  await expect.poll(() => seen.length).toBe(1)
  await state.set('users/eve', { name: 'Eve' })
  expect(seen.map((users) => users.map(({ data }) => data.name))).toEqual([['Ada'], ['Eve', 'Ada']])
  expect(seen[1]![1]).toBe(seen[0]![0])
  const late: unknown[] = []
  state.watch(LIST, (users) => late.push(users))
  expect(late).toEqual([seen[1]])
  expect(state.text.subscribers).toBe(1)
  watch.close()
  await state.delete('users/eve')
  expect([seen.length, late.length]).toEqual([2, 2])
})

test('a watch of a path is null where nothing is', async () => {
  const { state } = await runningNode()
  const seen: unknown[] = []
  state.watch<User>('users/ada', (user) => seen.push(user && user.data))
  await expect.poll(() => seen).toEqual([null])
  await state.set('users/ada', { name: 'Ada' })
  await state.patch('users/ada', { born: 1815 })
  await state.delete('users/ada')
  expect(seen).toEqual([null, { name: 'Ada' }, { name: 'Ada', born: 1815 }, null])
})

test('a slow iterator skips to the newest value, and nothing waits for it meanwhile', async () => {
  const { state } = await runningNode()
  const values = state.watch<number>('counter')[Symbol.asyncIterator]()
  expect((await values.next()).value).toBeNull()
  for (let n = 1; n <= 1000; n++) await state.set('counter', n)
  expect(state.text.collapses).toBe(0)
  expect((await values.next()).value).toMatchObject({ data: 1000 })
  const next = values.next()
  await state.set('counter', 1001)
  expect((await next).value).toMatchObject({ data: 1001 })
  await values.return?.()
})

test('leaving the loop ends the watch, and closing the watch ends the loop', async () => {
  const { state } = await runningNode()
  await state.set('users/ada', { name: 'Ada' })
  for await (const users of state.watch(LIST)) {
    expect([users.length, state.text.subscribers]).toEqual([1, 1])
    break
  }
  expect(state.text.subscribers).toBe(0)
  const watch = state.watch(LIST)
  const rounds: number[] = []
  for await (const users of watch) {
    rounds.push(users.length)
    watch.close()
  }
  expect([rounds, state.text.subscribers]).toEqual([[1], 0])
})

test('watches share one subscription, which ends with the last of them', async () => {
  const { state } = await runningNode()
  const [one, two] = [state.watch(LIST), state.watch(LIST)]
  await expect.poll(() => shown(two)).toEqual([])
  expect(state.text.subscribers).toBe(1)
  one.close()
  one.close()
  await state.set('users/ada', 1)
  expect([shown(two), state.text.subscribers]).toEqual([[1], 1])
  two.close()
  expect(state.text.subscribers).toBe(0)
  const again = state.watch(LIST)
  await expect.poll(() => shown(again)).toEqual([1])
})

test('the end of the node ends iterators, after what they have not seen', async () => {
  const server = await runningNode()
  const { state } = server
  const values = state.watch<number>('counter')[Symbol.asyncIterator]()
  await values.next()
  await state.set('counter', 1)
  const waiting = state.watch('other')[Symbol.asyncIterator]()
  await waiting.next()
  const last = waiting.next()
  await server.close()
  expect((await values.next()).value).toMatchObject({ data: 1 })
  expect((await values.next()).done).toBe(true)
  expect((await last).done).toBe(true)
})

test('what can not be shown fails its watches, and what is closed or no path is refused', async () => {
  const filters = {
    'broken/*': {
      read: () => {
        throw new Error('no')
      },
    },
    'open/*': { open: true },
  }
  const { state } = await runningNode({ filters, static: true })
  const failure = { code: 'SKERRY_WATCH_FAILED' }
  await state.text.set('open/1', '1')
  expect(() => state.watch('closed/*')).toThrow(expect.objectContaining({ status: 403 }))
  expect(() => state.watch('a//b')).toThrow(expect.objectContaining({ status: 400 }))
  await expect(state.list('broken/*')).resolves.toEqual([])
  const refusing = await runningNode({ filters })
  await refusing.state.set('broken/1', 1)
  const failures: SkerryError[] = []
  const watch = refusing.state.watch(
    'broken/*',
    () => expect.unreachable(),
    (error) => failures.push(error),
  )
  await expect(watch[Symbol.asyncIterator]().next()).rejects.toMatchObject(failure)
  expect(failures).toEqual([expect.objectContaining(failure)])
})

test('a listener that throws is logged, and harms neither the write nor the other watches', async () => {
  const logged: unknown[] = []
  const silent = (): void => undefined
  const warn = (about: { path?: string }): void => void logged.push(about.path)
  const logger = { error: silent, warn, info: silent }
  const { state } = await runningNode({ logger })
  await state.set('users/ada', 1)
  const good = state.watch(LIST)
  await expect.poll(() => shown(good)).toEqual([1])
  let calls = 0
  state.watch(LIST, () => {
    calls++
    throw new Error('mine')
  })
  await state.set('users/ada', 2)
  expect([calls, shown(good)]).toEqual([2, [2]])
  expect(logged).toEqual([LIST, LIST])
})

test('the types of values follow from the type parameters and the pattern', async () => {
  const { state } = await runningNode()
  const ada = await state.set<User>('users/ada', { name: 'Ada' })
  expectTypeOf(ada).toEqualTypeOf<VersionedEntry<User>>()
  expectTypeOf(await state.push<User>(LIST, ada.data)).toEqualTypeOf<VersionedEntry<User>>()
  expectTypeOf(await state.patch<User>(ada.path, {})).toEqualTypeOf<VersionedEntry<User>>()
  expectTypeOf(await state.get<User>(ada.path)).toEqualTypeOf<VersionedEntry<User> | null>()
  expectTypeOf(await state.list<User>(LIST)).toEqualTypeOf<VersionedEntry<User>[]>()
  expectTypeOf(await state.get(ada.path)).toEqualTypeOf<VersionedEntry | null>()
  expectTypeOf(await state.delete(LIST)).toEqualTypeOf<number>()
  const list = state.watch<User>('users/*')
  expectTypeOf(list).toEqualTypeOf<Watch<readonly StateEntry<User>[], SkerryError>>()
  const one = state.watch<User>('users/ada')
  expectTypeOf(one).toEqualTypeOf<Watch<StateEntry<User> | null, SkerryError>>()
  // @ts-expect-error a user has a name
  await state.set<User>('users/eve', { born: 1815 })
  // @ts-expect-error nothing may be there
  expect(() => one.value.data).toThrow(TypeError)
  expectTypeOf<VersionedEntry<User>>().toExtend<StateEntry<User>>()
})
