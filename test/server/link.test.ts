import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Server } from '../../src/index.ts'
import { socketTransport } from '../../src/server/sockets/transport.ts'
import { runningNode } from './running.ts'

/** Resolves when readers of the node see `data` at the path. */
async function shown(node: Server, path: string, data: string | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const look = (): void => {
      node.state.text.get(path).then((entry) => {
        if (entry?.data !== data) return
        unwatch()
        resolve()
      }, reject)
    }
    const unwatch = node.store.watch(look)
    look()
  })
}

test('two nodes over real sockets keep each other in step', async () => {
  const leader = await runningNode({ id: 'leader' })
  await leader.state.text.set('users/1', '{"from":"leader"}')
  const node = await runningNode({ id: 'node', leader: leader.url })
  await shown(node, 'users/1', '{"from":"leader"}')

  await node.state.text.set('users/2', '9223372036854775807')
  await shown(leader, 'users/2', '9223372036854775807')
  await leader.state.text.delete('users/1')
  await shown(node, 'users/1', undefined)
  expect(await node.store.newest('users/2')).toEqual(await leader.store.newest('users/2'))

  const status = (await (await fetch(`${node.url}/_skerry/status`)).json()) as {
    sync: { links: { peer: string; url: string; leads: boolean; open: boolean }[] }
  }
  expect(status.sync.links).toMatchObject([
    { peer: 'leader', url: leader.url, leads: true, open: true },
  ])
})

test.each(['http://', 'ws://', ''])('a peer is dialed as %shost:port', async (scheme) => {
  const one = await runningNode()
  await one.state.text.set('a', '1')
  const two = await runningNode({ peers: [one.url.replace('http://', scheme)] })
  await shown(two, 'a', '1')
})

test('whoever does not speak the link is dropped, and harms nothing', async () => {
  const node = await runningNode()
  const link = `${node.url.replace('http', 'ws')}/_skerry/link`
  const hostile = [Buffer.from('x'), Buffer.alloc(70_000, 0xc1), 'text', Buffer.alloc(0)]
  for (const frame of hostile) {
    const socket = new WebSocket(link)
    await once(socket, 'open')
    socket.send(frame)
    await once(socket, 'close')
  }
  const large = new WebSocket(link)
  await once(large, 'open')
  large.send(Buffer.alloc(16 * 1024 * 1024 + 1))
  expect((await once(large, 'close'))[0]).toBe(1009)
  await node.state.text.set('a', '1')
  expect((await fetch(`${node.url}/a`)).status).toBe(200)
})

test('a dial that comes to nothing says why', async () => {
  const dial = (url: string) => socketTransport(() => ({})).dial(url)
  const node = await runningNode()
  const unreachable = { code: 'SKERRY_PEER_UNREACHABLE' }
  await expect(dial(`${node.url}/metrics`)).rejects.toMatchObject(unreachable)
  await expect(dial('ftp://x')).rejects.toMatchObject(unreachable)

  const mute = createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'))
  onTestFinished(() => void mute.close())
  await once(mute.listen(0, '127.0.0.1'), 'listening')
  const { port } = mute.address() as AddressInfo
  await expect(dial(`127.0.0.1:${port}`)).rejects.toMatchObject(unreachable)
})
