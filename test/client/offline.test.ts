import { expect, onTestFinished, test } from 'vitest'
import { Offline } from '../../src/client/offline.ts'
import { SyncStatus } from '../../src/client/status.ts'
import type { Subject } from '../../src/client/subject.ts'
import type { Client, Entry } from '../../src/client.ts'
import type { Server } from '../../src/index.ts'
import { Cutter } from '../browser/cutter.ts'
import { runningNode } from '../server/running.ts'
import { ManualEnv } from '../state/manual-env.ts'
import { connected, untilOnline } from './connected.ts'

interface Scene {
  readonly server: Server
  readonly cutter: Cutter
  readonly client: Client
}

async function scene(): Promise<Scene> {
  const server = await runningNode()
  const cutter = await Cutter.open(Number(new URL(server.url).port))
  const client = connected(cutter.host, { offline: true })
  await untilOnline(client)
  return { server, cutter, client }
}

async function cutOff({ cutter, client }: Scene): Promise<void> {
  cutter.cut()
  await untilOnline(client, false)
}

async function delivered({ cutter, client }: Scene): Promise<void> {
  cutter.mend()
  await expect.poll(() => client.sync.state).toMatchObject({ online: true, pending: 0 })
}

/** Clocks of nodes and devices count milliseconds: within one, nobody is later. */
async function laterThan(entry: Entry | null): Promise<void> {
  const writtenMs = Number(entry!.created / 1_000_000n)
  await expect.poll(() => Date.now()).toBeGreaterThan(writtenMs + 1)
}

function dataOf(entries: readonly Entry[] | undefined): Record<string, unknown> | undefined {
  return entries && Object.fromEntries(entries.map(({ path, data }) => [path, data]))
}

test('what is written while cut off shows at once, and is delivered in order with its own stamps', async () => {
  const here = await scene()
  const { server, client } = here
  await client.set('box/a', { n: 1 })
  const watch = client.watch('box/*')
  await expect.poll(() => dataOf(watch.value)).toEqual({ 'box/a': { n: 1 } })
  await cutOff(here)
  const patched = await client.patch('box/a', { m: 2 })
  expect(patched.outcome).toBe('pending')
  const { path } = await client.push('box/*', 'pushed')
  await client.set('box/b', 1)
  await client.delete('box/b')
  expect(dataOf(watch.value)).toEqual({ 'box/a': { n: 1, m: 2 }, [path]: 'pushed' })
  expect(watch.value!.map(({ pending }) => pending)).toEqual([true, true])
  expect(client.sync.state.pending).toBe(4)
  const shown = watch.value!.map(({ created, updated }) => [created, updated])
  await delivered(here)
  const held = await server.state.text.list('box/*')
  expect(held.map(({ created, updated }) => [created, updated])).toEqual(shown)
  await expect.poll(() => watch.value?.some(({ pending }) => pending)).toBe(false)
  expect(dataOf(watch.value)).toEqual({ 'box/a': { n: 1, m: 2 }, [path]: 'pushed' })
  expect(held.every(({ origin }) => /^client\.[0-9a-f]{32}$/.test(origin))).toBe(true)
})

test('a write of before loses against one that was made after it, though it comes later', async () => {
  const here = await scene()
  const { server, client } = here
  await cutOff(here)
  await client.set('a', 'from the device')
  await client.set('b', 'from the device')
  await laterThan(await client.get('b'))
  await server.state.text.set('a', '"from the node"')
  await delivered(here)
  expect((await client.get('a'))?.data).toBe('from the node')
  expect((await client.get('b'))?.data).toBe('from the device')
})

test('a delete by glob takes what is older than itself', async () => {
  const here = await scene()
  const { server, client } = here
  await client.set('box/old', 1)
  await cutOff(here)
  await client.set('box/own', 1)
  await client.delete('box/*')
  await client.set('box/after', 1)
  await laterThan(await client.get('box/after'))
  await server.state.text.set('box/newer', '1')
  await delivered(here)
  const paths = (await server.state.text.list('box/*')).map(({ path }) => path)
  expect(paths.sort()).toEqual(['box/after', 'box/newer'])
})

test('reads while cut off come from what was watched, read or listed, and else fail at once', async () => {
  const here = await scene()
  const { client } = here
  await client.set('box/a', 1)
  await client.set('other', 2)
  await client.list('box/*')
  await client.get('other')
  await cutOff(here)
  expect((await client.get('box/a'))?.data).toBe(1)
  expect(await client.get('box/none')).toBeNull()
  expect((await client.get('other'))?.data).toBe(2)
  await client.set('own', 3)
  expect((await client.get('own'))?.data).toBe(3)
  await expect(client.get('unknown')).rejects.toMatchObject({ code: 'SKERRY_OFFLINE' })
  await expect(client.list('unknown/*')).rejects.toMatchObject({ code: 'SKERRY_OFFLINE' })
})

test('a delivery whose answer is lost is repeated, and changes nothing though it was deleted since', async () => {
  const here = await scene()
  const { server, cutter, client } = here
  let commits = 0
  const unwatch = server.store.watch(({ changes }) => {
    if (changes[0]?.entry.path !== 'a') return
    commits++
    cutter.cut()
  })
  onTestFinished(unwatch)
  expect((await client.set('a', 1)).outcome).toBe('pending')
  await server.state.text.delete('a')
  await delivered(here)
  expect(await server.state.text.get('a')).toBeUndefined()
  expect(commits).toBe(2)
})

test('the outbox goes on through cuts at any moment, and each write takes effect once', async () => {
  const here = await scene()
  const { server, cutter, client } = here
  let seen = 0
  const paths = new Map<string, number>()
  onTestFinished(
    server.store.watch(({ changes }) => {
      for (const { entry } of changes) paths.set(entry.path, (paths.get(entry.path) ?? 0) + 1)
      if (++seen % 3 === 0) cutter.drop()
    }),
  )
  const writes: Promise<unknown>[] = []
  for (let n = 0; n < 300; n++) {
    writes.push(client.push('log/*', n))
    if (n % 40 === 39) {
      cutter.cut()
      await Promise.all(writes.splice(0))
      cutter.mend()
    }
  }
  await Promise.all(writes)
  await delivered(here)
  const list = await server.state.text.list('log/*')
  expect(list.map(({ data }) => Number(data)).reverse()).toEqual(
    Array.from({ length: 300 }, (_, n) => n),
  )
  expect([...paths.values()].every((count) => count === 1)).toBe(true)
})

test('a refused write leaves the outbox with its error, and holds nothing back', async () => {
  const here = await scene()
  const { client } = here
  await cutOff(here)
  await client.set('bad//path', 1)
  await client.set('good', 2)
  await delivered(here)
  expect((await client.get('good'))?.data).toBe(2)
  const { refused, lastError } = client.sync.state
  expect(refused.length).toBeGreaterThan(0)
  expect(refused[0]).toMatchObject({
    write: { kind: 'set', path: 'bad//path', data: 1 },
    error: { code: 'SKERRY_PATH_INVALID', status: 400 },
  })
  expect(lastError?.code).toBe('SKERRY_PATH_INVALID')
  await client.sync.dismiss()
  expect(client.sync.state.refused).toEqual([])
  await expect(client.set('bad//path', 1)).rejects.toMatchObject({ code: 'SKERRY_PATH_INVALID' })
})

test('what is written after reading is newer than what was read, however slow the clock of the device', async () => {
  const here = await scene()
  const { server, client } = here
  for (let n = 0; n < 20; n++) {
    await server.state.text.set('a', `${n}`)
    await client.get('a')
    expect((await client.set('a', 'mine')).outcome).toBe('written')
  }
})

test('two clients write to the same paths while cut off, and end equal to the node', async () => {
  const first = await scene()
  const second = connected(first.cutter.host, { offline: 'second' })
  await untilOnline(second)
  const watches = [first.client, second].map((client) => client.watch('r/*'))
  await cutOff(first)
  await untilOnline(second, false)
  for (let n = 0; n < 60; n++) {
    await first.client.set(`r/${n % 7}`, n)
    if (n % 3 === 0) await second.set(`r/${n % 5}`, -n)
    if (n % 11 === 0) await second.delete(`r/${n % 7}`)
    if (n % 17 === 0) await first.server.state.text.set(`r/${n % 7}`, '"node"')
  }
  await delivered(first)
  await expect.poll(() => second.sync.state).toMatchObject({ online: true, pending: 0 })
  const held = (await first.server.state.text.list('r/*')).map(({ path, data }) => [
    path,
    JSON.parse(data!) as unknown,
  ])
  for (const watch of watches) {
    await expect.poll(() => watch.value?.map(({ path, data }) => [path, data])).toEqual(held)
  }
})

test('a device whose clock is far ahead stamps its outbox anew, in order, and nothing is refused', async () => {
  // The node's clock stands in January; that of the device shows today.
  const server = await runningNode({}, new ManualEnv())
  const cutter = await Cutter.open(Number(new URL(server.url).port))
  cutter.cut()
  const client = connected(cutter.host, { offline: true })
  await client.set('a', 1)
  await client.set('a', 2)
  await client.set('b', 3)
  cutter.mend()
  await expect.poll(() => client.sync.state).toMatchObject({ online: true, pending: 0 })
  expect(client.sync.state.refused).toEqual([])
  const [b, a] = await server.state.text.list('*')
  expect([a!.data, b!.data]).toEqual(['2', '3'])
  expect(b!.created).toBeGreaterThan(a!.updated)
  expect(b!.created).toBeLessThan(server.store.time() + 60_000_000_000n)
  expect((await client.set('a', 4)).outcome).toBe('written')
})

test('a device whose clock is far behind loses what it wrote before it met the node, not what it writes then', async () => {
  const server = await runningNode({}, new ManualEnv(1, 2_500_000_000_000_000_000n))
  await server.state.text.set('a', '"held"')
  const cutter = await Cutter.open(Number(new URL(server.url).port))
  cutter.cut()
  const client = connected(cutter.host, { offline: true })
  await client.set('a', 'of before')
  cutter.mend()
  await expect.poll(() => client.sync.state).toMatchObject({ online: true, pending: 0 })
  expect((await server.state.text.get('a'))?.data).toBe('"held"')
  expect((await client.set('a', 'of now')).outcome).toBe('written')
})

test('what is shown before the storage is open is kept, too', async () => {
  const status = new SyncStatus(() => Promise.resolve())
  const ask = () => Promise.resolve('')
  const offline = new Offline({ name: 'early', status, ask, changed: () => undefined })
  const entry = { path: 'box/a', created: 1n, updated: 0n, index: 'a', data: 1 }
  const held = { value: [entry], version: '1' }
  offline.shown({ pattern: 'box/*', held } as unknown as Subject)
  await expect.poll(() => offline.known('box/*')).toEqual([entry])
  offline.close()
})
