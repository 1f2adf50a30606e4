import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openLevelEngine } from '../../src/store/level.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import type { Commit, Store } from '../../src/store/store.ts'
import { VirtualEnv } from '../../src/testing.ts'
import { feedAfter, put, seen, set, version } from '../../src/testing/store/scene.ts'
import { GatedEngine } from './gate.ts'

const HOUR_MS = 3_600_000
const noSpace = new Error('no space left on device')
const failed = expect.objectContaining({ code: 'SKERRY_WRITE_FAILED', cause: noSpace }) as Error

describe.each(['memory', 'LevelDB'])('group commit on %s', (kind) => {
  let dir: string
  let env: VirtualEnv
  let gate: GatedEngine
  let store: LocalStore

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skerry-commit-'))
    env = new VirtualEnv(1)
    gate = new GatedEngine(kind === 'memory' ? new MemoryEngine() : await openLevelEngine(dir))
    store = await LocalStore.open(gate, env, { nodeId: 'here' })
  })

  afterEach(async () => {
    await store.close()
    await rm(dir, { recursive: true, force: true })
  })

  test('readers, feed and digest see nothing that is not durable yet', async () => {
    await set(store, 'a', '"old"')
    const digest = await store.digest('**')
    const before = digest.root()
    const commits: Commit[] = []
    store.watch((commit) => commits.push(commit))
    const arrived = gate.hold()
    let answered = false
    const writing = store.write([put('a', '"new"'), put('b', '1')]).then(() => (answered = true))
    const pointing = store.saveCheckpoints([checkpoint(store, 5)])
    await arrived
    expect((await store.read('a'))?.data).toBe('"old"')
    expect((await store.newest('b'))?.data).toBeUndefined()
    expect(seen(await store.list('**'))).toEqual({ a: '"old"' })
    expect((await store.list('a')).seq).toBe(1)
    expect(await feedAfter(store, 1)).toEqual([])
    expect((await store.hashed('**', '0', 'g', 10)).entries).toHaveLength(1)
    expect(digest.root()).toBe(before)
    expect([store.seq, answered, commits.length]).toEqual([1, false, 0])
    expect(store.checkpoint('p', 'a')).toBeUndefined()
    gate.letGo()
    await writing
    await pointing
    expect(seen(await store.list('**'))).toEqual({ a: '"new"', b: '1' })
    expect(commits).toHaveLength(1)
    expect(store.checkpoint('p', 'a')?.seq).toBe(5)
    expect(digest.root()).not.toBe(before)
  })

  test('what waits while one group is on its way shares the next one', async () => {
    const { writes } = gate
    const arrived = gate.hold()
    const first = set(store, 'n', '0')
    await arrived
    const increment = {
      path: 'n',
      decide: (held?: { data: string | null }) => `${Number(held?.data) + 1}`,
    }
    const others = Array.from({ length: 60 }, () => store.write([increment]))
    gate.letGo()
    await Promise.all([first, ...others])
    expect(gate.writes - writes).toBe(2)
    expect((await store.read('n'))?.data).toBe('60')
  })

  test('a failed write fails its whole group, leaves no trace, and the store goes on', async () => {
    await set(store, 'a', '"old"')
    const digest = (await store.digest('**')).root()
    const { epoch } = store
    const commits: Commit[] = []
    store.watch((commit) => commits.push(commit))
    gate.fail(noSpace)
    const outcomes = await Promise.allSettled([
      store.write([put('a', '"new"'), put('b', '1')]),
      store.write([put('c', '1')]),
      store.merge([version('d', 1, '1')], { peer: 'p', checkpoints: [checkpoint(store, 5)] }),
      store.saveAcknowledgements([
        { peer: 'p', key: 'a', epoch: 'e', seq: 1, ever: 1, ownEpoch: 'o' },
      ]),
      store.renewEpoch(),
    ])
    for (const outcome of outcomes) {
      expect(outcome).toEqual({ status: 'rejected', reason: failed })
    }
    gate.fail(undefined)
    expect(seen(await store.list('**'))).toEqual({ a: '"old"' })
    expect((await store.read('a'))?.data).toBe('"old"')
    expect((await store.digest('**')).root()).toBe(digest)
    expect([store.seq, store.epoch, commits.length]).toEqual([1, epoch, 0])
    expect(store.checkpoint('p', 'a')).toBeUndefined()
    expect(store.acknowledged('p', 'a')).toBeUndefined()
    await store.write([{ path: 'a', decide: (held) => `[${held?.data}]` }, put('b', null)])
    expect(seen(await store.list('**'))).toEqual({ a: '["old"]' })
    expect((await feedAfter(store, 0)).map(({ seq }) => seq)).toEqual([2])
  })

  test('a restamp that failed can be tried again', async () => {
    env.stepClock(HOUR_MS)
    await set(store, 'a', '1')
    await set(store, 'a', '2')
    env.stepClock(-HOUR_MS)
    gate.fail(noSpace)
    await expect(store.restamp()).rejects.toThrow(failed)
    gate.fail(undefined)
    expect(await store.restamp()).toBe(1)
    const entry = await store.newest('a')
    expect(entry!.updated).toBeLessThan(env.now() + 1_000_000n)
    expect(entry!.created).toBeLessThanOrEqual(entry!.updated)
  })

  test('a release that failed is tried again a second later, not at once', async () => {
    await store.merge([version('a', HOUR_MS, '1')], { peer: 'p' })
    const { writes } = gate
    gate.fail(noSpace)
    env.advance(HOUR_MS)
    const tried = async (times: number) => {
      while (gate.writes < writes + times || env.timers === 0) await new Promise(setImmediate)
    }
    await tried(1)
    env.advance(999)
    expect(gate.writes).toBe(writes + 1)
    env.advance(1)
    await tried(2)
    gate.fail(undefined)
    const shown = new Promise((resolve) => store.watch(resolve))
    env.advance(1000)
    await shown
    expect((await store.read('a'))?.data).toBe('1')
  })

  test('a listener that throws makes no durable write fail, and is heard of', async () => {
    const told: number[] = []
    store.watch(() => {
      throw noSpace
    })
    store.watch(({ seq }) => told.push(seq))
    const others = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection')
    try {
      const heard = new Promise((resolve) => process.once('unhandledRejection', resolve))
      await set(store, 'a', '1')
      expect(await heard).toBe(noSpace)
    } finally {
      for (const other of others) process.on('unhandledRejection', other)
    }
    expect(told).toEqual([1])
    expect((await store.read('a'))?.data).toBe('1')
  })

  test('a group takes in no more than its bound in characters', async () => {
    const { writes } = gate
    const arrived = gate.hold()
    const first = set(store, 'n', '0')
    await arrived
    const large = `"${'x'.repeat(1024 * 1024)}"`
    const others = Array.from({ length: 40 }, (_, i) => set(store, `x/${i}`, large))
    gate.letGo()
    await Promise.all([first, ...others])
    expect(gate.writes - writes).toBe(1 + 3)
  })
})

describe('the queue of writes', () => {
  test('refuses what goes beyond its bound, and does what it took', async () => {
    const gate = new GatedEngine(new MemoryEngine())
    const store = await LocalStore.open(gate, new VirtualEnv(1))
    const arrived = gate.hold()
    const first = set(store, 'n', '0')
    await arrived
    const taken = Array.from({ length: 100_000 }, () => store.write([put('n', '1')]))
    await expect(store.write([put('n', '2')])).rejects.toMatchObject({ code: 'SKERRY_STORE_BUSY' })
    gate.letGo()
    await Promise.all([first, ...taken])
    expect(store.seq).toBe(100_001)
    await store.close()
  })

  test('takes one call of very many writes', async () => {
    const store = await LocalStore.open(new MemoryEngine(), new VirtualEnv(1))
    await store.write(Array.from({ length: 150_000 }, (_, i) => put(`x/${i}`, '1')))
    expect(store.seq).toBe(150_000)
    await store.close()
  })
})

function checkpoint(store: Store, seq: number) {
  return { peer: 'p', key: 'a', position: { epoch: 'e', run: 'r', seq }, ownEpoch: store.epoch }
}
