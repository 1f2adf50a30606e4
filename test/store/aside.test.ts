import { expect, test } from 'vitest'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { VirtualEnv } from '../../src/testing/env.ts'
import { GatedEngine } from './gate.ts'

const NS_PER_MIN = 60_000_000_000n
const MS_PER_MIN = 60_000

/** Lets everything run that waits for nothing but its turn. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('a version due when the clock is put back is not forgotten: it is shown in its time', async () => {
  const env = new VirtualEnv()
  const engine = new GatedEngine(new MemoryEngine())
  const store = await LocalStore.open(engine, env, { nodeId: 'node' })
  const early = { path: 'a', created: env.now() + 3n * NS_PER_MIN, updated: 0n, origin: 'x' }
  await store.merge([{ ...early, data: '1' }], { peer: 'x' })

  // A write is on its way to the disk when the version falls due, so its release has to wait; and
  // meanwhile the node learns that its clock is ten minutes fast.
  const arrived = engine.hold()
  const writing = store.write([{ path: 'b', decide: () => '2' }])
  await arrived
  env.advance(3 * MS_PER_MIN)
  await turns()
  store.correctClock(-10n * NS_PER_MIN)
  engine.letGo()
  await writing
  await turns()
  expect(await store.read('a')).toBeUndefined()

  for (let minute = 0; minute < 12; minute++) {
    env.advance(MS_PER_MIN)
    await turns()
  }
  expect((await store.read('a'))?.data).toBe('1')
  await store.close()
})
