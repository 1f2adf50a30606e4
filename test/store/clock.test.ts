import { expect, test } from 'vitest'
import { stampOf } from '../../src/core/entry.ts'
import { NS_PER_MS } from '../../src/core/env.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { ManualEnv } from '../state/manual-env.ts'

const MONTH_MS = 30 * 86_400_000
const NOON = 1_767_268_800_000_000_000n

/** Time that steps, and does not only pass. */
class SteppingEnv extends ManualEnv {
  offsetMs = 0

  override now(): bigint {
    return super.now() + BigInt(this.offsetMs) * NS_PER_MS
  }
}

function opened(env: SteppingEnv, engine = new MemoryEngine()): Promise<LocalStore> {
  return LocalStore.open(engine, env, { nodeId: 'here' })
}

async function edited(store: LocalStore, data: string): Promise<bigint> {
  const [written] = await store.write([{ path: 'a', decide: () => data }])
  return stampOf(written!.entry!)
}

test('O9: a clock that was a month behind is right with the first stamp after it was set, not years later', async () => {
  const env = new SteppingEnv(1, NOON)
  env.offsetMs = -MONTH_MS
  const store = await opened(env)
  expect(await edited(store, '1')).toBe(NOON - BigInt(MONTH_MS) * NS_PER_MS)
  env.offsetMs = 0
  expect(await edited(store, '2')).toBe(NOON)
})

test('O9: a node that learns of its leader that it is a month off stamps by the right time at once', async () => {
  for (const wrongMs of [-MONTH_MS, MONTH_MS]) {
    const env = new SteppingEnv(1, NOON)
    env.offsetMs = wrongMs
    const store = await opened(env)
    await edited(store, '1')
    store.correctClock(-BigInt(wrongMs) * NS_PER_MS)
    await store.restamp()
    const stamp = await edited(store, '2')
    expect([stamp >= NOON, stamp < NOON + NS_PER_MS]).toEqual([true, true])
    expect((await store.read('a'))?.data).toBe('2')
  }
})

test('O9: a later edit wins after a restart with a clock put back, and over a peer whose clock is ahead', async () => {
  const env = new SteppingEnv(1, NOON)
  const engine = new MemoryEngine()
  const before = await opened(env, engine)
  const first = await edited(before, '1')
  await before.close()
  env.offsetMs = -MONTH_MS
  const store = await opened(env, engine.copy())
  expect(await edited(store, '2')).toBeGreaterThan(first)
  env.offsetMs = 0
  const ahead = NOON + 30_000n * NS_PER_MS
  const entry = { path: 'a', created: ahead, updated: 0n, origin: 'peer', data: '3' }
  await store.merge([entry], { peer: 'peer' })
  expect(await edited(store, '4')).toBeGreaterThan(ahead)
  expect((await store.read('a'))?.data).toBe('4')
})
