import assert from 'node:assert/strict'
import { type Checkpoint, SEEN, type Store } from '../../store/store.ts'
import { VirtualEnv } from '../env.ts'
import {
  coded,
  dataAt,
  merge,
  put,
  said,
  scenes,
  set,
  type StoreSuiteOptions,
  version,
} from './scene.ts'

/** What a store knows of itself and of its peers, over restarts, copies and rewinds. */
export function historySuite(options: StoreSuiteOptions): void {
  const test = scenes(options)
  identity(test)
  positions(test)
  sightings(test)
  checkpoints(test)
  closing(test)
  notes(test)
}

type Test = ReturnType<typeof scenes>

function identity(test: Test): void {
  test('a store keeps its node id and epoch, and has a new run at each start', async (scene) => {
    const place = await scene.place()
    const one = await scene.store({ place, nodeId: 'n1' })
    const { nodeId, epoch, run } = one
    assert.equal(nodeId, 'n1')
    await scene.close(one)
    const two = await place.open(scene.env, {})
    assert.deepEqual([two.nodeId, two.epoch], ['n1', epoch])
    assert.notEqual(two.run, run)
    await two.close()
    const other = await scene.store()
    assert.notEqual(other.epoch, epoch)
  })

  test('a node id is refused if it could not be part of a key', async (scene) => {
    for (const nodeId of ['', 'a b', 'a/b', 'ü', 'x'.repeat(65)]) {
      await assert.rejects(scene.store({ nodeId }), coded('SKERRY_OPTION_INVALID'), nodeId)
    }
  })

  test('the clock goes on above its mark after a restart, though the wall clock was put back', async (scene) => {
    const place = await scene.place()
    const one = await scene.store({ place })
    await merge(one, version('a', 30_000, '"fast"'))
    const { entry } = await set(one, 'b', '1')
    await scene.close(one)
    scene.env.stepClock(-3_600_000)
    const two = await scene.store({ place })
    const after = await set(two, 'c', '2')
    assert.ok(after.entry!.created > entry!.created)
    await set(two, 'a', '"later"')
    assert.equal(await dataAt(two, 'a'), '"later"')
  })
}

function positions(test: Test): void {
  const now = ({ epoch, run, seq }: Store) => ({ epoch, run, seq })

  test('a store knows every position it has been at, over its restarts', async (scene) => {
    const place = await scene.place()
    const positions = []
    for (let start = 0; start < 4; start++) {
      const store = await scene.store({ place })
      positions.push(now(store))
      await store.write([put('a', `${start}`), put('b', `${start}`)])
      positions.push(now(store))
      for (const position of positions) assert.equal(store.knows(position), true)
      await scene.close(store)
    }
  })

  test('a store knows no position beyond its end, of another run, or of another epoch', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    await store3(before)
    const old = now(before)
    await scene.close(before)
    const store = await scene.store({ place })
    await store3(store)
    const position = now(store)
    assert.equal(store.knows(position), true)
    assert.equal(store.knows({ ...position, seq: 7 }), false)
    assert.equal(store.knows({ ...position, run: 'f'.repeat(32) }), false)
    assert.equal(store.knows({ ...position, epoch: 'f'.repeat(32) }), false)
    assert.equal(store.knows({ ...old, seq: 4 }), false, 'the old run ended at 3')
  })

  test('a copy from before does not know what the original did since: it was rewound', async (scene) => {
    const place = await scene.place()
    const first = await scene.store({ place })
    await store3(first)
    await scene.close(first)
    const copy = await scene.copy(place)
    const original = await scene.store({ place })
    await store3(original)
    const ahead = now(original)
    // Its own chance: a copied node does not draw the same random numbers.
    const rewound = await scene.store({ place: copy, env: new VirtualEnv(2) })
    await store3(rewound)
    await store3(rewound)
    assert.equal(rewound.knows(ahead), false)
    assert.equal(original.knows(now(rewound)), false)
    assert.equal(rewound.knows({ ...ahead, run: first.run, seq: 3 }), true)
  })

  test('fifty runs are kept, and what is older still counts as known', async (scene) => {
    const place = await scene.place()
    const first = await scene.store({ place })
    await store3(first)
    const old = now(first)
    await scene.close(first)
    for (let start = 0; start < 50; start++) {
      const store = await scene.store({ place })
      await set(store, 'a', `${start}`)
      await scene.close(store)
    }
    const store = await scene.store({ place })
    assert.equal(store.knows(old), true, 'a peer that was away for long proves nothing')
    assert.equal(store.remembers(old), false, 'nor does what it has cover anything')
    assert.equal(store.remembers(now(store)), true)
    assert.equal(store.knows({ ...old, seq: 10 }), false)
  })

  test('a new epoch knows no position of the old one and has no checkpoint, not even unsaved ones', async (scene) => {
    const place = await scene.place()
    const store = await scene.store({ place })
    await store3(store)
    await store.saveCheckpoints([checkpoint(store, 'p1', 'a', 5)])
    await store.saveAcknowledgements([said('p1', 'a', 2)])
    const old = now(store)
    const [saved] = await Promise.all([
      store.saveCheckpoints([checkpoint(store, 'p2', 'a', 6)]),
      store.renewEpoch(),
    ])
    assert.equal(saved, undefined)
    const check = async (each: Store) => {
      assert.notEqual(each.epoch, old.epoch)
      assert.equal(each.knows(old), false)
      assert.equal(each.knows(now(each)), true)
      assert.equal(each.seq, 3)
      assert.equal(each.checkpoint('p1', 'a'), undefined)
      assert.equal(each.checkpoint('p2', 'a'), undefined)
      assert.equal(await dataAt(each, 'a'), '3')
    }
    await check(store)
    const { epoch } = store
    await scene.close(store)
    const again = await scene.store({ place })
    await check(again)
    assert.equal(again.epoch, epoch)
  })
}

function sightings(test: Test): void {
  test('how far a peer was seen outlives the epoch, and is no checkpoint of any key', async (scene) => {
    const place = await scene.place()
    const store = await scene.store({ place })
    const sighting = checkpoint(store, 'p1', SEEN, 7)
    await store.merge([], { peer: 'p1', checkpoints: [sighting] })
    await store.saveCheckpoints([checkpoint(store, 'p1', 'a', 5)])
    await store.renewEpoch()
    const check = (each: Store) => {
      assert.deepEqual(each.checkpoint('p1', SEEN), sighting.position)
      assert.equal(each.checkpoint('p1', 'a'), undefined)
    }
    check(store)
    await scene.close(store)
    check(await scene.store({ place }))
  })
}

function checkpoints(test: Test): void {
  test('checkpoints and acknowledgements are there at once and after a restart', async (scene) => {
    const place = await scene.place()
    const store = await scene.store({ place })
    assert.equal(store.checkpoint('p1', 'a/*'), undefined)
    assert.equal(store.acknowledged('p1', 'a/*'), undefined)
    await store.saveCheckpoints([
      checkpoint(store, 'p1', 'a/*', 5),
      checkpoint(store, 'p1', '**', 6),
    ])
    await store.merge([], { peer: 'p2', checkpoints: [checkpoint(store, 'p2', 'a/*', 7)] })
    await store.saveCheckpoints([checkpoint(store, 'p1', 'a/*', 8)])
    await store.saveAcknowledgements([said('p1', 'a/*', 3)])
    const check = (each: Store) => {
      assert.deepEqual(each.checkpoint('p1', 'a/*'), checkpoint(store, 'p1', 'a/*', 8).position)
      assert.deepEqual(each.checkpoint('p1', '**'), checkpoint(store, 'p1', '**', 6).position)
      assert.deepEqual(each.checkpoint('p2', 'a/*'), checkpoint(store, 'p2', 'a/*', 7).position)
      assert.deepEqual(each.acknowledged('p1', 'a/*'), said('p1', 'a/*', 3))
      assert.equal(each.acknowledged('p1', '**'), undefined)
    }
    check(store)
    await scene.close(store)
    check(await scene.store({ place }))
  })

  test('a checkpoint is there when the entries it stands for are, not before', async (scene) => {
    const store = await scene.store()
    const points: unknown[] = []
    store.watch(() => points.push(store.checkpoint('p', 'a')?.seq))
    const merging = store.merge([version('a', 1, '1')], {
      peer: 'p',
      checkpoints: [checkpoint(store, 'p', 'a', 9)],
    })
    assert.equal(store.checkpoint('p', 'a'), undefined)
    await merging
    assert.equal(await dataAt(store, 'a'), '1')
    assert.deepEqual(points, [9])
  })
}

function closing(test: Test): void {
  test('closing finishes the writes that wait; later calls are told that it is closed', async (scene) => {
    const place = await scene.place()
    const store = await scene.store({ place })
    const waiting = Array.from({ length: 50 }, (_, i) => set(store, `x/${i}`, '1'))
    await Promise.all([store.close(), store.close()])
    await Promise.all(waiting)
    const closed = coded('SKERRY_STORE_CLOSED')
    const calls: (() => Promise<unknown>)[] = [
      () => store.read('x/1'),
      () => store.read('nothing'),
      () => store.newest('x/1'),
      () => store.list('x/*'),
      () => store.list('x/1'),
      () => store.write([put('x/1', '2')]),
      () => merge(store, version('x/1', 1, '2')),
      () => store.changesAfter(0, 10),
      () => store.digest('**'),
      () => store.hashed('**', '0', 'g', 10),
      () => store.saveCheckpoints([checkpoint(store, 'p', 'a', 1)]),
      () => store.saveAcknowledgements([said('p', 'a', 1)]),
      () => store.renewEpoch(),
      () => store.aside(10),
      () => store.overruled(10),
    ]
    for (const call of calls) await assert.rejects(call, closed, String(call))
    await store.close()
    assert.equal(scene.env.timers, 0)
    const again = await scene.store({ place })
    assert.equal((await again.list('x/*')).entries.length, 50)
  })

  test('a list under way when the store closes is whole or is told so', async (scene) => {
    const store = await scene.store()
    await store.write(Array.from({ length: 3000 }, (_, i) => put(`x/${i}`, '1')))
    const listing = store.list('x/*').then(
      ({ entries }) => entries.length,
      (error: unknown) => (error as { code?: unknown }).code,
    )
    await store.close()
    const outcome = await listing
    assert.ok(outcome === 3000 || outcome === 'SKERRY_STORE_CLOSED', String(outcome))
  })
}

async function store3(store: Store): Promise<void> {
  for (const data of ['1', '2', '3']) await set(store, 'a', data)
}

function checkpoint(store: Store, peer: string, key: string, seq: number): Checkpoint {
  return { peer, key, position: { epoch: 'e', run: 'r', seq }, ownEpoch: store.epoch }
}

function notes(test: Test): void {
  test('notes are kept with the store, by name', async (scene) => {
    const place = await scene.place()
    const store = await scene.store({ place })
    const bytes = (text: string) => new TextEncoder().encode(text)
    await store.saveNotes([
      { name: 'a/2 users/*', value: bytes('two') },
      { name: 'a/1', value: bytes('one') },
      { name: 'b/1', value: bytes('other') },
    ])
    await store.saveNotes([{ name: 'b/1' }, { name: 'a/1', value: bytes('uno') }])
    await store.close()
    const again = await scene.store({ place })
    const notes = await again.notes('a/')
    assert.deepEqual(
      notes.map(({ name, value }) => [name, new TextDecoder().decode(value)]),
      [
        ['a/1', 'uno'],
        ['a/2 users/*', 'two'],
      ],
    )
    assert.deepEqual(await again.notes('b/'), [])
    assert.equal(again.seq, 0)
  })

  test('a version is placed by its sequence number and the peer that it came from', async (scene) => {
    const store = await scene.store()
    const { entry } = await set(store, 'a', '1')
    assert.deepEqual(await store.placed('a'), { seq: 1, entry, from: '' })
    const theirs = { ...entry!, path: 'b', origin: 'there' }
    await store.merge([theirs], { peer: 'peer' })
    assert.deepEqual(await store.placed('b'), { seq: 2, entry: theirs, from: 'peer' })
    assert.equal(await store.placed('c'), undefined)
  })
}
