import { describe, expect, test } from 'vitest'
import type { Entry } from '../../src/core/entry.ts'
import { Keeping } from '../../src/state/keeping.ts'
import type { Filters } from '../../src/state/filters.ts'
import type { Engine } from '../../src/store/engine.ts'
import { MAX_HISTORY_BYTES } from '../../src/store/archive/policy.ts'
import { prefixRange } from '../../src/store/layout.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import type { CollectionRule, KeptVersion, Store } from '../../src/store/store.ts'
import { VirtualEnv } from '../../src/testing.ts'
import { put, said, set, version } from '../../src/testing/store/scene.ts'
import { GatedEngine } from './gate.ts'

const NS_PER_MS = 1_000_000n

interface Opened {
  readonly engine?: Engine
  readonly env?: VirtualEnv
  readonly filters?: Filters
}

function open(history: Record<string, number>, opened: Opened = {}): Promise<LocalStore> {
  const { engine = new MemoryEngine(), env = new VirtualEnv(1), filters = {} } = opened
  return LocalStore.open(engine, env, { nodeId: 'here', history: new Keeping(history, filters) })
}

/** What is kept of a path, newest first, page by page. */
async function history(store: Store, path: string): Promise<KeptVersion[]> {
  let page = await store.history!(path, { limit: 3 })
  const versions = [...page.versions]
  while (page.next !== undefined) {
    page = await store.history!(path, { limit: 3, before: page.next })
    versions.push(...page.versions)
  }
  return versions
}

/** What is kept of a path, newest first: each version's data with its kind, one letter. */
async function kept(store: Store, path: string): Promise<string[]> {
  return (await history(store, path)).map(({ entry, kind }) => `${entry.data} ${kind}`)
}

/** What lies in the engine of any history. */
async function leftOver(engine: Engine): Promise<string[]> {
  const keys: string[] = []
  for (const letter of ['u', 'v', 'y']) {
    for await (const chunk of engine.scan(prefixRange(letter)))
      keys.push(...chunk.map(([key]) => key))
  }
  return keys
}

async function present(store: Store, path: string): Promise<string | null | undefined> {
  return (await store.history!(path, { limit: 1 })).current?.data
}

/** A rule that lets every tombstone go. */
const ALL: CollectionRule = { waitFor: [], expired: 0n, keys: [], linked: false }

test('the last versions of a path are kept, newest first, and no more of them than were asked for', async () => {
  const store = await open({ 'docs/*': 3 })
  for (const n of [1, 2, 3, 4, 5]) await set(store, 'docs/a', `${n}`)
  expect(await kept(store, 'docs/a')).toEqual(['4 superseded', '3 superseded', '2 superseded'])
  expect(await present(store, 'docs/a')).toBe('5')
  await set(store, 'docs/a', null)
  await set(store, 'docs/a', '6')
  expect(await kept(store, 'docs/a')).toEqual(['null superseded', '5 superseded', '4 superseded'])
  const { versions } = await store.history('docs/a', { limit: 1 })
  expect(versions[0]).toMatchObject({ entry: { origin: 'here', path: 'docs/a' } })
  expect(versions[0]!.keptAt).toBe(new VirtualEnv(1).now())
})

test('a page goes on where the one before it ended, whatever is written meanwhile', async () => {
  const store = await open({ a: 10 })
  for (let n = 0; n <= 6; n++) await set(store, 'a', `${n}`)
  const first = await store.history('a', { limit: 2 })
  expect(first.versions.map(({ entry }) => entry.data)).toEqual(['5', '4'])
  await set(store, 'a', '7')
  const second = await store.history('a', { limit: 3, before: first.next! })
  expect(second.versions.map(({ entry }) => entry.data)).toEqual(['3', '2', '1'])
  const last = await store.history('a', { limit: 3, before: second.next! })
  expect(last).toMatchObject({ versions: [{ entry: { data: '0' } }] })
  expect(last.next).toBeUndefined()
})

test('the most specific path or glob says how many; 0 keeps none', async () => {
  const store = await open({ '**': 1, 'docs/*': 2, 'docs/draft': 0 })
  for (const path of ['x', 'docs/a', 'docs/draft']) {
    for (const n of [1, 2, 3, 4]) await set(store, path, `${n}`)
  }
  expect(await kept(store, 'x')).toEqual(['3 superseded'])
  expect(await kept(store, 'docs/a')).toEqual(['3 superseded', '2 superseded'])
  expect(await kept(store, 'docs/draft')).toEqual([])
})

test('where nothing is configured, a write reads and writes the very same as without history', async () => {
  const traffic = async (history: Record<string, number> | undefined): Promise<string[]> => {
    const memory = new MemoryEngine()
    const seen: string[] = []
    const engine: Engine = {
      durable: false,
      get: (key) => (seen.push(`get ${key}`), memory.get(key)),
      scan: (range) => memory.scan(range),
      write: (ops, shown) => {
        seen.push(...ops.map(({ key }) => `op ${key}`))
        return memory.write(ops, shown)
      },
      close: () => memory.close(),
    }
    const keeping = history && { history: new Keeping(history, {}) }
    const store = await LocalStore.open(engine, new VirtualEnv(1), { nodeId: 'here', ...keeping })
    seen.length = 0
    for (const data of ['1', '2', null]) await set(store, 'a', data)
    await store.merge([version('a', -5, '"late"')], { peer: 'there' })
    await store.close()
    return seen
  }
  const plain = await traffic(undefined)
  expect(await traffic({})).toEqual(plain)
  expect(await traffic({ 'docs/*': 5 })).toEqual(plain)
})

describe('merges', () => {
  test('an own write that nobody had acknowledged is kept as overruled, one that was as superseded', async () => {
    const store = await open({ '**': 5 })
    const mine = await set(store, 'a', '"mine"')
    await set(store, 'b', '"mine"')
    await store.saveAcknowledgements([said('there', '**', mine.seq)])
    const theirs = (path: string) => version(path, 50, '"theirs"')
    await store.merge([theirs('a'), theirs('b')], { peer: 'there' })
    expect(await kept(store, 'a')).toEqual(['"mine" superseded'])
    expect(await kept(store, 'b')).toEqual(['"mine" overruled'])
  })

  test('a version that comes too late is kept as overruled, once, however often it is offered', async () => {
    const store = await open({ a: 3 })
    await set(store, 'a', '1')
    for (let n = 0; n < 5; n++) await store.merge([version('a', -60, '"late"')], { peer: 'there' })
    expect(await kept(store, 'a')).toEqual(['"late" overruled'])
    expect(await present(store, 'a')).toBe('1')
  })

  test('versions that were held here, or that their writer replaced, are no news when they come late', async () => {
    const store = await open({ a: 2 })
    const theirs = [1, 2, 3, 4].map((n) => version('a', n, `${n}`))
    await store.merge(theirs.slice(3), { peer: 'there' })
    for (const n of [5, 6, 7]) await set(store, 'a', `${n}`)
    await store.merge(theirs, { peer: 'elsewhere' })
    expect(await kept(store, 'a')).toEqual(['6 superseded', '5 superseded'])
  })

  test('of peers that name nobody each write is told apart', async () => {
    const store = await open({ a: 5 })
    const nameless = (ms: number, data: string) => version('a', ms, data, '')
    await store.merge([nameless(-10, '"shown"')], { peer: 'go' })
    await set(store, 'a', '"mine"')
    await store.merge([nameless(-10, '"shown"'), nameless(-50, '"late"')], { peer: 'go' })
    expect(await kept(store, 'a')).toEqual(['"late" overruled', '"shown" superseded'])
  })

  test('a version kept aside leaves what readers see in place; what comes of both is kept', async () => {
    const env = new VirtualEnv(1)
    const store = await open({ a: 5 }, { env })
    await set(store, 'a', '1')
    await store.merge([version('a', 3_600_000, '"ahead"')], { peer: 'there' })
    expect(await kept(store, 'a')).toEqual([])
    expect(await present(store, 'a')).toBe('1')
    await set(store, 'a', '2')
    expect(await kept(store, 'a')).toEqual(['"ahead" overruled', '1 superseded'])

    await set(store, 'b', '1')
    expect(await present(store, 'b')).toBe('1')
  })

  test('a version kept aside that is released supersedes what readers saw', async () => {
    const env = new VirtualEnv(1)
    const store = await open({ a: 5 }, { env })
    await set(store, 'a', '1')
    await store.merge([version('a', 120_000, '"ahead"')], { peer: 'there' })
    env.advance(120_000)
    await expect.poll(() => present(store, 'a')).toBe('"ahead"')
    expect(await kept(store, 'a')).toEqual(['1 superseded'])
  })

  test('stamping anew what a wild clock stamped makes no version', async () => {
    const env = new VirtualEnv(1)
    const store = await open({ a: 5 }, { env })
    env.stepClock(3_600_000)
    await set(store, 'a', '1')
    env.stepClock(-3_600_000)
    expect(await store.restamp()).toBe(1)
    expect(await kept(store, 'a')).toEqual([])
    await set(store, 'a', '2')
    expect(await kept(store, 'a')).toEqual(['1 superseded'])
  })
})

describe('one atomic step', () => {
  test('a write that fails leaves no history, and one that is refused keeps none of its batch', async () => {
    const gate = new GatedEngine(new MemoryEngine())
    const store = await open({ '**': 5 }, { engine: gate })
    await set(store, 'a', '1')
    gate.fail(new Error('no space'))
    await expect(set(store, 'a', '2')).rejects.toThrow('no space')
    gate.fail(undefined)
    expect(await kept(store, 'a')).toEqual([])
    const refused = {
      path: 'b',
      decide: () => {
        throw new Error('refused')
      },
    }
    await expect(store.write([put('a', '3'), refused])).rejects.toThrow('refused')
    expect(await kept(store, 'a')).toEqual([])
    await set(store, 'a', '4')
    expect(await kept(store, 'a')).toEqual(['1 superseded'])
  })

  test('readers see a version in the history when they see what superseded it, not before', async () => {
    const gate = new GatedEngine(new MemoryEngine())
    const store = await open({ a: 5 }, { engine: gate })
    await set(store, 'a', '1')
    const arrived = gate.hold()
    const writing = set(store, 'a', '2')
    await arrived
    expect([await present(store, 'a'), await kept(store, 'a')]).toEqual(['1', []])
    gate.letGo()
    await writing
    expect([await present(store, 'a'), await kept(store, 'a')]).toEqual(['2', ['1 superseded']])
  })

  test('several writes of one group to one path all leave their versions, trimmed in the same step', async () => {
    const store = await open({ a: 2 })
    await store.write([1, 2, 3, 4, 5].map((n) => put('a', `${n}`)))
    expect(await kept(store, 'a')).toEqual(['4 superseded', '3 superseded'])
  })
})

describe('bounds', () => {
  test('the history of a path takes no more than so many bytes, but for its newest version', async () => {
    const store = await open({ a: 10 })
    const large = (letter: string, share: number) =>
      JSON.stringify(letter.repeat(MAX_HISTORY_BYTES * share))
    for (const letter of ['a', 'b', 'c', 'd']) await set(store, 'a', large(letter, 0.4))
    const letters = async () => (await history(store, 'a')).map(({ entry }) => entry.data![1])
    expect(await letters()).toEqual(['c', 'b'])
    await set(store, 'a', large('e', 1.1))
    await set(store, 'a', '"small"')
    expect(await letters()).toEqual(['e'])
  })

  test('what is left of a deleted path stays when its tombstone goes, and goes when that would have expired', async () => {
    const env = new VirtualEnv(1)
    const store = await open({ '**': 5 }, { env })
    await set(store, 'a', '1')
    await set(store, 'a', null)
    await set(store, 'back', '1')
    await set(store, 'back', null)
    expect(await store.collect(ALL)).toBe(2)
    expect(await store.newest('a')).toBeUndefined()
    expect(await kept(store, 'a')).toEqual(['null superseded', '1 superseded'])
    await set(store, 'back', '2')

    env.advance(1000)
    await store.collect({ ...ALL, expired: store.time() - 2_000n * NS_PER_MS })
    expect(await kept(store, 'a')).toHaveLength(2)
    await store.collect({ ...ALL, expired: store.time() })
    expect(await kept(store, 'a')).toEqual([])
    expect(await kept(store, 'back')).toEqual(['null superseded', '1 superseded'])
  })

  test('with a smaller number the rest goes with the next write', async () => {
    const engine = new MemoryEngine()
    const before = await open({ a: 5 }, { engine })
    for (const n of [1, 2, 3, 4, 5]) await set(before, 'a', `${n}`)
    const after = await open({ a: 2 }, { engine })
    await set(after, 'a', '6')
    expect(await kept(after, 'a')).toEqual(['5 superseded', '4 superseded'])
  })
})

describe('what ends by a rule', () => {
  const filters: Filters = { 'a/*': { ttlMs: 1000 }, 'b/*': { limit: { count: 2 } } }
  const expire = (store: Store, path: string) =>
    store.write([{ path, inferred: true, decide: () => null }])

  test('an entry that a ttl or limit of this node deletes takes its history along, here and by a peer', async () => {
    const store = await open({ '**': 5 }, { filters })
    for (const path of ['a/1', 'b/1', 'c/1']) {
      for (const data of ['1', '2']) await set(store, path, data)
      expect(await kept(store, path)).toEqual(['1 superseded'])
    }
    await expire(store, 'b/1')
    const { updated } = (await store.newest('a/1'))!
    const theirs = { path: 'a/1', created: 0n, updated, origin: 'here', data: null }
    await store.merge([theirs], { peer: 'there' })
    await expire(store, 'c/1')
    expect(await present(store, 'a/1')).toBeNull()
    expect(await kept(store, 'a/1')).toEqual([])
    expect(await kept(store, 'b/1')).toEqual([])
    // No rule of this node: somebody else's, or a leader's silence, which may be taken back.
    expect(await kept(store, 'c/1')).toEqual(['2 superseded', '1 superseded'])
  })

  test('no version outlives the ttl of its path: it is not shown, and goes with the next write', async () => {
    const env = new VirtualEnv(1)
    const store = await open({ '**': 5 }, { filters, env })
    await set(store, 'a/1', '1')
    env.advance(600)
    await set(store, 'a/1', '2')
    env.advance(600)
    expect(await kept(store, 'a/1')).toEqual([])
    await set(store, 'a/1', '3')
    expect(await kept(store, 'a/1')).toEqual(['2 superseded'])
  })
})

describe('another start', () => {
  test('without the option what is kept stays readable, nothing is added, and it goes when it is cleared', async () => {
    const engine = new MemoryEngine()
    const before = await open({ '**': 5 }, { engine })
    for (const path of ['a', 'b/1', 'b/2']) {
      for (const data of ['1', '2']) await set(before, path, data)
    }
    const after = await open({}, { engine })
    await set(after, 'a', '3')
    await after.merge([version('a', -5, '"late"')], { peer: 'there' })
    expect(await kept(after, 'a')).toEqual(['1 superseded'])
    expect(await after.clearHistory('b/*')).toBe(2)
    expect(await kept(after, 'b/1')).toEqual([])
    expect(await kept(after, 'a')).toEqual(['1 superseded'])
    expect(await after.clearHistory('a')).toBe(1)
    expect(await after.clearHistory('a')).toBe(0)
    expect(await leftOver(engine)).toEqual([])
  })

  test('without the option the history of a deleted path is bounded all the same', async () => {
    const engine = new MemoryEngine()
    const env = new VirtualEnv(1)
    const before = await open({ a: 5 }, { engine, env })
    for (const data of ['1', '2']) await set(before, 'a', data)
    const after = await open({}, { engine, env })
    await set(after, 'a', null)
    await after.collect(ALL)
    expect(await kept(after, 'a')).toEqual(['1 superseded'])
    env.advance(1)
    await after.collect({ ...ALL, expired: after.time() })
    expect(await kept(after, 'a')).toEqual([])
  })

  test('a copy has the history of its original, and goes on by itself', async () => {
    const engine = new MemoryEngine()
    const original = await open({ a: 5 }, { engine })
    for (const data of ['1', '2']) await set(original, 'a', data)
    const copy = await open({ a: 5 }, { engine: engine.copy() })
    await set(copy, 'a', '3')
    expect(await kept(copy, 'a')).toEqual(['2 superseded', '1 superseded'])
    expect(await kept(original, 'a')).toEqual(['1 superseded'])
  })
})

test('history is no part of feed, digest or listing', async () => {
  const [with_, without] = [await open({ '**': 5 }), await open({})]
  for (const store of [with_, without]) {
    for (const data of ['1', '2', null, '3']) await set(store, 'a', data)
    await store.merge([version('a', -5, '"late"')], { peer: 'there' })
  }
  expect((await with_.changesAfter(0, 10)).changes).toEqual(
    (await without.changesAfter(0, 10)).changes,
  )
  expect(await with_.digest('**')).toEqual(await without.digest('**'))
  expect(await with_.list('**')).toEqual(await without.list('**'))
})

test.each(Array.from({ length: 20 }, (_, n) => n + 1))(
  'whatever happens, what is kept is what was replaced, in order, and no key of it is left over (seed %i)',
  async (seed) => {
    const engine = new MemoryEngine()
    const chance = new VirtualEnv(seed)
    const env = new VirtualEnv(1)
    const most = 1 + Math.floor(chance.random() * 4)
    const paths = ['a', 'a-b', 'a/b', 'c']
    let store = await open({ '**': most }, { engine, env })
    const model = new Map<string, (string | null)[]>()
    /** Each record that another one replaces goes to the model, so it follows what the feed tells. */
    const follow = () =>
      store.watch(({ changes }) => {
        for (const { entry, before } of changes) {
          const left = held.get(entry.path)
          if (left !== undefined)
            model.set(entry.path, [left.data, ...(model.get(entry.path) ?? [])])
          held.set(entry.path, entry)
          expect(before?.data ?? null).toBe(left?.data ?? null)
        }
      })
    const held = new Map<string, Entry>()
    let stop = follow()
    const pick = <T>(of: readonly T[]): T => of[Math.floor(chance.random() * of.length)]!
    for (let step = 0; step < 120; step++) {
      const path = pick(paths)
      const dice = chance.random()
      env.advance(1)
      if (dice < 0.4) {
        const writes = Array.from({ length: pick([1, 1, 3]) }, (_, n) =>
          put(pick(paths), `"${step}.${n}"`),
        )
        await store.write(writes)
      } else if (dice < 0.55) await set(store, path, null)
      else if (dice < 0.8) {
        // Above all there is: what comes late is told by tests of its own.
        const at = store.time() + 1_000n
        await store.merge(
          [{ path, created: at, updated: 0n, origin: pick(['x', 'y', '']), data: `"${step}"` }],
          { peer: 'peer' },
        )
      } else if (dice < 0.9) {
        await store.collect(ALL)
        for (const [at, entry] of held) {
          if (entry.data !== null || (await store.newest(at)) !== undefined) continue
          held.delete(at)
          if (model.has(at)) model.get(at)!.unshift(null)
        }
      } else {
        // The memory goes on as a disk would, under another store.
        stop()
        store = await open({ '**': most }, { engine, env })
        stop = follow()
      }
    }
    for (const path of paths) {
      const found = (await history(store, path)).map(({ entry }) => entry.data)
      expect(found).toEqual((model.get(path) ?? []).slice(0, most))
    }
    await store.clearHistory('*/*')
    expect(await store.clearHistory('*')).toBe(
      ['a', 'a-b', 'c'].filter((at) => model.has(at)).length,
    )
    expect(await leftOver(engine)).toEqual([])
  },
)
