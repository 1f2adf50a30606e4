import assert from 'node:assert/strict'
import { type Entry, stampOf } from '../../core/entry.ts'
import { NS_PER_MS } from '../../core/env.ts'
import type { Store } from '../../store/store.ts'
import {
  dataAt,
  merge,
  nextCommit,
  put,
  said,
  type Scene,
  scenes,
  set,
  type StoreSuiteOptions,
  version,
} from './scene.ts'

const HOUR_MS = 3_600_000

/** A node whose own clock was wrong stamps anew what it wrote by that. */
export function restampingSuite(options: StoreSuiteOptions): void {
  const test = scenes(options)
  restamping(test)
  restampingAbove(test)
  outliving(test)
}

type Test = ReturnType<typeof scenes>

function restamping(test: Test): void {
  test('a node that wrote with a clock far ahead stamps anew, in order, what no peer acknowledged', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    const sane = await set(before, 'before', '0')
    scene.env.stepClock(HOUR_MS)
    const acknowledged = await set(before, 'known/1', '1')
    await set(before, 'x/1', '1')
    await set(before, 'x/2', '2')
    await set(before, 'x/1', null)
    await before.saveAcknowledgements([said('p', 'known/*', 99)])
    await scene.close(before)
    scene.env.stepClock(-HOUR_MS)
    const store = await scene.store({ place })
    const { epoch } = store
    assert.equal(await store.restamp(), 2)
    const [one, two] = [await store.newest('x/1'), await store.newest('x/2')]
    for (const entry of [one, two]) assert.ok(stampOf(entry!) <= scene.env.now() + 1000n)
    assert.ok(stampOf(two!) > stampOf(sane.entry!))
    assert.ok(stampOf(one!) > stampOf(two!), 'the delete of x/1 came after the write of x/2')
    assert.equal(one?.data, null)
    assert.equal(two?.updated, 0n)
    assert.deepEqual(await store.newest('known/1'), acknowledged.entry)
    assert.notEqual(store.epoch, epoch, 'a peer may have merged what it did not acknowledge')
    const next = await set(store, 'y', '1')
    assert.ok(stampOf(next.entry!) <= scene.env.now() + 1000n)
    assert.equal(await store.restamp(), 0)
  })

  test('after stamping anew a store still knows how far the epoch went that it ended', async (scene) => {
    const place = await scene.place()
    const first = await scene.store({ place })
    await set(first, 'a', '1')
    const old = { epoch: first.epoch, run: first.run, seq: first.seq }
    await scene.close(first)
    const before = await scene.store({ place })
    scene.env.stepClock(HOUR_MS)
    await set(before, 'b', '1')
    scene.env.stepClock(-HOUR_MS)
    const last = { epoch: before.epoch, run: before.run, seq: before.seq }
    assert.equal(await before.restamp(), 1)
    const check = (store: Store) => {
      assert.deepEqual(store.formerly, [old.epoch])
      for (const position of [old, last]) assert.equal(store.knows(position), true)
      assert.equal(store.knows({ ...old, seq: old.seq + 1 }), false, 'that run had ended')
      assert.equal(store.knows({ ...last, seq: store.seq + 1 }), false)
      assert.equal(store.knows({ ...last, run: 'f'.repeat(32) }), false)
    }
    check(before)
    await scene.close(before)
    check(await scene.store({ place }))
  })

  test('what is written while a node stamps anew is not left far ahead', async (scene) => {
    const store = await scene.store()
    scene.env.stepClock(HOUR_MS)
    await store.write(Array.from({ length: 1200 }, (_, i) => put(`x/${i}`, '1')))
    scene.env.stepClock(-HOUR_MS)
    const restamping = store.restamp()
    const during = Array.from({ length: 30 }, (_, i) => set(store, `x/${i}`, '2'))
    const late = Array.from({ length: 30 }, (_, i) => set(store, `late/${i}`, '2'))
    await Promise.all([restamping, ...during, ...late])
    const limit = scene.env.now() + 60_000n * NS_PER_MS
    for (const entry of (await store.list('**')).entries)
      assert.ok(stampOf(entry) <= limit, entry.path)
    assert.equal((await store.list('**')).entries.length, 1230)
    assert.equal(await dataAt(store, 'x/3'), '2')
  })

  test('a node whose clock was right stamps nothing anew', async (scene) => {
    const store = await scene.store()
    await set(store, 'a', '1')
    await merge(store, version('b', HOUR_MS, '1'))
    const { epoch } = store
    assert.equal(await store.restamp(), 0)
    assert.equal(store.epoch, epoch)
  })
}

/** Everything, of which these peers know. */
const everywhere = { waitFor: [], expired: 0n, keys: ['**'], linked: true }

/** What a node stamps anew stays above what it took the place of and others may have. */
function restampingAbove(test: Test): void {
  test('a delete that is stamped anew stays above what it deleted, though that is far ahead', async (scene) => {
    const [store, other] = [await scene.store(), await scene.store({ nodeId: 'other' })]
    const written = version('a', HOUR_MS, '1')
    await merge(other, written)
    scene.env.stepClock(HOUR_MS)
    await merge(store, written)
    await set(store, 'a', null)
    await set(store, 'b', '1')
    scene.env.stepClock(-HOUR_MS)
    assert.equal(await store.restamp(), 2)
    const [gone, rest] = [await store.newest('a'), await store.newest('b')]
    assert.equal(gone?.data, null)
    assert.equal(stampOf(gone), stampOf(written) + 1n)
    assert.equal(gone.overrules, true, 'others see it at once')
    assert.ok(stampOf(rest!) <= scene.env.now() + 1000n, 'and nothing else is left far ahead')
    assert.equal(await merge(store, written), 0)
    await merge(other, gone)
    for (const each of [store, other]) assert.equal(await dataAt(each, 'a'), undefined)
    scene.env.advance(2 * HOUR_MS)
    for (const each of [store, other]) assert.equal(await dataAt(each, 'a'), undefined)
  })

  test('what is stamped anew stays above what it replaced from a clock ahead within the drift', async (scene) => {
    const store = await scene.store()
    const written = version('a', 50_000, '1')
    await merge(store, written)
    scene.env.stepClock(HOUR_MS)
    await set(store, 'a', '2')
    scene.env.stepClock(-HOUR_MS)
    assert.equal(await store.restamp(), 1)
    const newest = await store.newest('a')
    assert.ok(stampOf(newest!) > stampOf(written))
    assert.ok(stampOf(newest!) <= stampOf(written) + 1000n)
    assert.equal(newest?.overrules, undefined)
    assert.equal(newest?.data, '2')
  })

  for (const [when, acknowledgedFirst] of [
    ['before it was replaced', true],
    ['only afterwards', false],
  ] as const) {
    test(`a write that a peer acknowledged ${when} stays below what replaced it`, async (scene) => {
      const place = await scene.place()
      const before = await scene.store({ place })
      scene.env.stepClock(HOUR_MS)
      const { entry: first } = await set(before, 'a', '1')
      if (acknowledgedFirst) await before.saveAcknowledgements([said('p', '**', 1)])
      await set(before, 'a', '2')
      await set(before, 'a', null)
      await before.saveAcknowledgements([said('p', '**', 1)])
      await scene.close(before)
      scene.env.stepClock(-HOUR_MS)
      const store = await scene.store({ place })
      assert.equal(await store.restamp(), 1)
      assert.ok(stampOf((await store.newest('a'))!) > stampOf(first!))
      await merge(store, first!)
      assert.equal(await dataAt(store, 'a'), undefined)
    })
  }

  test('what is stamped anew stays above a tombstone that was collected', async (scene) => {
    const store = await scene.store()
    scene.env.stepClock(HOUR_MS)
    const gone = version('a', HOUR_MS, null)
    await merge(store, gone)
    assert.equal(await store.collect(everywhere), 1)
    await set(store, 'a', '1')
    scene.env.stepClock(-HOUR_MS)
    assert.equal(await store.restamp(), 1)
    assert.ok(stampOf((await store.newest('a'))!) > stampOf(gone))
    assert.equal(await merge(store, gone), 0)
    assert.equal(await dataAt(store, 'a'), '1')
  })

  test('what is stamped anew stays above what lost to it before, which a peer counts on', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    const late = version('a', 50_000, '"late"')
    scene.env.stepClock(HOUR_MS)
    await set(before, 'a', '1')
    assert.equal(await merge(before, late), 0)
    await scene.close(before)
    scene.env.stepClock(-HOUR_MS)
    const store = await scene.store({ place })
    assert.equal(await store.restamp(), 1)
    assert.equal(await merge(store, late), 0)
    assert.equal(await dataAt(store, 'a'), '1')
  })

  test('what is stamped anew twice stays above what it took the place of', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    const written = version('a', 50_000, '1')
    await merge(before, written)
    for (let round = 0; round < 2; round++) {
      scene.env.stepClock(HOUR_MS)
      await set(before, 'a', `"round ${round}"`)
      scene.env.stepClock(-HOUR_MS)
      assert.equal(await before.restamp(), 1)
    }
    await scene.close(before)
    const store = await scene.store({ place })
    assert.equal(await merge(store, written), 0)
    assert.equal(await dataAt(store, 'a'), '"round 1"')
  })
}

/** A peer may have merged what it had no time to acknowledge. */
function outliving(test: Test): void {
  /** A store that stamped anew what it made of `a`, where a peer has the first write of it. */
  async function restamped(scene: Scene, data: string | null): Promise<[store: Store, old: Entry]> {
    const store = await scene.store()
    scene.env.stepClock(HOUR_MS)
    const { entry } = await set(store, 'a', '1')
    await set(store, 'a', data)
    scene.env.stepClock(-HOUR_MS)
    assert.equal(await store.restamp(), 1)
    assert.ok(stampOf((await store.newest('a'))!) <= scene.env.now() + 1000n)
    return [store, entry!]
  }

  for (const [what, data] of [
    ['delete', null],
    ['write', '"newer"'],
  ] as const) {
    test(`what a ${what} had replaced before it was stamped anew does not come back from a peer`, async (scene) => {
      const [store, old] = await restamped(scene, data)
      const other = await scene.store({ nodeId: 'other' })
      await merge(other, old)
      const told = nextCommit(store)
      await merge(store, old)
      assert.equal((await told).changes[0]?.from, '', 'all peers are told')
      const newest = await store.newest('a')
      assert.ok(stampOf(newest!) > stampOf(old))
      assert.equal(await merge(other, newest!), 1)
      for (const each of [store, other]) assert.equal((await each.newest('a'))?.data, data)
      scene.env.advance(2 * HOUR_MS)
      for (const each of [store, other]) assert.equal(await dataAt(each, 'a'), data ?? undefined)
    })
  }

  test('nor from a peer after a further write', async (scene) => {
    const [store, old] = await restamped(scene, null)
    await set(store, 'a', '"further"')
    await merge(store, old)
    assert.equal((await store.newest('a'))?.data, '"further"')
    scene.env.advance(2 * HOUR_MS)
    assert.equal(await dataAt(store, 'a'), '"further"')
  })

  test('what its node wrote later, and lost, comes back all the same', async (scene) => {
    const [store] = await restamped(scene, null)
    const later = version('a', 30_000, '"later"', store.nodeId)
    assert.equal(await merge(store, later), 1)
    assert.equal(await dataAt(store, 'a'), '"later"')
  })
}
