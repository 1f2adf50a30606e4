import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'

/**
 * A link to a Redis that can be made to stand still with a given command in it: what is sent from then on
 * arrives when it is released, as from a process that was paused with the command on its lips.
 */
export class HeldLink {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #stopAt: string | undefined
  #held: (() => void)[] | undefined
  #stopped: () => void = () => undefined

  constructor(server: Server) {
    this.#server = server
  }

  static async to(port: number): Promise<HeldLink> {
    const server = createServer()
    const link = new HeldLink(server)
    server.on('connection', (socket) => link.#join(socket, connect(port, '127.0.0.1')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return link
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Stands still once `text` comes along; resolves then. */
  standStillAt(text: string): Promise<void> {
    this.#stopAt = text
    return new Promise((resolve) => (this.#stopped = resolve))
  }

  /** Lets all go that was held, in order, and what comes after it. */
  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const pass of held) pass()
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(near: Socket, far: Socket): void {
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => [near, far].forEach((each) => each.destroy()))
    }
    far.pipe(near)
    near.on('data', (chunk: Buffer) => this.#take(chunk, () => far.write(chunk)))
  }

  #take(chunk: Buffer, pass: () => void): void {
    if (this.#stopAt !== undefined && chunk.includes(this.#stopAt)) {
      this.#stopAt = undefined
      this.#held = []
      this.#stopped()
    }
    if (this.#held === undefined) pass()
    else this.#held.push(pass)
  }
}
