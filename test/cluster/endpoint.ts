import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** How a member's health check behaves. */
export type Mood = 'well' | 'hung' | 'unready' | 'broken'

/** A real HTTP server that plays a member. */
export class Endpoint {
  mood: Mood = 'well'
  /** The path of every request so far. */
  readonly paths: string[] = []
  readonly port: number
  readonly #server: Server
  readonly #sockets: Set<Socket>

  constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server
    this.#sockets = sockets
    this.port = (server.address() as AddressInfo).port
  }

  static async start(port = 0): Promise<Endpoint> {
    const sockets = new Set<Socket>()
    const server = createServer((request, response) => {
      endpoint.paths.push(request.url ?? '')
      if (endpoint.mood === 'hung') return
      response.statusCode = { well: 200, unready: 503, broken: 500 }[endpoint.mood]
      response.end('x'.repeat(2_000))
    })
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const endpoint = new Endpoint(server, sockets)
    return endpoint
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Gone: connections are refused from now on. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
