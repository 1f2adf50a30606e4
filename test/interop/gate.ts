import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A TCP relay on a fixed port of its own, that can be cut, hung and healed. */
export class Gate {
  readonly #target: () => number
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  #hung = false
  /** Where each connection breaks off: after so many bytes from the target. */
  breakAfterBytes = Infinity
  /** How many connections broke off there. */
  broken = 0
  /** Bytes carried, both ways. */
  bytes = 0

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

  /** Lets everybody through again; whoever hung has to come again. */
  async heal(): Promise<void> {
    await this.cut()
    this.#hung = false
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

  /** Takes connections, and passes nothing on. */
  hang(): void {
    this.#hung = true
    for (const socket of this.#sockets) socket.unpipe().pause()
  }

  #relay(near: Socket): void {
    if (this.#hung) {
      this.#sockets.add(near)
      near.on('error', () => near.destroy())
      near.on('close', () => this.#sockets.delete(near))
      return
    }
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
      socket.on('data', ({ length }: Buffer) => (this.bytes += length))
      socket.pipe(other)
    }
    let left = this.breakAfterBytes
    far.on('data', ({ length }: Buffer) => {
      left -= length
      if (left >= 0 || far.destroyed) return
      this.broken++
      far.destroy()
    })
  }
}
