import assert from 'node:assert/strict'
import { stampOf } from '../../core/entry.ts'
import { coded, dataAt, put, scenes, seen, set, type StoreSuiteOptions } from './scene.ts'

/** Local writes and what readers see of them. */
export function writesSuite(options: StoreSuiteOptions): void {
  const test = scenes(options)

  test('a first write is created, an overwrite keeps the time of creation', async (scene) => {
    const store = await scene.store()
    const first = await set(store, 'users/1', '{"a":1}')
    assert.equal(first.changed, true)
    assert.deepEqual(first.entry, await store.read('users/1'))
    assert.equal(first.entry?.updated, 0n)
    assert.equal(first.entry.origin, 'here')
    const second = await set(store, 'users/1', ' {"a": 2.50}')
    assert.equal(second.entry?.created, first.entry.created)
    assert.ok(second.entry.updated > first.entry.created)
    assert.equal(await dataAt(store, 'users/1'), ' {"a": 2.50}')
  })

  test('a delete leaves a tombstone that readers do not see, and a new write starts anew', async (scene) => {
    const store = await scene.store()
    const first = await set(store, 'a', '1')
    const deleted = await set(store, 'a', null)
    assert.equal(await store.read('a'), undefined)
    assert.deepEqual(await store.newest('a'), deleted.entry)
    assert.equal(deleted.entry?.data, null)
    assert.ok(stampOf(deleted.entry) > stampOf(first.entry!))
    const again = await set(store, 'a', '2')
    assert.equal(again.entry?.updated, 0n)
    assert.ok(again.entry.created > deleted.entry.updated)
  })

  test('a decision sees what readers see, and may leave it as it is', async (scene) => {
    const store = await scene.store()
    const { entry } = await set(store, 'a', '1')
    const { seq } = store
    const left = await store.write([
      { path: 'a', decide: (held) => (assert.deepEqual(held, entry), undefined) },
      { path: 'b', decide: (held) => (assert.equal(held, undefined), undefined) },
      put('c', null),
    ])
    assert.deepEqual(left, [
      { entry, changed: false, seq },
      { entry: undefined, changed: false, seq: 0 },
      { entry: undefined, changed: false, seq: 0 },
    ])
    await set(store, 'a', null)
    await store.write([{ path: 'a', decide: (held) => (assert.equal(held, undefined), undefined) }])
    assert.equal(store.seq, seq + 1)
  })

  test('a write tells the number of its change, whatever is written at the same time', async (scene) => {
    const store = await scene.store()
    const infer = { path: 'c', decide: () => null, inferred: true } as const
    await set(store, 'c', '1')
    const calls = [
      store.write([put('a', '1'), put('b', '1'), put('a', '2')]),
      store.write([put('a', null), infer]),
      store.write([{ path: (stamp) => `log/${stamp}`, decide: () => '1' }]),
    ]
    const written = (await Promise.all(calls)).flat()
    const last = new Map(written.map((each) => [each.entry!.path, each]))
    for (const [path, { entry, seq }] of last) {
      const placed = await store.placed(path)
      assert.deepEqual([placed?.entry, placed?.seq], [entry, seq])
    }
    assert.equal(new Set(written.map(({ seq }) => seq)).size, written.length)
  })

  test('an inferred delete takes stamp and origin of what it removes, and any newer write beats it', async (scene) => {
    const [one, two] = [await scene.store(), await scene.store({ nodeId: 'there' })]
    const { entry } = await set(one, 'a', '1')
    await two.merge([entry!], { peer: 'here' })
    const infer = { path: 'a', decide: () => null, inferred: true } as const
    const [here] = await one.write([infer])
    const [there] = await two.write([infer])
    assert.equal(here!.changed, true)
    assert.deepEqual(here!.entry, there!.entry)
    assert.equal(stampOf(here!.entry!), stampOf(entry!))
    assert.equal(here!.entry!.origin, 'here')
    assert.equal(await one.read('a'), undefined)
    const again = await one.merge([there!.entry!], { peer: 'there' })
    assert.equal(again.changed, 0)
    const { entry: gone, seq } = here!
    assert.deepEqual(await one.write([infer]), [{ entry: gone, changed: false, seq }])
    assert.equal((await set(two, 'a', '2')).changed, true)
    await one.merge([(await two.newest('a'))!], { peer: 'there' })
    assert.equal(await dataAt(one, 'a'), '2')
    const kept = await one.write([{ ...infer, decide: () => undefined }])
    assert.equal(kept[0]!.changed, false)
  })

  test('a visit shows what a list returns', async (scene) => {
    const store = await scene.store()
    for (const path of ['a/1', 'a/2', 'b/1', 'a/2/c']) await set(store, path, '1')
    await set(store, 'a/1', null)
    for (const pattern of ['a/*', '*/1', 'a/2', 'a/1', '**']) {
      const visited: unknown[] = []
      const seq = await store.visit(pattern, (entry) => visited.push(entry))
      assert.deepEqual({ seq, entries: visited }, await store.list(pattern))
    }
  })

  test('one call writes all or nothing', async (scene) => {
    const store = await scene.store()
    await set(store, 'a', '1')
    const { seq } = store
    const refusal = new Error('not you')
    const refuse = () => {
      throw refusal
    }
    await assert.rejects(
      store.write([put('a', '2'), put('b', '2'), { path: 'c', decide: refuse }]),
      (error) => error === refusal,
    )
    assert.equal(store.seq, seq)
    assert.deepEqual(seen(await store.list('*')), { a: '1' })
    assert.equal((await store.changesAfter(seq, 10)).changes.length, 0)
    await store.write([put('a', '2'), put('b', '2')])
    assert.deepEqual(seen(await store.list('*')), { a: '2', b: '2' })
  })

  test('a refused call takes nothing of its neighbours along', async (scene) => {
    const store = await scene.store()
    const refuse = () => {
      throw new Error('not you')
    }
    const results = await Promise.allSettled([
      store.write([put('a', '1')]),
      store.write([put('a', '9'), { path: 'b', decide: refuse }]),
      store.write([{ path: 'a', decide: (held) => `[${held?.data}]` }]),
    ])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.equal(await dataAt(store, 'a'), '[1]')
    assert.equal(store.seq, 2)
  })

  test('concurrent writes to one path see each other: none is lost', async (scene) => {
    const store = await scene.store()
    const increment = {
      path: 'n',
      decide: (held?: { data: string | null }) => `${Number(held?.data ?? 0) + 1}`,
    }
    await Promise.all(Array.from({ length: 100 }, () => store.write([increment, increment])))
    assert.equal(await dataAt(store, 'n'), '200')
    assert.equal(store.seq, 200)
  })

  test('stamps grow from write to write', async (scene) => {
    const store = await scene.store()
    const written = await Promise.all(
      Array.from({ length: 50 }, (_, i) => set(store, `p/${i % 7}`, `${i}`)),
    )
    const stamps = written.map(({ entry }) => stampOf(entry!))
    for (const [i, stamp] of stamps.entries()) assert.ok(i === 0 || stamp > stamps[i - 1]!)
  })

  test('a path minted from the stamp is minted again if it is taken', async (scene) => {
    const store = await scene.store()
    await set(store, 'box/0', '"old"')
    await set(store, 'box/1', '"deleted"')
    await set(store, 'box/1', null)
    let minted = 0
    const stamps: bigint[] = []
    const path = (stamp: bigint) => (stamps.push(stamp), `box/${minted++}`)
    const [first, second] = await store.write([
      { path, decide: () => '1' },
      { path: () => `box/${minted++}`, decide: () => '2' },
    ])
    assert.equal(first?.entry?.path, 'box/2')
    assert.equal(first.entry.created, stamps.at(-1))
    assert.equal(second?.entry?.path, 'box/3')
  })

  test('a minted path that is always taken is an error, not an endless search', async (scene) => {
    const store = await scene.store()
    await set(store, 'a', '1')
    await assert.rejects(
      store.write([{ path: () => 'a', decide: () => '2' }]),
      coded('SKERRY_WRITE_FAILED'),
    )
    assert.equal(await dataAt(store, 'a'), '1')
  })

  test('lists hold what a pattern covers, at its depth only', async (scene) => {
    const store = await scene.store()
    const paths = ['a', 'b', 'a/1', 'a/2', 'a-b/1', 'a.b/1', 'a/1/x', 'a/2/x', 'a/1/x/y', 'b/1/x']
    await store.write(paths.map((path) => put(path, `"${path}"`)))
    await set(store, 'a/2', null)
    const covered: [pattern: string, paths: string[]][] = [
      ['a', ['a']],
      ['a/2', []],
      ['nothing/*', []],
      ['*', ['a', 'b']],
      ['a/*', ['a/1']],
      ['*/1', ['a-b/1', 'a.b/1', 'a/1']],
      ['*/*', ['a-b/1', 'a.b/1', 'a/1']],
      ['a/*/x', ['a/1/x', 'a/2/x']],
      ['*/*/x', ['a/1/x', 'a/2/x', 'b/1/x']],
      ['*/*/*/*', ['a/1/x/y']],
      ['**', paths.filter((path) => path !== 'a/2').sort()],
    ]
    for (const [pattern, expected] of covered) {
      const listing = await store.list(pattern)
      assert.deepEqual(Object.keys(seen(listing)), expected, pattern)
      assert.equal(listing.seq, store.seq)
    }
  })

  test('a list is what readers saw at its sequence number, whatever is written meanwhile', async (scene) => {
    const store = await scene.store()
    await store.write(Array.from({ length: 2500 }, (_, i) => put(`n/${i}`, '0')))
    const listing = store.list('n/*')
    const later = store.write(Array.from({ length: 2500 }, (_, i) => put(`n/${i}`, '1')))
    const { entries, seq } = await listing
    // A store that others write to as well may be asked a moment later; then it shows all of the later.
    assert.ok(seq === 2500 || seq === 5000, String(seq))
    assert.equal(entries.length, 2500)
    const expected = seq === 2500 ? '0' : '1'
    assert.deepEqual(new Set(entries.map(({ data }) => data)), new Set([expected]))
    await later
  })
}
