import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { type WebSocket, WebSocketServer } from 'ws'

const ENTRY = JSON.stringify({ created: 1, updated: 0, index: '1', path: 'a/1', data: { n: 1 } })
const SNAPSHOT = '{"snapshot":true,"version":"0","data":[]}'

/**
 * What Skerry is compared with: a loop of `node:http` and `ws` that keeps nothing, answers everything alike, and sends
 * each body to all its sockets, one after the other. Resolves to its port.
 */
export async function serveBare(): Promise<number> {
  const server = createServer((request, response) => void answer(request, response, sockets))
  const upgrades = new WebSocketServer({ server, perMessageDeflate: false })
  const sockets = upgrades.clients
  upgrades.on('connection', (socket) => socket.send(SNAPSHOT))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  sockets: ReadonlySet<WebSocket>,
): Promise<void> {
  response.setHeader('content-type', 'application/json')
  if (request.method !== 'POST') return void response.end(ENTRY)
  const data = await textOf(request)
  JSON.parse(data)
  response.end('{"index":"1"}')
  if (sockets.size === 0) return
  const frame = `{"snapshot":false,"version":"1","data":[{"op":"replace","path":"/0/data","value":${data}}]}`
  for (const socket of sockets) socket.send(frame)
}
