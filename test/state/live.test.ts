import fc from 'fast-check'
import { expect, test } from 'vitest'
import { entryJson, MISSING_ENTRY_JSON } from '../../src/core/entry.ts'
import { State } from '../../src/state/state.ts'
import type { Frame } from '../../src/state/subscription.ts'
import { LocalStore } from '../../src/store/local.ts'
import type { Commit } from '../../src/store/store.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { ManualEnv } from './manual-env.ts'
import { Watcher } from '../../sim/watcher.ts'

async function opened(env = new ManualEnv(), engine = new MemoryEngine()) {
  const store = await LocalStore.open(engine, env, { nodeId: 'here' })
  return { env, store, state: new State({ store, env }) }
}

/** A watcher that has its first frame. */
async function watching(state: State, pattern: string): Promise<Watcher> {
  const watcher = new Watcher()
  state.watch(pattern, watcher)
  await watcher.frames(1)
  return watcher
}

async function listed(state: State, glob: string): Promise<unknown> {
  return JSON.parse(`[${(await state.list(glob)).map(entryJson).join(',')}]`)
}

/** What a subscriber of one path should hold. */
async function shown(state: State, path: string): Promise<unknown> {
  const entry = await state.get(path)
  return JSON.parse(entry === undefined ? MISSING_ENTRY_JSON : entryJson(entry))
}

test('a list begins with a snapshot, and then patches follow, newest first', async () => {
  const { state } = await opened()
  await state.set('box/b', '"b"')
  await state.set('box/a', '"a"')
  const watcher = await watching(state, 'box/*')
  expect(watcher.texts[0]).toMatch(/^\{"snapshot":true,"version":"[0-9a-f]{24}","data":\[\{/)

  await state.set('box/c', '"c"')
  expect(watcher.texts[1]).toMatch(
    /^\{"snapshot":false,"version":"[0-9a-f]{24}","previous":"[0-9a-f]{24}","data":\[\{"op":"a/,
  )
  await state.set('box/b', '"B"')
  await state.delete('box/a')
  expect(watcher.copy).toEqual(await listed(state, 'box/*'))
  expect(watcher.copy).toMatchObject([{ path: 'box/c' }, { path: 'box/b', data: 'B' }])
  const { versions } = watcher
  expect([...new Set(versions)].sort()).toEqual(versions)
})

test('a single entry is watched through its absence', async () => {
  const { state } = await opened()
  const watcher = await watching(state, 'box/a')
  const missing = { created: 0, updated: 0, index: '', data: {} }
  expect(watcher.copy).toEqual(missing)
  const filler = 'x'.repeat(500)
  await state.set('box/a', `{"n":1,"filler":"${filler}"}`)
  expect(watcher.copy).toMatchObject({ index: 'a', updated: 0, data: { n: 1 } })
  await state.set('box/a', `{"n":2,"filler":"${filler}"}`)
  expect(watcher.texts[2]).toContain('"snapshot":false')
  expect(watcher.copy).toEqual(JSON.parse(entryJson((await state.get('box/a'))!)))
  await state.delete('box/a')
  expect(watcher.copy).toEqual(missing)
  await state.set('box/other', '1')
  expect(watcher.texts).toHaveLength(4)
})

test('times are exact in snapshots and patches', async () => {
  const { state, store } = await opened()
  const single = await watching(state, 'a')
  const list = await watching(state, '*')
  const data = `{"n":9007199254740993,"filler":"${'x'.repeat(500)}"}`
  const entry = { path: 'a', created: 1767602580000000001n, updated: 0n, origin: 'x', data }
  await store.merge([entry], { peer: 'x' })
  expect(single.texts[1]).toContain('"created":1767602580000000001,"updated":0')
  expect(single.texts[1]).toContain('"n":9007199254740993')
  const newer = data.replace('0993', '0995')
  await store.merge([{ ...entry, updated: 1767602580000000003n, data: newer }], { peer: 'x' })
  expect(single.texts[2]).toContain('"data":[{"op":"replace","path":"/updated"')
  expect(list.texts[2]).toContain('"data":[{"op":"replace","path":"/0/updated"')
  for (const { texts } of [single, list]) {
    expect(texts[2]).toContain('"value":1767602580000000003')
    expect(texts[2]).toContain('"value":9007199254740995')
  }
})

test('plain reads never disturb a view (O1, O2)', async () => {
  const { state } = await opened()
  await state.set('box/b', '"b"')
  await state.set('box/a', '"a"')
  const watcher = await watching(state, 'box/*')
  await state.set('box/c', '"c"')
  await state.list('box/*')
  const deleting = state.delete('box/b')
  await Promise.all([state.list('box/*'), state.get('box/b'), deleting, state.list('box/*')])
  expect(watcher.copy).toMatchObject([{ path: 'box/c' }, { path: 'box/a' }])
  expect(watcher.texts).toHaveLength(3)

  for (let n = 0; n < 100; n++) {
    const writing = state.set('box/a', `${n}`)
    await Promise.all([state.get('box/a'), state.list('box/*'), writing, state.get('box/a')])
    expect(watcher.copy).toMatchObject([{ path: 'box/c' }, { path: 'box/a', data: n }])
  }
})

test('subscribers that join during writes end with what the server has (O3)', async () => {
  const { state } = await opened()
  const watchers: Watcher[] = []
  const writes: Promise<unknown>[] = []
  for (let n = 0; n < 300; n++) {
    writes.push(n % 7 === 3 ? state.delete(`box/${n % 20}`) : state.set(`box/${n % 20}`, `${n}`))
    if (n % 10 === 5) {
      const watcher = new Watcher()
      state.watch(n % 20 === 5 ? 'box/*' : '*/5', watcher)
      watchers.push(watcher)
    }
    if (n % 3 === 0) await Promise.resolve()
    if (n % 25 === 0) await writes.at(-1)
  }
  await Promise.all(writes)
  for (const [n, watcher] of watchers.entries()) {
    await watcher.frames(1)
    expect(watcher.copy).toEqual(await listed(state, n % 2 === 0 ? 'box/*' : '*/5'))
  }
})

test('a delete by glob empties the list in one message, and only of what matches (O7)', async () => {
  const { state } = await opened()
  for (let n = 0; n < 50; n++) await state.set(`box/${n}`, '1')
  await state.set('box/1/deep', '1')
  const list = await watching(state, 'box/*')
  const deep = await watching(state, 'box/*/*')
  await state.delete('box/*')
  expect(list.copy).toEqual([])
  expect(list.texts).toHaveLength(2)
  expect(deep.copy).toMatchObject([{ path: 'box/1/deep' }])
  expect(deep.texts).toHaveLength(1)
})

test('a change that readers do not see sends nothing', async () => {
  const { state, store, env } = await opened()
  await state.set('a', '1')
  const watcher = await watching(state, 'a')
  const held = (await state.get('a'))!
  // The same times and data from another origin: another version, but it reads the same.
  await store.merge([{ ...held, origin: 'zzz' }], { peer: 'zzz' })
  // Too far in the future: kept aside for now.
  const future = env.now() + 3_600_000_000_000n
  await store.merge([{ ...held, updated: future, data: '2' }], { peer: 'zzz' })
  expect(await state.delete('b')).toBe(0)
  expect(watcher.texts).toHaveLength(1)

  env.advance(3_600_001)
  await watcher.frames(2)
  expect(watcher.copy).toMatchObject({ data: 2 })
})

test('who comes back gets nothing if nothing was missed, and a snapshot for a version unknown', async () => {
  const { env, state } = await opened()
  await state.set('box/a', '1')
  const first = await watching(state, 'box/*')
  const current = new Watcher()
  state.watch('box/*', current, first.version)
  const unknown = new Watcher()
  state.watch('box/*', unknown, '0'.repeat(24))
  expect([current.texts.length, unknown.texts.length]).toEqual([0, 1])
  expect(unknown.copy).toEqual(first.copy)

  const alone = new Watcher()
  const last = state.watch('box/a', alone)
  await alone.frames(1)
  last.close()
  env.advance(29_999)
  expect(state.watched).toBe(2)
  env.advance(1)
  expect(state.watched).toBe(1)
})

test('who comes back gets exactly the patches that were missed, as the others got them', async () => {
  const { env, state } = await opened()
  for (let n = 0; n < 30; n++) await state.set(`box/${n}`, `${n}`)
  const first = new Watcher()
  const subscription = state.watch('box/*', first)
  await first.frames(1)
  await state.set('box/1', '"seen"')
  const others = await watching(state, 'box/*')
  subscription.close()

  await state.set('box/new', '1')
  await state.delete('box/2')
  await state.set('box/3', '"changed"')
  const back = first.successor()
  const again = state.watch('box/*', back, first.version)
  expect(back.texts).toEqual(others.texts.slice(1))
  expect(back.copy).toEqual(others.copy)
  again.close()

  // While nobody at all watches, too.
  env.advance(10_000)
  await state.set('box/4', '4')
  const late = back.successor()
  state.watch('box/*', late, back.version)
  expect(late.texts).toEqual(others.texts.slice(4))
  expect(late.texts).toHaveLength(1)
  expect(late.copy).toEqual(await listed(state, 'box/*'))
})

test('the patches of a lingering view are kept', async () => {
  const { state } = await opened()
  for (let n = 0; n < 30; n++) await state.set(`box/${n}`, `${n}`)
  const first = new Watcher()
  const subscription = state.watch('box/*', first)
  await first.frames(1)
  subscription.close()
  await state.set('box/1', '"changed"')
  await state.set('box/2', '"changed"')
  const back = first.successor()
  state.watch('box/*', back, first.version)
  expect(back.texts).toHaveLength(2)
  expect(back.copy).toEqual(await listed(state, 'box/*'))
})

test('a snapshot comes instead of missed patches that are longer together', async () => {
  const { state } = await opened()
  for (let n = 0; n < 10; n++) await state.set(`box/${n}`, `${n}`)
  const first = await watching(state, 'box/*')
  const { version } = first
  for (let n = 0; n < 10; n++) await state.set('box/1', `"${n}"`)
  expect(first.texts.slice(1).every((text) => text.includes('"snapshot":false'))).toBe(true)
  const back = new Watcher()
  state.watch('box/*', back, version)
  expect(back.texts).toHaveLength(1)
  expect(back.texts[0]).toContain('"snapshot":true')
  expect(back.copy).toEqual(first.copy)
})

test('who falls behind while patches are made up for gets the rest as one snapshot', async () => {
  const { state } = await opened()
  for (let n = 0; n < 30; n++) await state.set(`box/${n}`, `${n}`)
  const first = await watching(state, 'box/*')
  const { version } = first
  for (let n = 0; n < 3; n++) await state.set(`box/${n}`, '"changed"')
  const back = first.successor()
  back.bufferedBytes = 2 ** 21
  const subscription = state.watch('box/*', back, version)
  expect(back.texts).toHaveLength(0)
  back.bufferedBytes = 0
  subscription.drained()
  expect(back.texts).toHaveLength(1)
  expect(back.copy).toEqual(first.copy)
})

test('a version of an earlier run is never taken for the newest', async () => {
  const env = new ManualEnv()
  const engine = new MemoryEngine()
  const { state, store } = await opened(env, engine)
  await state.set('a', '1')
  const watcher = await watching(state, 'a')
  state.close()
  await store.close()
  expect(watcher.reason).toBe('stopped')

  const again = await opened(env, engine)
  const back = new Watcher()
  again.state.watch('a', back, watcher.version)
  await back.frames(1)
  expect(back.copy).toEqual(watcher.copy)
})

test('views that nobody watches are bounded', async () => {
  const { state } = await opened()
  for (let n = 0; n < 100; n++) state.watch(`box/${n}`, new Watcher()).close()
  expect(state.watched).toBe(64)
})

test('a slow subscriber costs bounded memory, and catches up with one snapshot (O4)', async () => {
  const { state } = await opened()
  const slow = new Watcher()
  const subscription = state.watch('box/*', slow)
  await slow.frames(1)
  const brisk = await watching(state, 'box/*')
  slow.bufferedBytes = 2 * 1024 * 1024
  for (let n = 0; n < 100; n++) await state.set(`box/${n}`, `${n}`)
  expect(slow.texts).toHaveLength(1)
  expect(brisk.texts).toHaveLength(101)

  slow.bufferedBytes = 0
  subscription.drained()
  expect(slow.texts).toHaveLength(2)
  expect(slow.copy).toEqual(brisk.copy)
  subscription.drained()
  await state.set('box/0', '"again"')
  expect(slow.texts).toHaveLength(3)
  expect(slow.copy).toEqual(await listed(state, 'box/*'))
})

test('one change is one frame, the same for 1,000 subscribers', async () => {
  const { state } = await opened()
  const frames = new Set<Frame>()
  for (let n = 0; n < 1000; n++) {
    state.watch('a', {
      frame: (frame) => void frames.add(frame),
      bufferedBytes: 0,
      ended: () => undefined,
    })
  }
  await watching(state, 'a')
  expect(frames.size).toBe(1)
  await state.set('a', '1')
  await state.set('a', '2')
  expect(frames.size).toBe(3)
})

test('a subscriber that stays stuck is given up; one that moves is not', async () => {
  const { env, state } = await opened()
  const stuck = await watching(state, 'a')
  const moving = await watching(state, 'a')
  stuck.bufferedBytes = moving.bufferedBytes = 2 * 1024 * 1024
  await state.set('a', '1')
  for (let n = 0; n < 5; n++) {
    moving.bufferedBytes -= 1
    env.advance(30_000)
  }
  expect([stuck.reason, moving.reason]).toEqual(['stuck', undefined])
})

test('a subscriber that throws ends its own subscription, and no write suffers', async () => {
  const { state } = await opened()
  const calm = await watching(state, 'a')
  const refuse = (): never => {
    throw new Error('full')
  }
  const broken = new Watcher()
  broken.frame = refuse
  state.watch('a', broken)
  expect(broken.reason).toBe('failed')
  const late = await watching(state, 'a')
  late.frame = refuse
  await state.set('a', '1')
  expect(late.reason).toBe('failed')
  expect(calm.copy).toMatchObject({ data: 1 })
})

test('a view that can not be put together is given up, and no write suffers', async () => {
  const { state, store } = await opened()
  const watcher = await watching(state, 'a')
  const impossible = { path: 'a', created: 1n, updated: 0n, origin: 'x', data: '1' }
  Object.defineProperty(impossible, 'data', {
    get: () => {
      throw new RangeError('Invalid string length')
    },
  })
  const live = new Set<(commit: Commit) => void>()
  Object.defineProperty(store, 'watch', { value: (listener: never) => live.add(listener) })
  const second = new State({ store, env: new ManualEnv() })
  const lost = await watching(second, 'a')
  const change = { seq: 1, entry: impossible, before: undefined, after: impossible, from: '' }
  for (const listener of live) listener({ changes: [change], seq: 1 })
  expect([lost.reason, second.watched]).toEqual(['failed', 0])
  await state.set('a', '1')
  expect(watcher.copy).toMatchObject({ data: 1 })
})

test('a store that can not be read ends its subscriptions', async () => {
  const { state, store } = await opened()
  Object.defineProperty(store, 'list', { value: () => Promise.reject(new Error('disk')) })
  const watcher = new Watcher()
  state.watch('box/*', watcher)
  await expect.poll(() => watcher.reason).toBe('failed')
  expect(state.watched).toBe(0)
})

const paths = fc.constantFrom('a', 'b', 'box/1', 'box/2', 'box/3', 'box/4', 'box/1/x', 'box/2/x')

const steps = fc.oneof(
  fc.record({ do: fc.constant('set' as const), path: paths, data: fc.json({ maxDepth: 3 }) }),
  fc.record({ do: fc.constant('delete' as const), path: paths }),
  fc.record({ do: fc.constant('clear' as const), path: fc.constantFrom('box/*', '*') }),
  fc.record({ do: fc.constant('push' as const), data: fc.json({ maxDepth: 1 }) }),
  fc.record({
    do: fc.constant('merge' as const),
    entries: fc.array(fc.record({ path: paths, ago: fc.nat(5), data: fc.json({ maxDepth: 1 }) }), {
      maxLength: 30,
    }),
  }),
  fc.record({ do: fc.constant('watch' as const), pattern: fc.nat(4) }),
  fc.record({ do: fc.constant('stall' as const), watcher: fc.nat(9) }),
  fc.record({ do: fc.constant('drain' as const), watcher: fc.nat(9) }),
  fc.record({ do: fc.constant('wait' as const) }),
)

type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never

const patterns = ['box/*', '*', 'box/*/*', 'box/1', 'a']

/** Carries out steps without waiting for them, unless they say so. */
async function play(script: readonly Step[]): Promise<void> {
  const { state, store, env } = await opened()
  const watchers: { pattern: string; watcher: Watcher; drained: () => void }[] = []
  const writes: Promise<unknown>[] = []
  const act = (step: Step): void | Promise<unknown> => {
    if (step.do === 'set') writes.push(state.set(step.path, step.data))
    else if (step.do === 'push') writes.push(state.push('box/*', step.data))
    else if (step.do === 'delete' || step.do === 'clear') writes.push(state.delete(step.path))
    else if (step.do === 'wait') return Promise.all(writes)
    else if (step.do === 'merge') {
      const entries = step.entries.map(({ path, ago, data }) => {
        return { path, created: env.now() - BigInt(ago), updated: 0n, origin: 'peer', data }
      })
      writes.push(store.merge(entries, { peer: 'peer' }))
    } else if (step.do === 'watch') {
      const pattern = patterns[step.pattern]!
      const watcher = new Watcher()
      const subscription = state.watch(pattern, watcher)
      watchers.push({ pattern, watcher, drained: () => subscription.drained() })
    } else {
      const chosen = watchers[step.watcher]
      if (chosen === undefined) return
      chosen.watcher.bufferedBytes = step.do === 'stall' ? 2 ** 21 : 0
      if (step.do === 'drain') chosen.drained()
    }
    env.advance(1)
  }
  for (const step of script) await act(step)
  await Promise.all(writes)
  for (const { pattern, watcher, drained } of watchers) {
    await expect.poll(() => watcher.bufferedBytes > 0 || watcher.texts.length > 0).toBe(true)
    watcher.bufferedBytes = 0
    drained()
    await watcher.frames(1)
    const glob = pattern.includes('*')
    expect(watcher.copy).toEqual(await (glob ? listed(state, pattern) : shown(state, pattern)))
  }
}

test('whatever happens, what a subscriber holds ends equal to what the server has', async () => {
  await fc.assert(fc.asyncProperty(fc.array(steps, { maxLength: 60 }), play), { numRuns: 300 })
})
