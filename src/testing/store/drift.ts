import assert from 'node:assert/strict'
import { type Entry, stampOf } from '../../core/entry.ts'
import { NS_PER_MS } from '../../core/env.ts'
import type { Commit } from '../../store/store.ts'
import {
  dataAt,
  feedAfter,
  merge,
  nextCommit,
  put,
  scenes,
  seen,
  set,
  shown,
  type StoreSuiteOptions,
  version,
} from './scene.ts'

const HOUR_MS = 3_600_000

/** Clocks of others that are wrong: versions kept aside for their stamps. */
export function driftSuite(options: StoreSuiteOptions): void {
  const test = scenes(options)
  keptAside(test)
  release(test)
  overruling(test)
}

type Test = ReturnType<typeof scenes>

const data = (entries: readonly Entry[]) => entries.map((entry) => entry.data)

function keptAside(test: Test): void {
  test('a version stamped too far ahead counts in feed and digest, but readers do not see it', async (scene) => {
    const store = await scene.store()
    const other = await scene.store()
    for (const each of [store, other]) await merge(each, version('a', 0, '"old"'))
    const commit = nextCommit(store)
    const future = version('a', HOUR_MS, '"future"')
    assert.equal(await merge(store, future, version('b', HOUR_MS, '1')), 2)
    const [change] = (await commit).changes
    assert.deepEqual(change?.after, version('a', 0, '"old"'))
    assert.equal(await dataAt(store, 'a'), '"old"')
    assert.equal(await store.read('b'), undefined)
    assert.deepEqual(seen(await store.list('**')), { a: '"old"' })
    assert.deepEqual(await store.newest('a'), future)
    assert.deepEqual(
      (await feedAfter(store, 1)).map(({ entry }) => entry),
      [future, version('b', HOUR_MS, '1')],
    )
    assert.deepEqual(await store.aside(10), [future, version('b', HOUR_MS, '1')])
    assert.deepEqual(await store.aside(1), [future])
    assert.notEqual((await store.digest('**')).root(), (await other.digest('**')).root())
    await merge(other, version('b', HOUR_MS, '1'), future)
    assert.equal((await store.digest('**')).root(), (await other.digest('**')).root())
  })

  test('a delete stamped too far ahead hides nothing yet', async (scene) => {
    const store = await scene.store()
    await set(store, 'a', '1')
    await merge(store, version('a', HOUR_MS, null))
    assert.equal(await dataAt(store, 'a'), '1')
  })

  test('the clock does not follow a stamp too far ahead', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', HOUR_MS, '1'))
    const { entry } = await set(store, 'b', '1')
    assert.equal(entry?.created, scene.env.now())
  })

  test('the limit is the drift that is allowed, to the nanosecond', async (scene) => {
    const store = await scene.store({ maxClockDriftMs: 500 })
    await merge(store, version('in', 500, '1'))
    await merge(store, {
      ...version('out', 500, '1'),
      created: version('out', 500, '1').created + 1n,
    })
    assert.deepEqual(Object.keys(seen(await store.list('*'))), ['in'])
  })

  test('of two versions kept aside the newer replaces the older, and readers see neither', async (scene) => {
    const store = await scene.store()
    await set(store, 'a', '"old"')
    await merge(store, version('a', HOUR_MS, '1'))
    await merge(store, version('a', 2 * HOUR_MS, '2'))
    assert.deepEqual(data(await store.aside(10)), ['2'])
    assert.deepEqual(await store.overruled(10), [])
    assert.equal(await dataAt(store, 'a'), '"old"')
    const released = nextCommit(store)
    scene.env.advance(2 * HOUR_MS)
    await released
    assert.equal(await dataAt(store, 'a'), '2')
    assert.deepEqual(await store.aside(10), [])
  })
}

function release(test: Test): void {
  test('a version kept aside is released when its time comes', async (scene) => {
    const store = await scene.store()
    const future = version('a', HOUR_MS, '1')
    await merge(store, future, version('later', 2 * HOUR_MS, '2'))
    const commits: Commit[] = []
    store.watch((commit) => commits.push(commit))
    scene.env.advance(HOUR_MS - 60_000 - 1)
    assert.equal(await store.read('a'), undefined)
    const released = nextCommit(store)
    scene.env.advance(2)
    await released
    assert.deepEqual(commits, [
      {
        seq: 2,
        changes: [{ seq: 1, entry: future, before: undefined, after: future, from: 'peer' }],
      },
    ])
    assert.equal(await dataAt(store, 'a'), '1')
    assert.deepEqual(data(await store.aside(10)), ['2'])
    const { entry } = await set(store, 'a', '3')
    assert.ok(stampOf(entry!) > stampOf(future), 'the clock follows it from now on')
  })

  test('versions whose time came while the store was closed are released when it opens', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    await merge(before, version('a', HOUR_MS, '1'), version('b', 9 * HOUR_MS, '2'))
    await scene.close(before)
    scene.env.advance(HOUR_MS)
    const store = await scene.store({ place })
    assert.deepEqual(seen(await store.list('*')), { a: '1' })
    const released = nextCommit(store)
    scene.env.advance(8 * HOUR_MS)
    // What waits for more than an hour is looked at once an hour: time passes in between.
    await released
    assert.deepEqual(seen(await store.list('*')), { a: '1', b: '2' })
  })

  test('more versions than one batch are all released', async (scene) => {
    const store = await scene.store()
    const many = Array.from({ length: 2100 }, (_, i) => version(`x/${i}`, HOUR_MS + i, '1'))
    await merge(store, ...many)
    let released = 0
    const all = new Promise<void>((resolve) => {
      store.watch(({ changes }) => {
        released += changes.length
        if (released === many.length) resolve()
      })
    })
    scene.env.advance(2 * HOUR_MS)
    await all
    assert.equal((await store.list('x/*')).entries.length, many.length)
    assert.deepEqual(await store.aside(10), [])
  })

  test('a sooner version that arrives while others are released is released in its time', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', HOUR_MS, '1'), version('c', 50 * HOUR_MS, '3'))
    const first = shown(store, 'a')
    scene.env.advance(HOUR_MS)
    const sooner = merge(store, version('b', 2 * HOUR_MS + 60_000, '2'))
    await first
    await sooner
    // The review that released the first may still be under way; it must not forget the sooner one.
    for (let turn = 0; turn < 50; turn++) await store.aside(10)
    const second = shown(store, 'b')
    scene.env.advance(HOUR_MS + 1)
    await second
    assert.deepEqual(seen(await store.list('*')), { a: '1', b: '2' })
  })

  test('a correction of the clock releases at once what is no longer ahead', async (scene) => {
    const store = await scene.store()
    scene.env.stepClock(-HOUR_MS)
    await merge(store, version('a', 0, '1'))
    assert.equal(await store.read('a'), undefined)
    const released = nextCommit(store)
    store.correctClock(BigInt(HOUR_MS) * NS_PER_MS)
    scene.env.advance(0)
    await released
    assert.equal(await dataAt(store, 'a'), '1')
    assert.equal(store.time(), scene.env.now() + BigInt(HOUR_MS) * NS_PER_MS)
  })
}

function overruling(test: Test): void {
  test('a local write on a version kept aside wins at once, everywhere, and what it overruled is listed', async (scene) => {
    const store = await scene.store()
    const other = await scene.store({ nodeId: 'other' })
    const future = version('a', HOUR_MS, '"future"')
    for (const each of [store, other]) await merge(each, version('a', 0, '"old"'), future)
    const { entry } = await set(store, 'a', '"mine"')
    assert.equal(entry?.overrules, true)
    assert.equal(stampOf(entry), stampOf(future) + 1n)
    assert.equal(entry.created, version('a', 0, '1').created)
    assert.equal(await merge(other, entry), 1)
    for (const each of [store, other]) {
      assert.equal(await dataAt(each, 'a'), '"mine"')
      assert.deepEqual(await each.aside(10), [])
      assert.deepEqual(await each.overruled(10), [future])
      assert.equal(await merge(each, future), 0)
    }
    assert.equal((await store.digest('**')).root(), (await other.digest('**')).root())
    await set(store, 'a', '"again"')
    assert.equal(await dataAt(store, 'a'), '"again"')
    scene.env.advance(HOUR_MS)
    assert.equal(await dataAt(store, 'a'), '"again"')
  })

  test('what was overruled is listed after a restart too, oldest first', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    const versions = [version('b', HOUR_MS, '1'), version('a', 2 * HOUR_MS, '2')]
    await merge(before, ...versions)
    await before.write([put('a', '3'), put('b', '4')])
    await scene.close(before)
    const store = await scene.store({ place })
    assert.deepEqual(await store.overruled(10), versions)
    assert.deepEqual(await store.overruled(1), versions.slice(0, 1))
  })

  test('a version that was kept aside until its time is not listed when a newer one replaces it', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', HOUR_MS, '1'))
    scene.env.stepClock(2 * HOUR_MS)
    await set(store, 'a', '2')
    assert.equal(await dataAt(store, 'a'), '2')
    assert.deepEqual(await store.overruled(10), [])
  })
}
