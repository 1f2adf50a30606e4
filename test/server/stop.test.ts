import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Client } from './client.ts'
import { runningNode } from './running.ts'

/** A connection that is read as text. */
function connected(url: string): { socket: Socket; told: () => string } {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let told = ''
  socket.setEncoding('utf8').on('data', (text: string) => (told += text))
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  return { socket, told: () => told }
}

test('a stop answers a slow body, and lets go of idle connections and open sockets', async () => {
  const server = await runningNode()
  const watching = await Client.open(server.url, 'notes/*')
  await watching.watcher.frames(1)
  const idle = connected(server.url)
  idle.socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await expect.poll(idle.told).toMatch(/^HTTP\/1\.1 200 /)
  const slow = connected(server.url)
  const begun = once(server.app.server, 'request')
  slow.socket.write('POST /notes/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n12')
  await begun
  const gone = [idle.socket, slow.socket].map((socket) => once(socket, 'close'))
  const stopped = server.close()
  slow.socket.write('345')
  await stopped
  await Promise.all(gone)
  expect(slow.told()).toMatch(/^HTTP\/1\.1 200 /)
  expect(slow.told()).toContain('{"index":"a"}')
  expect(await watching.closed).toBe(1001)
  await watching.watcher.frames(2)
})

test('a stop waits for an answer that was given at once and is not read yet', async () => {
  const server = await runningNode()
  const text = `"${'x'.repeat(8 * 1024 * 1024)}"`
  await server.state.text.set('large', text)
  const slow = connected(server.url)
  const handled = once(server.app.server, 'request')
  slow.socket.pause()
  slow.socket.write('GET /large HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
  await handled
  const ended = once(slow.socket, 'close')
  const stopped = server.close()
  slow.socket.resume()
  await Promise.all([stopped, ended])
  expect(slow.told().length).toBeGreaterThan(text.length)
  expect(slow.told().endsWith('x"}')).toBe(true)
})
