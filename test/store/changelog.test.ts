import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pack } from '../../src/core/codec.ts'
import type { Engine, EngineOp } from '../../src/store/engine.ts'
import * as layout from '../../src/store/layout.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { VirtualEnv } from '../../src/testing.ts'
import { feedAfter, put } from '../../src/testing/store/scene.ts'

const SLACK = 8

type Step = 'collect' | readonly { readonly path: string; readonly data: string | null }[]

const PATHS = Array.from({ length: 12 }, (_, n) => `p/${n}`)

function open(engine: Engine): Promise<LocalStore> {
  return LocalStore.open(engine, new VirtualEnv(1), { nodeId: 'here', changelogSlack: SLACK })
}

/** What the feed has to list: the newest change of each path, in order. */
async function truth(store: Store): Promise<[seq: number, path: string][]> {
  const placed = await Promise.all(PATHS.map((path) => store.placed(path)))
  const found = placed.flatMap((one) => (one === undefined ? [] : [one]))
  return found
    .map(({ seq, entry }): [number, string] => [seq, entry.path])
    .sort(([a], [b]) => a - b)
}

/** The feed as the disk has it: a store that was just opened remembers none of it. */
async function feedOf(engine: MemoryEngine, after: number): Promise<[number, string][]> {
  const store = await open(engine.copy())
  const changes = await feedAfter(store, after)
  await store.close()
  return changes.map(({ seq, entry }) => [seq, entry.path])
}

async function records(engine: Engine): Promise<layout.Listed[][]> {
  const found: layout.Listed[][] = []
  for await (const chunk of engine.scan(layout.prefixRange('s'))) {
    for (const [key, value] of chunk) found.push(layout.unpackListed(key, value))
  }
  return found
}

async function listed(engine: Engine): Promise<number> {
  return (await records(engine)).flat().length
}

/** An engine that has no room for a list that is written anew. */
class FullEngine extends MemoryEngine {
  isFull = true
  refused = 0

  override write(ops: readonly EngineOp[], shown?: () => void): Promise<void> {
    const rewrites = ops.some(({ key, value }) => key.startsWith('s') && value === undefined)
    if (!this.isFull || !rewrites) return super.write(ops, shown)
    this.refused++
    return Promise.reject(new Error('no space left on device'))
  }
}

/** Deletes are forgotten at once. */
const collection = { waitFor: [], expired: 1n << 62n, keys: ['**'], linked: true }

test('the feed on the disk lists the newest change of each path, in order, whatever was outdated, collected or listed anew', async () => {
  const path = fc.constantFrom(...PATHS)
  const data = fc.option(fc.constantFrom('1', '2', '3'), { nil: null })
  const writes = fc.array(fc.record({ path, data }), { minLength: 1, maxLength: 6 })
  const steps = fc.array(
    fc.oneof({ weight: 8, arbitrary: writes }, fc.constant('collect' as const)),
    {
      minLength: 20,
      maxLength: 80,
    },
  )
  const play = async (taken: readonly Step[]) => {
    const engine = new MemoryEngine()
    const store = await open(engine)
    for (const step of taken) {
      if (step === 'collect') await store.collect(collection)
      else await store.write(step.map(({ path, data }) => put(path, data)))
    }
    const all = await truth(store)
    for (const after of [0, Math.floor(store.seq / 2), store.seq]) {
      expect(await feedOf(engine, after)).toEqual(all.filter(([seq]) => seq > after))
    }
    await store.close()
  }
  await fc.assert(fc.asyncProperty(steps, play), { numRuns: 200 })
})

test('a path that is written twice in one step is listed behind what was written between', async () => {
  const engine = new MemoryEngine()
  const store = await open(engine)
  await store.write([put('p/0', '1'), put('p/1', '1'), put('p/0', '2')])
  expect(await feedOf(engine, 0)).toEqual([
    [2, 'p/1'],
    [3, 'p/0'],
  ])
})

test('what is outdated goes once it is more than half of the list, and small records become one', async () => {
  const engine = new MemoryEngine()
  const store = await open(engine)
  for (let n = 0; n < 500; n++) await store.write([put(PATHS[n % 12]!, `${n}`)])
  await expect.poll(() => listed(engine)).toBeLessThanOrEqual(2 * PATHS.length)
  expect((await records(engine)).length).toBeLessThan(2 * PATHS.length)
  expect(await feedOf(engine, 0)).toEqual(await truth(store))
})

test('a step of many changes is listed in records of 256', async () => {
  const engine = new MemoryEngine()
  const store = await open(engine)
  await store.write(Array.from({ length: 600 }, (_, n) => put(`many/${n}`, '1')))
  expect((await records(engine)).map(({ length }) => length)).toEqual([256, 256, 88])
  expect((await feedAfter(await open(engine.copy()), 0, 100)).map(({ seq }) => seq)).toEqual(
    Array.from({ length: 600 }, (_, n) => n + 1),
  )
})

test('a list that could not be written anew is written with a later write, and nothing is lost', async () => {
  const engine = new FullEngine()
  const store = await open(engine)
  for (let n = 0; n <= SLACK; n++) await store.write([put('p/0', `${n}`)])
  await expect.poll(() => engine.refused).toBe(1)
  expect(await listed(engine)).toBe(SLACK + 1)
  expect(await feedOf(engine, 0)).toEqual(await truth(store))
  engine.isFull = false
  await store.write([put('p/1', '1')])
  await expect.poll(() => listed(engine)).toBe(2)
  expect(await feedOf(engine, 0)).toEqual(await truth(store))
})

test('a store of format 1, with a record for each change, is read and goes on', async () => {
  const engine = new MemoryEngine()
  const before = await open(engine)
  await before.write(PATHS.map((path) => put(path, '1')))
  await before.close()
  const old: EngineOp[] = (await records(engine)).flat().map(([seq, path]) => {
    return { key: layout.seqKey(seq), value: pack(path) }
  })
  const format = { key: layout.FORMAT_KEY, value: pack(1) }
  await engine.write([...old, { key: layout.CHANGELOG_KEY }, format])
  const store = await open(engine)
  expect(await feedOf(engine, 0)).toEqual(await truth(store))
  for (let n = 0; n < SLACK; n++) await store.write([put('p/0', `${n}`)])
  await expect.poll(() => listed(engine)).toBeLessThanOrEqual(PATHS.length + 1)
  expect(await feedOf(engine, 0)).toEqual(await truth(store))
})
