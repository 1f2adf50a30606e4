import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** The way to a server, which a test can cut: as a network does, without a goodbye. */
export class Cutter {
  readonly #server: Server
  readonly #open = new Set<Socket>()
  #cut = false
  /** How many connections were let through so far. */
  passed = 0

  constructor(targetPort: number) {
    this.#server = createServer((near) => {
      if (this.#cut) {
        near.resetAndDestroy()
        return
      }
      this.passed++
      const far = connect(targetPort, '127.0.0.1')
      this.#join(near, far)
      this.#join(far, near)
    })
  }

  static async open(targetPort: number): Promise<Cutter> {
    const cutter = new Cutter(targetPort)
    cutter.#server.listen(0, '127.0.0.1')
    await once(cutter.#server, 'listening')
    onTestFinished(() => {
      cutter.cut()
      cutter.#server.close()
    })
    return cutter
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** How many connections are open, both their ends counted. */
  get ends(): number {
    return this.#open.size
  }

  /** Cuts what is open, and lets nothing through until {@link mend}. */
  cut(): void {
    this.#cut = true
    this.drop()
  }

  mend(): void {
    this.#cut = false
  }

  /** Cuts what is open; who comes again gets through. */
  drop(): void {
    for (const socket of this.#open) socket.resetAndDestroy()
  }

  #join(from: Socket, to: Socket): void {
    this.#open.add(from)
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#open.delete(from)
      to.destroy()
    })
    from.pipe(to)
  }
}
