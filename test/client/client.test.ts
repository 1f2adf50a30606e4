import { expect, onTestFinished, test } from 'vitest'
import type { Entry } from '../../src/client.ts'
import { Cutter } from '../browser/cutter.ts'
import { runningNode } from '../server/running.ts'
import { connected, untilOnline } from './connected.ts'

interface Numbered {
  n: number
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

test('reads and writes go over one socket, and times are exact', async () => {
  const server = await runningNode()
  const client = connected(server.url)
  expect(await client.get('users/ada')).toBeNull()
  expect(await client.set('users/ada', { name: 'Ada' })).toEqual({
    ...{ path: 'users/ada', index: 'ada', outcome: 'written' },
  })
  await client.patch('users/ada', { born: 1815, name: null })
  const entry = await client.get('users/ada')
  const held = await server.state.text.get('users/ada')
  expect(entry).toEqual({
    ...{ path: 'users/ada', index: 'ada', data: { born: 1815 } },
    ...{ created: held!.created, updated: held!.updated },
  })
  const pushed = await client.push('users/*', 'x')
  expect(pushed.path).toBe(`users/${pushed.index}`)
  expect((await client.list('users/*')).map(({ path }) => path)).toEqual([
    ...[pushed.path, 'users/ada'],
  ])
  await client.delete('users/*')
  expect(await client.list('users/*')).toEqual([])
  expect(server.status().sockets).toBe(1)
})

test('an error of the node is an error of the client, with code and status', async () => {
  const server = await runningNode()
  const client = connected(server.url)
  await expect(client.set('a//b', 1)).rejects.toMatchObject({
    ...{ name: 'ClientError', code: 'SKERRY_PATH_INVALID', status: 400 },
  })
  await expect(client.patch('nothing', {})).rejects.toMatchObject({ code: 'SKERRY_NOT_FOUND' })
  await expect(client.set('a', undefined)).rejects.toMatchObject({
    code: 'SKERRY_VALUE_INVALID',
  })
  const failed = new Promise((resolve) => client.watch('a//*', () => undefined, resolve))
  expect(await failed).toMatchObject({ code: 'SKERRY_PATH_INVALID' })
})

test('writes to one path take effect in the order in which they were made', async () => {
  const server = await runningNode()
  const client = connected(server.url)
  const writes: Promise<unknown>[] = []
  for (let n = 0; n < 200; n++) {
    writes.push(client.set(`a/${n % 5}`, { n }))
    if (n === 150) writes.push(client.delete('a/*'))
  }
  await Promise.all(writes)
  const list = await client.list<Numbered>('a/*')
  expect(list.map(({ data }) => data.n).sort()).toEqual([195, 196, 197, 198, 199])
})

test('a watch calls back and iterates, and ends when its loop is left', async () => {
  const server = await runningNode()
  const client = connected(server.url)
  const seen: unknown[] = []
  const watch = client.watch<Numbered>('a', (entry) => seen.push(entry?.data.n ?? null))
  await expect.poll(() => seen).toEqual([null])
  expect(watch.live).toBe(true)
  await client.set('a', { n: 1 })
  await expect.poll(() => seen).toEqual([null, 1])
  const iterated: number[] = []
  for await (const entry of client.watch<Numbered>('a')) {
    if (entry !== null) iterated.push(entry.data.n)
    if (iterated.length === 3) break
    await client.set('a', { n: iterated.length + 1 })
  }
  expect(iterated).toEqual([1, 2, 3])
  watch.close()
  await expect.poll(() => server.status().sockets).toBe(1)
  await client.set('a', { n: 9 })
  expect(seen).not.toContain(9)
})

test('after a cut a watch goes on where it was, and what was asked meanwhile is answered', async () => {
  const server = await runningNode()
  const cutter = await Cutter.open(portOf(server.url))
  const client = connected(cutter.host)
  const watch = client.watch<Numbered>('box/*')
  await untilOnline(client)
  await client.set('box/a', { n: 1 })
  await expect.poll(() => watch.value?.length).toBe(1)
  cutter.cut()
  await untilOnline(client, false)
  expect(watch.live).toBe(false)
  const asked = client.list<Numbered>('box/*')
  await server.state.text.set('box/b', '{"n":2}')
  cutter.mend()
  expect(await asked).toHaveLength(2)
  await expect.poll(() => watch.value?.map(({ path }) => path)).toEqual(['box/b', 'box/a'])
  expect(watch.live).toBe(true)
})

test('a write whose answer is lost says so, and is not repeated', async () => {
  const server = await runningNode()
  const cutter = await Cutter.open(portOf(server.url))
  const client = connected(cutter.host)
  await untilOnline(client)
  const unwatch = server.store.watch(() => cutter.drop())
  onTestFinished(unwatch)
  await expect(client.push('a/*', 1)).rejects.toMatchObject({ code: 'SKERRY_CONNECTION_LOST' })
  await untilOnline(client)
  expect(await server.state.text.list('a/*')).toHaveLength(1)
})

test('O10: a frame that does not follow or does not fit is made up for by a fresh snapshot', async () => {
  const server = await runningNode()
  const client = connected(server.url)
  await client.set('a/1', { n: 1 })
  const watch = client.watch<Numbered>('a/*')
  await expect.poll(() => watch.value?.length).toBe(1)
  // The copy goes wrong behind the watch's back: the next patch does not fit it.
  ;(watch.value as Entry<Numbered>[]).length = 0
  await client.delete('a/1')
  await client.set('a/2', { n: 2 })
  await expect.poll(() => watch.value?.map(({ data }) => data.n)).toEqual([2])
})

test('whatever is cut, resumed and written, each watch ends equal to the node', async () => {
  const server = await runningNode()
  const cutter = await Cutter.open(portOf(server.url))
  const clients = [0, 1, 2].map(() => connected(cutter.host))
  const watches = clients.flatMap((client) => [client.watch('r/*'), client.watch('r/3')])
  let random = 4711
  const next = (below: number): number => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0
    return Math.floor((random / 2 ** 32) * below)
  }
  for (let step = 0; step < 1500; step++) {
    const path = `r/${next(8)}`
    const turn = next(100)
    if (turn < 60)
      await server.state.text.set(path, `{"n":${step},"text":"${'x'.repeat(next(400))}"}`)
    else if (turn < 75) await server.state.text.delete(path)
    else if (turn < 76) await server.state.text.delete('r/*')
    else if (turn < 78) cutter.drop()
    else await server.state.text.list('r/*')
  }
  await server.state.text.set('r/3', '"the end"')
  const list = await connected(server.url).list('r/*')
  const entry = list.find(({ path }) => path === 'r/3')
  for (const [n, watch] of watches.entries()) {
    await expect.poll(() => watch.value).toEqual(n % 2 === 0 ? list : entry)
  }
})

test('a request that waits for a connection is one of a bounded number', async () => {
  const client = connected('127.0.0.1:1')
  const all = Array.from({ length: 1001 }, () => client.get('a').catch((error: unknown) => error))
  expect(await all.at(-1)).toMatchObject({ code: 'SKERRY_CLIENT_BUSY' })
  client.close()
  expect(await all[0]).toMatchObject({ code: 'SKERRY_CLIENT_CLOSED' })
  await expect(client.get('a')).rejects.toMatchObject({ code: 'SKERRY_CLIENT_CLOSED' })
})

test('closing the client ends its iterators', async () => {
  const server = await runningNode()
  const client = connected(server.url)
  const values = client.watch('a')[Symbol.asyncIterator]()
  expect((await values.next()).value).toBeNull()
  const last = values.next()
  client.close()
  expect((await last).done).toBe(true)
})

test('what JSON has no form for is refused by the client, online and offline', async () => {
  const server = await runningNode()
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  for (const client of [connected(server.url), connected(server.url, { offline: 'values' })]) {
    for (const value of [undefined, NaN, 1n, cyclic, { a: [() => 1] }]) {
      const invalid = { code: 'SKERRY_VALUE_INVALID' }
      await expect(client.set('a', value)).rejects.toMatchObject(invalid)
      await expect(client.patch('a', value)).rejects.toMatchObject(invalid)
    }
  }
  expect(await server.state.keys()).toEqual([])
})
