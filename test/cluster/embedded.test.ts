import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createCluster } from '../../src/cluster.ts'
import { EmbeddedRegistry, supersedeEpochs } from '../../src/cluster/embedded.ts'
import { newMember } from '../../src/cluster/member.ts'
import { machineEnv } from '../../src/server/env.ts'
import { openLevelEngine } from '../../src/store/level.ts'
import { LocalStore } from '../../src/store/local.ts'
import { registrySuite } from './registry-suite.ts'

const scratch = mkdtempSync(join(tmpdir(), 'skerry-cluster-'))
afterAll(() => rmSync(scratch, { recursive: true }))

registrySuite('embedded, in memory', async () => ({
  registry: new EmbeddedRegistry(machineEnv),
  other: undefined,
}))

registrySuite('embedded, on a store', async () => {
  const directory = mkdtempSync(join(scratch, 'suite-'))
  const openStore = async () => LocalStore.open(await openLevelEngine(directory), machineEnv)
  return { registry: new EmbeddedRegistry(machineEnv, { openStore }), other: undefined }
})

test('on a disk, members, owners, keys and epochs outlive the process', async () => {
  const options = { registry: { directory: join(scratch, 'kept') }, slots: 64, leaseMs: 300 }
  const keys = Array.from({ length: 500 }, (_, index) => `key ${index} é`)
  const first = createCluster(options)
  await first.start()
  await first.join({ id: 'a/ü*', address: 'localhost', port: 1, zone: 'x' })
  await first.join({ id: 'b', address: 'localhost', port: 2 })
  await first.distribute(keys)
  await first.release(['key 7 é'])
  const owners = keys.map((key) => first.getKeyNode(key))
  const before = await epochOf(first)
  await first.destroy()

  const second = createCluster(options)
  await second.start()
  expect(keys.map((key) => second.getKeyNode(key))).toEqual(owners)
  expect(second.members().map(({ id, zone }) => [id, zone])).toEqual([
    ['a/ü*', 'x'],
    ['b', ''],
  ])
  const found = [...(await second.getNodeKeys('a/ü*')), ...(await second.getNodeKeys('b'))]
  expect(found.sort()).toEqual(keys.filter((key) => key !== 'key 7 é').sort())
  expect(await epochOf(second)).toBeGreaterThan(before)
  await second.destroy()
})

test('a restart waits for workers of others, but only where any ever had a right', async () => {
  const directory = join(scratch, 'shared')
  const openStore = async () => LocalStore.open(await openLevelEngine(directory), machineEnv)
  const open = async () => {
    const registry = new EmbeddedRegistry(machineEnv, { openStore, shared: true })
    await registry.open(16)
    return registry
  }
  const member = newMember({ id: 'a', address: 'localhost', port: 1 }, 1)
  const moves = [{ from: '', to: 'a', slots: [0] }]
  const change = { base: 0, members: [member], left: [], moves, owners: ['a'] }
  const owners = ['a', ...new Array<string>(15).fill('')]
  const first = await open()
  expect(await first.commit({ ...change, owners })).toBe('done')
  await first.close()
  const second = await open()
  expect((await second.head()).recovering).toBe(false)
  await second.openSession('s', 'a')
  expect(await second.claim('s', 1, [0])).toMatchObject({ granted: [{ slot: 0 }] })
  await second.close()
  const third = await open()
  expect((await third.head()).recovering).toBe(true)
  await third.close()
})

test('a registry from a backup outruns rights that it never heard of, and recovers first', async () => {
  const directory = join(scratch, 'restored')
  const openStore = async () => LocalStore.open(await openLevelEngine(directory), machineEnv)
  const open = async () => {
    const registry = new EmbeddedRegistry(machineEnv, { openStore, shared: true })
    await registry.open(16)
    return registry
  }
  // As a backup has it that was taken before any right was granted.
  const before = await open()
  const owners = ['a', ...new Array<string>(15).fill('')]
  const moves = [{ from: '', to: 'a', slots: [0] }]
  const member = newMember({ id: 'a', address: 'localhost', port: 1 }, 1)
  await before.commit({ base: 0, members: [member], left: [], moves, owners })
  await before.close()
  const store = await openStore()
  const aheadMs = 1_000_000_000_000
  const nowMs = Date.now()
  await supersedeEpochs(store, machineEnv, aheadMs)
  await store.close()

  const restored = await open()
  await restored.openSession('s', 'a')
  expect(await restored.claim('s', 1, [0])).toBe('recovering')
  const { run, leadership } = await restored.head()
  const term = await restored.campaign('m', leadership)
  await restored.endRecovery(term!, run)
  await restored.openSession('s', 'a')
  const claimed = await restored.claim('s', 1, [0])
  if (typeof claimed === 'string') throw new Error(claimed)
  expect(claimed.granted[0]!.epoch).toBeGreaterThan(nowMs + aheadMs)
  expect((await restored.read()).owners[0]).toBe('a')
  await restored.close()
})

/** Some epoch that member `b` works with now. */
async function epochOf(cluster: ReturnType<typeof createCluster>): Promise<number> {
  const worker = cluster.worker('b')
  const assigned = new Promise<number>((resolve) =>
    worker.once('assigned', ({ slots }) => resolve(slots[0]!.epoch)),
  )
  await worker.start()
  return assigned
}
