import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

/**
 * Stands between the nodes and their leader, and can cut the cable: open connections are reset and
 * new ones refused, while the processes on both ends keep running.
 */
export class LinkProxy {
  readonly #server: Server
  readonly #target: URL
  readonly #sockets = new Set<Socket>()
  #cut = false
  #refused = 0

  /** Use {@link open}. */
  constructor(server: Server, target: URL) {
    this.#server = server
    this.#target = target
    server.on('connection', (socket) => this.#accept(socket))
  }

  /** Opens a proxy, on a free port of this machine, for the node at `url`. */
  static async open(url: string): Promise<LinkProxy> {
    const server = createServer()
    const proxy = new LinkProxy(server, new URL(url))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Connections refused since the link was cut. */
  get refused(): number {
    return this.#refused
  }

  /** Cuts the link and says how many connections that dropped. */
  cut(): number {
    this.#cut = true
    this.#refused = 0
    return this.#reset() / 2
  }

  heal(): void {
    this.#cut = false
  }

  close(): void {
    this.#server.close()
    this.#reset()
  }

  #reset(): number {
    const { size } = this.#sockets
    for (const socket of this.#sockets) socket.resetAndDestroy()
    return size
  }

  #accept(socket: Socket): void {
    if (this.#cut) {
      this.#refused++
      socket.resetAndDestroy()
      return
    }
    const onward = connect(Number(this.#target.port), this.#target.hostname)
    this.#follow(socket, onward)
    this.#follow(onward, socket)
    socket.pipe(onward).pipe(socket)
  }

  /** When one end of a connection goes, so does the other. */
  #follow(socket: Socket, other: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => other.destroy())
    socket.on('close', () => {
      this.#sockets.delete(socket)
      other.destroy()
    })
  }
}
