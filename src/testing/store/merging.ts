import assert from 'node:assert/strict'
import { compareVersions, type Entry } from '../../core/entry.ts'
import { VirtualEnv } from '../env.ts'
import {
  dataAt,
  merge,
  put,
  type Scene,
  scenes,
  seen,
  set,
  type StoreSuiteOptions,
  version,
} from './scene.ts'

/** Merging by last write wins, and the digests that tell whether two stores hold the same. */
export function mergingSuite(options: StoreSuiteOptions): void {
  const test = scenes(options)
  lastWriteWins(test)
  digests(test)
}

type Test = ReturnType<typeof scenes>

function lastWriteWins(test: Test): void {
  test('the newest version wins, whichever comes first', async (scene) => {
    const store = await scene.store()
    assert.equal(await merge(store, version('a', 2, '2')), 1)
    assert.equal(await merge(store, version('a', 1, '1'), version('a', 1, null)), 0)
    assert.equal(await merge(store, version('a', 2, '2')), 0)
    assert.equal(store.seq, 1)
    assert.equal(await dataAt(store, 'a'), '2')
    assert.equal(await merge(store, version('a', 3, null), version('a', 2, '9')), 1)
    assert.equal(await store.read('a'), undefined)
    assert.equal(await merge(store, version('a', 4, '4')), 1)
    assert.equal(await dataAt(store, 'a'), '4')
  })

  test('of a tie, the tombstone wins, then the greater origin, then the hash of the data', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', 1, '1', 'x'))
    assert.equal(await merge(store, version('a', 1, '2', 'w')), 0)
    assert.equal(await merge(store, version('a', 1, '2', 'y')), 1)
    const { hash } = scene.env
    const [low, high] = hash('3') < hash('4') ? ['3', '4'] : ['4', '3']
    assert.equal(await merge(store, version('a', 1, high, 'z'), version('a', 1, low, 'z')), 1)
    assert.equal(await dataAt(store, 'a'), high)
    assert.equal(await merge(store, version('a', 1, null, 'a')), 1)
    assert.equal(await merge(store, version('a', 1, high, 'zz')), 0)
    assert.equal(await store.read('a'), undefined)
  })

  test('a local write beats all that was merged before it, up to the drift that is allowed', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', 59_000, '"from a fast clock"'))
    await set(store, 'a', '"after reading it"')
    assert.equal(await merge(store, version('a', 59_000, '"again"', 'zz')), 0)
    assert.equal(await dataAt(store, 'a'), '"after reading it"')
  })

  test('stores that merge the same versions in any order hold the same', async (scene) => {
    const versions = someVersions(120)
    const roots = new Set<string>()
    const views = new Set<string>()
    for (let seed = 1; seed <= 4; seed++) {
      const store = await scene.store()
      const shuffled = shuffle([...versions, ...versions.slice(0, 40)], new VirtualEnv(seed))
      while (shuffled.length > 0) await merge(store, ...shuffled.splice(0, seed * 7))
      roots.add((await store.digest('**')).root())
      views.add(JSON.stringify(seen(await store.list('**'))))
      for (const entry of winners(versions, scene)) {
        assert.deepEqual(await store.newest(entry.path), entry)
      }
    }
    assert.equal(roots.size, 1)
    assert.equal(views.size, 1)
  })
}

function digests(test: Test): void {
  test('a digest is that of what a key covers, tombstones included', async (scene) => {
    const [one, two] = [await scene.store(), await scene.store()]
    for (const store of [one, two])
      await merge(store, version('a/1', 1, '1'), version('b/1', 1, '1'))
    await merge(two, version('b/1', 2, '2'), version('c', 2, '2'))
    assert.equal((await one.digest('a/*')).root(), (await two.digest('a/*')).root())
    assert.notEqual((await one.digest('b/*')).root(), (await two.digest('b/*')).root())
    assert.notEqual((await one.digest('**')).root(), (await two.digest('**')).root())
    await merge(one, version('b/1', 2, '2'), version('c', 2, '2'))
    for (const key of ['b/*', '**', 'c']) {
      assert.equal((await one.digest(key)).root(), (await two.digest(key)).root(), key)
    }
    await merge(one, version('a/1', 3, null))
    assert.notEqual((await one.digest('a/*')).root(), (await two.digest('a/*')).root())
    assert.equal((await one.digest('a/*')).count(0, 0), 1)
  })

  test('a digest kept up to date equals one built anew, whatever is written while it is built', async (scene) => {
    const place = await scene.place()
    const store = await scene.store({ place })
    await store.write(Array.from({ length: 1500 }, (_, i) => put(`x/${i}`, '0')))
    const building = store.digest('x/*')
    const all = store.digest('**')
    for (let i = 0; i < 20; i++) {
      await store.write([
        put(`x/${i * 70}`, `${i}`),
        put(`x/${i * 71}`, null),
        put(`x/new${i}`, '1'),
      ])
    }
    const roots = [(await building).root(), (await all).root()]
    await scene.close(store)
    const again = await scene.store({ place })
    assert.deepEqual([(await again.digest('x/*')).root(), (await again.digest('**')).root()], roots)
  })

  test('pages by hash give every path a key covers, in order, tombstones included', async (scene) => {
    const store = await scene.store()
    await store.write(Array.from({ length: 300 }, (_, i) => put(`x/${i}`, '0')))
    await store.write([put('y', '1'), put('x/7', null)])
    const paged: string[] = []
    const hashes: string[] = []
    for (let from = '0'; from < 'g';) {
      const { entries, upTo } = await store.hashed('x/*', from, 'g', 13)
      paged.push(...entries.map(({ entry }) => entry.path))
      hashes.push(...entries.map(({ hash }) => hash))
      assert.ok(upTo > from)
      from = upTo
    }
    assert.deepEqual(hashes, [...hashes].sort())
    assert.deepEqual([...paged].sort(), Array.from({ length: 300 }, (_, i) => `x/${i}`).sort())
    const { entries } = await store.hashed('**', '4', '8', 1000)
    assert.deepEqual(
      entries.map(({ hash }) => hash).filter((hash) => hash < '4' || hash >= '8'),
      [],
    )
    assert.ok(entries.length > 30)
  })
}

/** Many versions of few paths, with many ties. */
function someVersions(count: number): Entry[] {
  const env = new VirtualEnv(7)
  const pick = (below: number) => Math.floor(env.random() * below)
  return Array.from({ length: count }, () =>
    version(`p/${pick(12)}`, pick(5), pick(4) === 0 ? null : `${pick(6)}`, ['a', 'b', ''][pick(3)]),
  )
}

function winners(versions: readonly Entry[], scene: Scene): Entry[] {
  const best = new Map<string, Entry>()
  for (const entry of versions) {
    const held = best.get(entry.path)
    if (held === undefined || compareVersions(entry, held, scene.env.hash) > 0) {
      best.set(entry.path, entry)
    }
  }
  return [...best.values()]
}

function shuffle<Each>(items: Each[], env: VirtualEnv): Each[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(env.random() * (i + 1))
    ;[items[i], items[j]] = [items[j]!, items[i]!]
  }
  return items
}
