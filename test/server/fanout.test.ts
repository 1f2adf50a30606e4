import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { expect, test, vi } from 'vitest'
import type { Server } from '../../src/index.ts'
import { Client } from './client.ts'
import { runningNode } from './running.ts'

/** What may wait for one subscriber, and the largest frame of these tests beyond it. */
const MAX_BUFFERED_BYTES = 1024 * 1024
const FRAME_BYTES = 128 * 1024

/** The node's ends of the sockets that are opened from now on, in order. */
function streamsOf(server: Server): Duplex[] {
  const streams: Duplex[] = []
  server.app.server.on('upgrade', (_request, stream: Duplex) => streams.push(stream))
  return streams
}

async function opened(server: Server, count: number, pattern: string): Promise<Client[]> {
  const clients: Client[] = []
  while (clients.length < count) {
    const some = Math.min(50, count - clients.length)
    clients.push(
      ...(await Promise.all(Array.from({ length: some }, () => Client.open(server.url, pattern)))),
    )
  }
  await Promise.all(clients.map(({ watcher }) => watcher.frames(1)))
  return clients
}

test('the frame of a change is built and encoded once for 1,000 subscribers', async () => {
  const server = await runningNode()
  for (let n = 0; n < 10; n++) await server.state.text.set(`box/${n}`, `${n}`)
  const clients = await opened(server, 1000, 'box/*')
  const encode = vi.spyOn(Buffer, 'from')
  await server.state.text.set('box/new', '"a change"')
  const encodings = encode.mock.calls.filter((given: readonly unknown[]) => {
    return typeof given[0] === 'string' && given[0].includes('"a change"')
  })
  encode.mockRestore()
  expect(encodings).toHaveLength(1)
  await Promise.all(clients.map(({ watcher }) => watcher.frames(2)))
  expect(new Set(clients.map(({ watcher }) => watcher.texts[1])).size).toBe(1)
  expect(clients[0]!.watcher.copy).toMatchObject({ 0: { data: 'a change' }, length: 11 })
})

test('all frames of one turn go to a socket in one write', async () => {
  const server = await runningNode()
  const streams = streamsOf(server)
  const [client] = await opened(server, 1, 'box/*')
  const [stream] = streams
  const single = vi.spyOn(stream!, '_write')
  const together = vi.spyOn(stream!, '_writev' as '_write')
  // In memory, writes that follow each other are done in the turn in which they began.
  for (let n = 0; n < 20; n++) await server.state.text.set(`box/${n}`, `${n}`)
  expect([single, together].map(({ mock }) => mock.calls.length)).toEqual([0, 0])
  await client!.watcher.frames(21)
  expect([single, together].map(({ mock }) => mock.calls.length)).toEqual([0, 1])
})

test('one subscriber that stops reading delays no write and no other, and costs bounded memory', async () => {
  const server = await runningNode()
  const streams = streamsOf(server)
  const [stuck, ...others] = await opened(server, 5, 'box/*')
  stuck!.socket.pause()
  const waiting = streams[0]!
  const events: string[] = []
  let most = 0
  for (let n = 0; n < 200; n++) {
    const arrivals = others.map(async ({ watcher }) => {
      await watcher.frames(n + 2)
      events.push(`seen ${n}`)
    })
    await server.state.text.set(`box/${n % 10}`, `"${n}${'x'.repeat(FRAME_BYTES)}"`)
    events.push(`written ${n}`)
    await Promise.all(arrivals)
    most = Math.max(most, waiting.writableLength)
  }
  // Each write was done, and then seen by all others, before the next one began.
  const expected = Array.from({ length: 200 }, (_, n) => [
    `written ${n}`,
    ...others.map(() => `seen ${n}`),
  ])
  expect(events).toEqual(expected.flat())
  // Far more was written than may wait: what waits is one bound and the frame that went beyond it.
  expect(most).toBeGreaterThan(MAX_BUFFERED_BYTES)
  expect(most).toBeLessThan(MAX_BUFFERED_BYTES + 2 * FRAME_BYTES)
  expect(stuck!.watcher.texts).toHaveLength(1)

  stuck!.socket.resume()
  await expect.poll(() => stuck!.watcher.copy).toEqual(others[0]!.watcher.copy)
  // Patches are what it was sent before it fell behind; one snapshot made up for all others.
  expect(stuck!.watcher.texts.length).toBeLessThan(100)
  expect(stuck!.watcher.texts.at(-1)).toContain('"snapshot":true')
  stuck!.socket.close()
  await once(stuck!.socket, 'close')
})
