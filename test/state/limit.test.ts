import { expect, onTestFinished, test } from 'vitest'
import type { Entry, Filters, Store } from '../../src/index.ts'
import type { HookFailure } from '../../src/state/hooks.ts'
import { State } from '../../src/state/state.ts'
import { Loop, type LoopNode, loopNode, rootOf } from '../sync/loop.ts'

interface Limited extends LoopNode {
  readonly state: State
  readonly failures: HookFailure[]
}

async function limited(loop: Loop, id: string, filters: Filters): Promise<Limited> {
  // A node alone may collect what it deleted at any time; these tests look at tombstones.
  const collectIntervalMs = 86_400_000
  const leader = id === 'a' ? {} : { leader: 'a' }
  const node = await loopNode(loop, id, { collectIntervalMs, ...leader })
  const failures: HookFailure[] = []
  const { store, env } = node
  const state = new State({ store, env, filters, hookFailed: (failed) => failures.push(failed) })
  onTestFinished(async () => {
    state.close()
    await node.sync.stop()
    await store.close()
  })
  return { ...node, state, failures }
}

async function pathsOf({ state }: Limited, glob: string): Promise<string[]> {
  return (await state.list(glob)).map(({ path }) => path)
}

/** Writes entries, the oldest first. */
async function fill({ state }: Limited, paths: readonly string[]): Promise<void> {
  for (const path of paths) await state.set(path, '1')
}

test('O11: what a limit evicts is deleted on linked nodes too, and no pull brings it back', async () => {
  const loop = new Loop()
  const a = await limited(loop, 'a', { 'log/*': { limit: { count: 3 } } })
  const b = await limited(loop, 'b', {})
  await loop.settled()
  await fill(a, ['log/1', 'log/2', 'log/3', 'log/4', 'log/5'])
  const kept = ['log/5', 'log/4', 'log/3']
  await expect.poll(() => pathsOf(b, 'log/*')).toEqual(kept)
  // What comes from a peer counts like what is written here.
  await fill(b, ['log/6', 'log/7'])
  await expect.poll(() => pathsOf(b, 'log/*')).toEqual(['log/7', 'log/6', 'log/5'])
  expect(await pathsOf(a, 'log/*')).toEqual(['log/7', 'log/6', 'log/5'])
  expect(await rootOf(a)).toBe(await rootOf(b))
})

test('nodes that evict the same entry make the same tombstone, and a newer write beats it', async () => {
  const loop = new Loop()
  const filters: Filters = { 'log/*': { limit: { count: 2 } } }
  const a = await limited(loop, 'a', filters)
  await fill(a, ['log/1', 'log/2', 'log/3'])
  await expect.poll(() => pathsOf(a, 'log/*')).toEqual(['log/3', 'log/2'])
  const tombstone = await a.store.newest('log/1')
  expect(tombstone).toMatchObject({ data: null, origin: 'a' })
  const b = await limited(loop, 'b', filters)
  await expect.poll(() => pathsOf(b, 'log/*')).toEqual(['log/3', 'log/2'])
  expect(await b.store.newest('log/1')).toEqual(tombstone)
  await b.state.set('log/1', '"new"')
  await expect.poll(() => pathsOf(a, 'log/*')).toEqual(['log/1', 'log/3'])
  await expect.poll(() => rootOf(b)).toBe(await rootOf(a))
})

test('an entry goes once its ttl is over, counted from its last write', async () => {
  const a = await limited(new Loop(), 'a', { 'sessions/*': { ttlMs: 60_000 } })
  await fill(a, ['sessions/1', 'sessions/2', 'other'])
  const { created: updated } = (await a.state.get('sessions/1'))!
  const written: Entry[] = []
  a.store.watch(({ changes }) => written.push(...changes.map(({ entry }) => entry)))
  a.env.advance(40_000)
  await a.state.set('sessions/2', '2')
  a.env.advance(40_000)
  await expect.poll(() => pathsOf(a, 'sessions/*')).toEqual(['sessions/2'])
  const tombstone = written.find(({ path }) => path === 'sessions/1')
  expect(tombstone).toMatchObject({ updated, origin: 'a', data: null })
  a.env.advance(40_000)
  await expect.poll(() => a.state.keys()).toEqual(['other'])
  expect(a.failures).toEqual([])
})

test('maxAgeMs counts from creation, whatever was written since', async () => {
  const a = await limited(new Loop(), 'a', { 'log/*': { limit: { maxAgeMs: 60_000 } } })
  await fill(a, ['log/1'])
  a.env.advance(40_000)
  await fill(a, ['log/1', 'log/2'])
  a.env.advance(40_000)
  await expect.poll(() => pathsOf(a, 'log/*')).toEqual(['log/2'])
})

test('a limit says which entries stay, follows countOf, and holds for what was there before', async () => {
  const loop = new Loop()
  const node = await limited(loop, 'a', {})
  const paths = Array.from({ length: 1203 }, (_, n) => `seats/${String(n).padStart(4, '0')}`)
  await node.store.write(paths.map((path) => ({ path, decide: () => '1' })))
  let count = 4
  const filters: Filters = { 'seats/*': { limit: { countOf: () => count, order: 'asc' } } }
  const { store, env } = node
  const failures: HookFailure[] = []
  const state = new State({ store, env, filters, hookFailed: (failed) => failures.push(failed) })
  const seats = { ...node, state }
  await expect.poll(() => pathsOf(seats, 'seats/*')).toEqual(paths.slice(0, 4).reverse())
  await fill(seats, ['seats/late'])
  await expect.poll(() => pathsOf(seats, 'seats/*')).toEqual(paths.slice(0, 4).reverse())
  count = -1
  await fill(seats, ['seats/free'])
  expect(failures).toMatchObject([{ hook: 'limit', path: 'seats/*' }])
  expect(await state.get('seats/free')).toBeDefined()
  state.close()
})

/** The store, and how many entries it has shown to those who went through it. */
function counting(store: Store): { store: Store; shown: () => number } {
  let shown = 0
  const visit: Store['visit'] = (pattern, visitor) =>
    store.visit(pattern, (entry) => {
      shown++
      visitor(entry)
    })
  const counted = new Proxy(store, {
    get: (target, name) => {
      if (name === 'visit') return visit
      const part: unknown = Reflect.get(target, name, target)
      return typeof part === 'function' ? (part.bind(target) as unknown) : part
    },
  })
  return { store: counted, shown: () => shown }
}

test.each(['desc', 'asc'] as const)(
  'what a limit evicts is known without going through the entries again (%s)',
  async (order) => {
    const node = await limited(new Loop(), 'a', {})
    const paths = Array.from({ length: 1000 }, (_, n) => `log/${String(n).padStart(4, '0')}`)
    await node.store.write(paths.map((path) => ({ path, decide: () => '1' })))
    const { store, shown } = counting(node.store)
    const filters: Filters = { 'log/*': { limit: { count: 1000, order, maxAgeMs: 1_000_000 } } }
    const state = new State({ store, env: node.env, filters })
    onTestFinished(() => state.close())
    const log = { ...node, state }
    await expect.poll(shown).toBe(1000)
    // Writes of all kinds: pushes, one that was there, one that goes and comes back.
    await Promise.all(Array.from({ length: 300 }, (_, n) => state.push('log/*', `${n}`)))
    await state.set('log/0999', '"again"')
    await state.delete('log/0500')
    await state.set('log/0500', '"new"')
    await expect.poll(async () => (await node.store.list('log/*')).entries.length).toBe(1000)
    expect(shown()).toBe(1000)
    const kept = await pathsOf(log, 'log/*')
    const early = kept.filter((path) => path.length === 'log/0000'.length)
    expect(early.length).toBe(order === 'asc' ? 999 + Number(kept.includes('log/0500')) : 700)
  },
)

test('entries that come and go while a limit first looks are counted right', async () => {
  const node = await limited(new Loop(), 'a', {})
  const paths = Array.from({ length: 50 }, (_, n) => `log/${n + 10}`)
  await node.store.write(paths.map((path) => ({ path, decide: () => '1' })))
  const filters: Filters = { 'log/*': { limit: { count: 50 } } }
  const state = new State({ store: node.store, env: node.env, filters })
  onTestFinished(() => state.close())
  const again = state.delete('log/30').then(() => state.set('log/30', '2'))
  const others = [state.set('log/late', '1'), state.delete('log/40'), state.push('log/*', '3')]
  await Promise.all([again, ...others])
  await expect.poll(async () => (await state.list('log/*')).length).toBe(50)
  await state.push('log/*', '4')
  await expect.poll(async () => (await state.list('log/*')).length).toBe(50)
  const kept = await pathsOf({ ...node, state }, 'log/*')
  expect(kept).toEqual(expect.arrayContaining(['log/late', 'log/30']))
  expect(kept).not.toContain('log/10')
})

test('the most specific limit holds, and what it is for does not count for another one', async () => {
  const a = await limited(new Loop(), 'a', {
    '**': { limit: { count: 2 } },
    'log/*': { limit: { count: 1 } },
  })
  await fill(a, ['x', 'log/1', 'y', 'log/2', 'z'])
  await expect.poll(() => a.state.keys()).toEqual(['log/2', 'y', 'z'])
})

test('a limit that says nothing, or nonsense, is refused', async () => {
  const invalid = { code: 'SKERRY_OPTION_INVALID' }
  const { store, env } = await limited(new Loop(), 'a', {})
  const make = (filter: unknown) => () =>
    new State({ store, env, filters: { 'a/*': filter } as Filters })
  for (const limit of [{}, 7, { count: 0 }, { count: 1.5 }, { maxAgeMs: '1' }, { countOf: 1 }]) {
    expect(make({ limit })).toThrow(expect.objectContaining(invalid))
  }
  expect(make({ limit: { count: 1, order: 'up' } })).toThrow(expect.objectContaining(invalid))
  expect(make({ ttlMs: 0 })).toThrow(expect.objectContaining(invalid))
  const unknown = { code: 'SKERRY_OPTION_UNKNOWN' }
  expect(make({ limit: { most: 1 } })).toThrow(expect.objectContaining(unknown))
})
