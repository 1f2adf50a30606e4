import assert from 'node:assert/strict'
import type { CollectionRule, Store } from '../../store/store.ts'
import {
  dataAt,
  feedAfter,
  merge,
  said,
  scenes,
  set,
  type StoreSuiteOptions,
  version,
} from './scene.ts'

/** When tombstones go, what is left of them, and what is withheld because of that. */
export function collectionSuite(options: StoreSuiteOptions): void {
  const test = scenes(options)
  collecting(test)
  remembering(test)
  withholding(test)
  deciding(test)
  resolving(test)
  meeting(test)
}

type Test = ReturnType<typeof scenes>

/** Waits for `peer`, with which everything is shared. */
function waitingFor(...peers: string[]): CollectionRule {
  const waitFor = peers.map((peer) => ({ peer, epoch: 'e', keys: ['**'] }))
  return { waitFor, expired: 0n, keys: ['**'], linked: true }
}

/** A store in which `users/1` was deleted and collected. */
async function forgetful(store: Store): Promise<Store> {
  await merge(store, version('users/1', 10, '"old"'))
  await merge(store, version('users/1', 20, null))
  assert.equal(await store.collect(waitingFor()), 1)
  return store
}

const doubted = new Set(['users/1', 'users/2'])

function offer(store: Store, ...args: Parameters<typeof version>) {
  return store.merge([version(...args)], { peer: 'stale', doubted })
}

function collecting(test: Test): void {
  test('a tombstone goes once all that share its path have acknowledged it', async (scene) => {
    const store = await scene.store()
    await set(store, 'a', '1')
    await set(store, 'a', null)
    const rule = waitingFor('p', 'q')
    await store.saveAcknowledgements([said('p', '**', 2), said('q', '**', 1)])
    assert.equal(await store.collect(rule), 0, 'q lacks it')
    await store.saveAcknowledgements([said('q', '**', 2, 'other epoch')])
    assert.equal(await store.collect(rule), 0, 'q said so in another epoch')
    await store.saveAcknowledgements([said('q', '**', 2)])
    assert.equal(await store.collect(rule), 1)
    assert.equal(await store.newest('a'), undefined)
    assert.equal((await store.digest('**')).count(0, 0), 0)
    assert.deepEqual(await feedAfter(store, 0), [])
    assert.equal(await store.collect(rule), 0)
  })

  test('a node that does not share the path is not waited for, and values stay', async (scene) => {
    const store = await scene.store()
    await set(store, 'a', '1')
    await set(store, 'b', '1')
    await set(store, 'b', null)
    const rule = { ...waitingFor(), waitFor: [{ peer: 'p', epoch: 'e', keys: ['users/*'] }] }
    assert.equal(await store.collect(rule), 1)
    assert.equal(await dataAt(store, 'a'), '1')
  })

  test('an expired tombstone goes whoever has acknowledged it', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', 10, null), version('b', 20, null))
    const expired = version('', 10, null).updated
    assert.equal(await store.collect({ ...waitingFor('p'), expired }), 1)
    assert.equal(await store.newest('a'), undefined)
    assert.equal((await store.newest('b'))?.data, null)
  })

  test('a tombstone that somebody is about to get stays, expired or not', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', 10, null), version('b', 20, null))
    const rule = { ...waitingFor(), isOwed: (path: string, seq: number) => seq > 1 && path === 'b' }
    const expired = version('', 20, null).updated
    assert.equal(await store.collect({ ...rule, expired }), 1)
    assert.equal((await store.newest('b'))?.data, null)
    let asked = 0
    // Whoever comes while they are being found is not passed over.
    assert.equal(await store.collect({ ...rule, isOwed: () => asked++ > 0 }), 0)
  })

  test('a tombstone kept aside for its stamp stays until its time has come', async (scene) => {
    const store = await scene.store()
    await set(store, 'a', '1')
    await merge(store, version('a', 600_000, null))
    assert.equal(await store.collect(waitingFor()), 0)
    assert.equal(await dataAt(store, 'a'), '1')
  })

  test('a path is written anew after its tombstone went, over a restart too', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    const { entry: deleted } = await set(before, 'a', '1').then(() => set(before, 'a', null))
    await before.collect(waitingFor())
    await scene.close(before)
    const store = await scene.store({ place })
    assert.equal(await store.newest('a'), undefined)
    const { entry } = await set(store, 'a', '2')
    assert.ok(entry!.created > deleted!.updated)
    assert.equal((await store.digest('**')).count(0, 0), 1)
  })
}

function remembering(test: Test): void {
  test('a write is stamped above what was collected, though the clock was put back since', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', 20, null))
    await store.collect(waitingFor())
    await store.raiseHorizons([{ key: '**', stamp: version('', 3_600_000, null).updated }])
    const { entry } = await set(store, 'a', '1')
    assert.ok(entry!.created > version('', 3_600_000, null).updated)
    assert.equal(await dataAt(store, 'a'), '1')
  })

  for (const [name, data] of [
    ['a write on an older delete is stamped above the one that was collected before', null],
    ['a write on what came late is stamped above the delete that was collected before', '"late"'],
  ] as const) {
    test(name, async (scene) => {
      const place = await scene.place()
      const before = await scene.store({ place })
      scene.env.stepClock(3_600_000)
      const gone = version('a', 3_600_000, null)
      await merge(before, gone)
      assert.equal(await before.collect(waitingFor()), 1)
      await merge(before, version('a', 20, data))
      scene.env.stepClock(-3_600_000)
      await before.restamp()
      await set(before, 'b', '"by the clock put right"')
      await scene.close(before)
      const store = await scene.store({ place })
      await set(store, 'a', '"edited"')
      assert.equal(await merge(store, gone), 0, 'others may still have it')
      assert.equal(await dataAt(store, 'a'), '"edited"')
    })
  }

  test('a write on what was released is stamped above the delete that it was withheld for', async (scene) => {
    const store = await scene.store()
    scene.env.stepClock(3_600_000)
    const gone = version('users/1', 3_600_000, null)
    await merge(store, gone)
    assert.equal(await store.collect(waitingFor()), 1)
    await offer(store, 'users/1', 20, '"old"')
    assert.equal(await store.resolveWithheld(['users/1'], 'release'), 1)
    scene.env.stepClock(-3_600_000)
    await store.restamp()
    await set(store, 'users/1', '"edited"')
    assert.equal(await merge(store, gone), 0)
    assert.equal(await dataAt(store, 'users/1'), '"edited"')
  })

  test('the horizon rises with what goes, never falls, and survives a restart', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    await merge(before, version('a', 20, null))
    await before.collect(waitingFor())
    await merge(before, version('b', 10, null))
    await before.collect(waitingFor())
    const stamp = version('', 20, null).updated
    const horizons = [{ key: '**', stamp, seq: 2 }]
    assert.deepEqual(before.horizons(), horizons)
    await scene.close(before)
    const store = await scene.store({ place })
    assert.deepEqual(store.horizons(), horizons)
    await store.raiseHorizons([{ key: '**', stamp: stamp - 1n }])
    assert.deepEqual(store.horizons(), horizons)
    await store.raiseHorizons([{ key: 'users/*', stamp }])
    assert.deepEqual(store.horizons(), [...horizons, { key: 'users/*', stamp, seq: 3 }])
  })

  test('a horizon that is taken over stands at the next change: who lacks that may lack what was collected', async (scene) => {
    const store = await scene.store()
    await set(store, 'users/1', '1')
    const { updated: stamp } = version('', 20, null)
    await store.raiseHorizons([{ key: 'users/*', stamp }])
    assert.deepEqual(store.horizons(), [{ key: 'users/*', stamp, seq: 2 }])
    await set(store, 'users/1', '2')
    await store.raiseHorizons([{ key: 'users/*', stamp }])
    assert.deepEqual(store.horizons(), [{ key: 'users/*', stamp, seq: 2 }], 'it was taken before')
  })

  test('what was shared once is remembered as deleted while it is not shared', async (scene) => {
    const store = await scene.store()
    await store.raiseHorizons([{ key: 'users/*', stamp: 0n }])
    assert.deepEqual(store.horizons(), [{ key: 'users/*', stamp: 0n, seq: 0 }])
    await merge(store, version('users/1', 20, null), version('other', 30, null))
    assert.equal(await store.collect({ ...waitingFor(), keys: ['settings'] }), 2)
    const { updated: stamp } = version('', 20, null)
    assert.deepEqual(store.horizons(), [{ key: 'users/*', stamp, seq: 1 }])
    await offer(store, 'users/1', 10, '"old"')
    assert.equal(store.withheldCount, 1)
  })

  test('where no other node can hold what was deleted, no stamp is noted', async (scene) => {
    const store = await scene.store()
    await merge(store, version('a', 20, null))
    await store.collect({ ...waitingFor(), linked: false })
    assert.deepEqual(store.horizons(), [{ key: '**', stamp: 0n, seq: 1 }])
  })

  test('what was ever acknowledged counts so, though its peer was taken back', async (scene) => {
    const store = await scene.store()
    for (const path of ['a', 'b']) await set(store, path, '1')
    await store.saveAcknowledgements([said('p', '**', 2)])
    await store.saveAcknowledgements([said('p', '**', 1)])
    assert.equal(store.acknowledged('p', '**')?.seq, 1)
    assert.equal(store.wasAcknowledged('b', 2), true)
    assert.equal(store.wasAcknowledged('b', 3), false)
  })

  test('once taken back, all from before the run counts as acknowledged', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    await set(before, 'a', '1')
    await scene.close(before)
    const store = await scene.store({ place })
    await set(store, 'b', '1')
    assert.equal(store.wasAcknowledged('a', 1), false)
    await store.renewEpoch()
    assert.deepEqual(store.formerly, [])
    assert.deepEqual([store.wasAcknowledged('a', 1), store.wasAcknowledged('b', 2)], [true, false])
  })
}

function withholding(test: Test): void {
  test('what may undo a forgotten delete is withheld, and listed, over a restart', async (scene) => {
    const place = await scene.place()
    const before = await forgetful(await scene.store({ place }))
    const merged = await offer(before, 'users/1', 10, '"old"')
    assert.deepEqual([merged.changed, merged.aside], [0, ['users/1']])
    await scene.close(before)
    const store = await scene.store({ place })
    assert.equal(await dataAt(store, 'users/1'), undefined)
    assert.equal(store.withheldCount, 1)
    const [kept] = await store.withheld(9)
    assert.deepEqual([kept?.entry, kept?.peer], [version('users/1', 10, '"old"'), 'stale'])
  })

  test('above the horizon, or from a peer that is not doubted, it is merged', async (scene) => {
    const store = await forgetful(await scene.store())
    await offer(store, 'users/1', 21, '"new"')
    await merge(store, version('users/3', 10, '"from another"'))
    assert.equal(await dataAt(store, 'users/1'), '"new"')
    assert.equal(await dataAt(store, 'users/3'), '"from another"')
    assert.equal(store.withheldCount, 0)
  })

  test('where something is held the newest wins, as ever', async (scene) => {
    const store = await forgetful(await scene.store())
    await merge(store, version('users/2', 5, '"held"'))
    await offer(store, 'users/2', 10, '"newer"')
    assert.equal(await dataAt(store, 'users/2'), '"newer"')
  })

  test('a repair that offers it again changes nothing; news of the path, or a write, ends it', async (scene) => {
    const store = await forgetful(await scene.store())
    await offer(store, 'users/1', 10, '"old"')
    await offer(store, 'users/2', 10, '"old"')
    const again = [version('users/1', 10, '"old"')]
    await store.merge(again, { peer: 'other', repair: true })
    assert.deepEqual([await dataAt(store, 'users/1'), store.withheldCount], [undefined, 2])
    await store.merge(again, { peer: 'other' })
    await set(store, 'users/2', '"written"')
    assert.equal(await dataAt(store, 'users/1'), '"old"')
    assert.equal(await dataAt(store, 'users/2'), '"written"')
    assert.deepEqual([store.withheldCount, await store.withheld(9)], [0, []])
  })

  test('what a peer passes on over a version of it that is withheld waits in its place', async (scene) => {
    const store = await forgetful(await scene.store())
    await offer(store, 'users/1', 10, '"old"')
    for (const repair of [false, true]) {
      const passedOn = [version('users/1', 11, '"passed on"')]
      const { aside } = await store.merge(passedOn, { peer: 'stale', repair })
      assert.deepEqual([aside, await dataAt(store, 'users/1')], [['users/1'], undefined])
    }
    const [kept] = await store.withheld(9)
    assert.deepEqual([kept?.entry.data, store.withheldCount], ['"passed on"', 1])
  })

  test('what it wrote itself, what others offer, and what is above the horizon ends the wait', async (scene) => {
    const offers = [
      { ms: 11, origin: 'stale', peer: 'stale' },
      { ms: 11, origin: 'there', peer: 'other' },
      { ms: 21, origin: 'there', peer: 'stale' },
    ]
    for (const { ms, origin, peer } of offers) {
      const store = await forgetful(await scene.store())
      await offer(store, 'users/1', 10, '"old"')
      await store.merge([version('users/1', ms, '"news"', origin)], { peer })
      assert.deepEqual([await dataAt(store, 'users/1'), store.withheldCount], ['"news"', 0])
    }
  })
}

function deciding(test: Test): void {
  test('an older delete that comes later does not decide on what is withheld', async (scene) => {
    const store = await forgetful(await scene.store())
    await offer(store, 'users/1', 10, '"old"')
    await merge(store, version('users/1', 5, null))
    assert.equal(store.withheldCount, 1)
    const again = [version('users/1', 10, '"old"')]
    assert.deepEqual((await store.merge(again, { peer: 'stale', repair: true })).changed, 0)
    assert.equal(await dataAt(store, 'users/1'), undefined)
    assert.equal(await store.resolveWithheld(['users/1'], 'release'), 1)
    assert.deepEqual([await dataAt(store, 'users/1'), store.withheldCount], ['"old"', 0])
  })

  test('an older delete that is held does not let in what may undo a forgotten one', async (scene) => {
    const store = await forgetful(await scene.store())
    await merge(store, version('users/1', 5, null))
    await offer(store, 'users/1', 10, '"old"')
    assert.deepEqual([await dataAt(store, 'users/1'), store.withheldCount], [undefined, 1])
    await offer(store, 'users/1', 21, '"new"')
    assert.equal(await dataAt(store, 'users/1'), '"new"')
  })

  test('a newer delete that comes later does', async (scene) => {
    const store = await forgetful(await scene.store())
    await offer(store, 'users/1', 10, '"old"')
    await merge(store, version('users/1', 12, null))
    assert.deepEqual([store.withheldCount, await store.withheld(9)], [0, []])
  })
}

function resolving(test: Test): void {
  test('what is released is there for all', async (scene) => {
    const store = await forgetful(await scene.store())
    await offer(store, 'users/1', 10, '"old"')
    const { seq } = store
    assert.equal(await store.resolveWithheld(['users/1', 'users/2'], 'release'), 1)
    assert.equal(await dataAt(store, 'users/1'), '"old"')
    const [change] = await feedAfter(store, seq)
    assert.deepEqual([change?.entry, change?.from], [version('users/1', 10, '"old"'), ''])
    assert.equal(store.withheldCount, 0)
  })

  test('what is dropped is deleted as of its own stamp, so that a newer write stays', async (scene) => {
    const store = await forgetful(await scene.store())
    await offer(store, 'users/1', 10, '"old"')
    assert.equal(await store.resolveWithheld(['users/1'], 'drop'), 1)
    const deleted = version('users/1', 10, null)
    assert.deepEqual(await store.newest('users/1'), deleted)
    assert.equal(store.withheldCount, 0)
    await merge(store, version('users/1', 11, '"newer"'))
    assert.equal(await dataAt(store, 'users/1'), '"newer"')
  })
}

function meeting(test: Test): void {
  test('a merge tells which versions met one that was written here', async (scene) => {
    const store = await scene.store()
    const { entry: mine } = await set(store, 'a', '"mine"')
    await merge(store, version('b', 1, '"theirs"'))
    const older = version('a', -1, '"older"')
    const newer = version('a', 1000, '"newer"')
    const { contests } = await store.merge([older, newer, version('b', 2, '"again"')], {
      peer: 'p',
    })
    assert.deepEqual(contests, [
      { winner: mine, loser: older, seq: 1 },
      { winner: newer, loser: mine, seq: 1 },
    ])
  })

  test('a merge tells which versions readers do not see yet', async (scene) => {
    const store = await scene.store()
    const entries = [version('a', 1, '1'), version('b', 600_000, '1')]
    const { changed, aside } = await store.merge(entries, { peer: 'p' })
    assert.deepEqual([changed, aside], [2, ['b']])
  })
}
