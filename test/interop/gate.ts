import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A TCP relay on a fixed port of its own, that can be cut and healed. */
export class Gate {
  readonly #target: () => number
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0

  constructor(target: () => number) {
    this.#target = target
  }

  /** Opens one to a port of this machine. */
  static async open(target: () => number): Promise<Gate> {
    const gate = new Gate(target)
    await gate.heal()
    onTestFinished(() => gate.cut())
    return gate
  }

  get port(): number {
    return this.#port
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  async heal(): Promise<void> {
    this.#server = createServer((near) => this.#relay(near))
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Ends all connections, and refuses further ones. */
  async cut(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #relay(near: Socket): void {
    const far = connect(this.#target(), '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket)
      // A broken connection is what a gate is for: the other half breaks too.
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  }
}
