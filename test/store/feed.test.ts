import { expect, test } from 'vitest'
import { NS_PER_MS } from '../../src/core/env.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { VirtualEnv } from '../../src/testing/env.ts'

test('the feed goes on after a restart that shows a version once kept aside', async () => {
  const engine = new MemoryEngine()
  const env = new VirtualEnv()
  const early = await LocalStore.open(engine, env, { nodeId: 'node' })
  const stamp = env.now() + 120_000n * NS_PER_MS
  const ahead = { path: 'users/1', created: stamp, updated: 0n, origin: 'peer', data: '1' }
  await early.merge([ahead], { peer: 'peer' })
  await early.write([{ path: 'users/2', decide: () => '2' }])
  await early.close()

  env.advance(120_000)
  const store = await LocalStore.open(engine, env)
  expect((await store.read('users/1'))?.data).toBe('1')
  await store.write([{ path: 'users/3', decide: () => '3' }])
  const { changes, upTo } = await store.changesAfter(2, 100)
  expect(changes.map(({ entry, seq }) => [entry.path, seq])).toEqual([['users/3', 3]])
  expect(upTo).toBe(3)
  await store.close()
})
