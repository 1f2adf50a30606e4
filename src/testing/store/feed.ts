import assert from 'node:assert/strict'
import type { Commit } from '../../store/store.ts'
import {
  feedAfter,
  merge,
  newestOf,
  nextCommit,
  put,
  scenes,
  set,
  type StoreSuiteOptions,
  version,
} from './scene.ts'

/** The feed of changes, as it happens and afterwards. */
export function feedSuite(options: StoreSuiteOptions): void {
  const test = scenes(options)

  test('listeners get each change once, in order, with what readers saw before and see after', async (scene) => {
    const store = await scene.store()
    const commits: Commit[] = []
    const stop = store.watch((commit) => commits.push(commit))
    const one = await set(store, 'a', '1')
    const two = await set(store, 'a', '2')
    const three = await set(store, 'a', null)
    await merge(store, version('b', 5, '3'))
    stop()
    await set(store, 'a', '4')
    const changes = commits.flatMap((commit) => [...commit.changes])
    assert.deepEqual(changes, [
      { seq: 1, entry: one.entry, before: undefined, after: one.entry, from: '' },
      { seq: 2, entry: two.entry, before: one.entry, after: two.entry, from: '' },
      { seq: 3, entry: three.entry, before: two.entry, after: undefined, from: '' },
      {
        seq: 4,
        entry: version('b', 5, '3'),
        before: undefined,
        after: version('b', 5, '3'),
        from: 'peer',
      },
    ])
    assert.equal(commits.at(-1)!.seq, 4)
  })

  test('changes of one call arrive in one commit, those of one group in their order', async (scene) => {
    const store = await scene.store()
    const commits: Commit[] = []
    store.watch((commit) => commits.push(commit))
    await Promise.all(
      Array.from({ length: 40 }, (_, i) => store.write([put(`x/${i}`, '1'), put('y', `${i}`)])),
    )
    const seqs = commits.flatMap(({ changes }) => changes.map(({ seq }) => seq))
    assert.deepEqual(
      seqs,
      Array.from({ length: 80 }, (_, i) => i + 1),
    )
    for (const { changes, seq } of commits) {
      assert.equal(changes.length % 2, 0)
      assert.equal(changes.at(-1)!.seq, seq)
    }
  })

  test('whoever is told of a change reads it already, and everything else of its group', async (scene) => {
    const store = await scene.store()
    const reads: Promise<unknown>[] = []
    store.watch(({ changes, seq }) => {
      assert.equal(store.seq, seq)
      for (const { entry } of newestOf(changes)) {
        reads.push(store.read(entry.path).then((held) => assert.deepEqual(held, entry)))
      }
    })
    await Promise.all(Array.from({ length: 20 }, (_, i) => set(store, `x/${i % 5}`, `${i}`)))
    assert.ok(reads.length >= 5)
    await Promise.all(reads)
  })

  test('a listener that begins or ends while others are told is told from the next commit on', async (scene) => {
    const store = await scene.store()
    const told: string[] = []
    store.watch(() => {
      told.push('outer')
      if (told.length === 1) store.watch(() => told.push('inner'))
    })
    await set(store, 'a', '1')
    assert.deepEqual(told, ['outer'])
    await set(store, 'a', '2')
    assert.deepEqual(told, ['outer', 'outer', 'inner'])
  })

  test('pages give every change after a sequence number, from memory', async (scene) => {
    const store = await scene.store()
    for (let i = 0; i < 10; i++) await set(store, `x/${i % 4}`, `${i}`)
    for (let from = 0; from <= 10; from++) {
      const paged = newestOf(await feedAfter(store, from)).map(({ seq, entry }) => [
        seq,
        entry.data,
      ])
      const expected = [6, 7, 8, 9].filter((i) => i + 1 > from).map((i) => [i + 1, `${i}`])
      assert.deepEqual(paged, expected, `after ${from}`)
    }
  })

  test('after a restart the feed has the newest change of each path, and only that', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    for (let i = 0; i < 10; i++) await set(before, `x/${i % 4}`, `${i}`)
    await merge(before, version('x/9', 1, null))
    await scene.close(before)
    const store = await scene.store({ place })
    assert.equal(store.seq, 11)
    const changes = await feedAfter(store, 0)
    assert.deepEqual(
      changes.map(({ seq, entry, from }) => [seq, entry.path, entry.data, from]),
      [
        [7, 'x/2', '6', ''],
        [8, 'x/3', '7', ''],
        [9, 'x/0', '8', ''],
        [10, 'x/1', '9', ''],
        [11, 'x/9', null, 'peer'],
      ],
    )
    assert.equal((await feedAfter(store, 9)).length, 2)
  })

  test('pages go over from the disk to memory without a gap', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    for (let i = 0; i < 5; i++) await set(before, `x/${i}`, '0')
    await scene.close(before)
    const store = await scene.store({ place })
    for (let i = 3; i < 8; i++) await set(store, `x/${i}`, '1')
    const paths = newestOf(await feedAfter(store, 0, 2)).map(({ entry }) => entry.path)
    assert.deepEqual(paths, ['x/0', 'x/1', 'x/2', 'x/3', 'x/4', 'x/5', 'x/6', 'x/7'])
  })

  test('a page from the disk is whole though its paths change while it is read', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    await before.write(Array.from({ length: 1500 }, (_, i) => put(`x/${i}`, '0')))
    await scene.close(before)
    const store = await scene.store({ place })
    const reading = feedAfter(store, 0, 400)
    await store.write(Array.from({ length: 700 }, (_, i) => put(`x/${i * 2}`, '1')))
    const read = await reading
    // The reader may have been quicker than the writes: what it has not seen comes after what it has.
    const rest = await feedAfter(store, read.at(-1)!.seq)
    const newest = newestOf([...read, ...rest])
    assert.equal(newest.length, 1500)
    assert.equal(newest.filter(({ entry }) => entry.data === '1').length, 700)
  })

  test('a version released after a restart leaves no gap in the feed', async (scene) => {
    const place = await scene.place()
    const before = await scene.store({ place })
    await merge(before, version('future', 600_000, '1'))
    await set(before, 'a', '1')
    await set(before, 'b', '1')
    await scene.close(before)
    const store = await scene.store({ place })
    const released = nextCommit(store)
    scene.env.advance(600_000)
    await released
    await set(store, 'c', '1')
    assert.deepEqual(
      (await feedAfter(store, 1)).map(({ entry }) => entry.path),
      ['a', 'b', 'c'],
    )
  })
}
