import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Server } from 'node:net'
import { skerryError } from '../../core/errors.ts'
import { addressOf, Holdings } from './client.ts'

/** What requests are counted over. */
const WINDOW_MS = 60_000

/** How many addresses are counted at once; beyond it those that were quiet longest begin anew. */
const MAX_ADDRESSES = 10_000

/** How much one client may ask for, and how much all may. */
export interface LimitOptions {
  readonly maxRequestsPerMinute: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
}

/** Holds clients to their limits. */
export class Limits {
  readonly #options: LimitOptions
  #limiter: ReturnType<FastifyInstance['createRateLimit']> | undefined

  constructor(options: LimitOptions) {
    this.#options = options
  }

  /** Counts every request to the application, whoever sends it. */
  guard(app: FastifyInstance): void {
    this.#boundConnections(app.server)
    const { maxRequestsPerMinute: max } = this.#options
    if (max === 0) return
    void app.register(rateLimit, {
      global: false,
      max,
      timeWindow: WINDOW_MS,
      cache: MAX_ADDRESSES,
      keyGenerator: ({ ip }) => addressOf(ip),
    })
    app.after(() => (this.#limiter = app.createRateLimit()))
    app.addHook('onRequest', async (request, reply) => {
      const waitSeconds = await this.#waitSeconds(request)
      if (waitSeconds === 0) return
      void reply.header('retry-after', waitSeconds)
      throw skerryError('RATE_LIMITED', max)
    })
  }

  /**
   * Counts a request that did not come by way of the application.
   * @throws SKERRY_RATE_LIMITED
   */
  async count(remote: string | undefined): Promise<void> {
    if (this.#limiter === undefined) return
    // What the limiter looks at of a request.
    const request = { ip: remote, routeOptions: { config: {} } } as FastifyRequest
    if ((await this.#waitSeconds(request)) === 0) return
    throw skerryError('RATE_LIMITED', this.#options.maxRequestsPerMinute)
  }

  async #waitSeconds(request: FastifyRequest): Promise<number> {
    const found = await this.#limiter!(request)
    return found.isAllowed || !found.isExceeded ? 0 : Math.max(1, found.ttlInSeconds)
  }

  /** Cuts off connections over the bounds at once: they have not said yet what they want. */
  #boundConnections(server: Server): void {
    const { maxConnections, maxConnectionsPerAddress } = this.#options
    server.maxConnections = maxConnections
    const held = new Holdings(maxConnectionsPerAddress)
    server.on('connection', (socket) => {
      const address = addressOf(socket.remoteAddress)
      if (!held.take(address)) {
        socket.destroy()
        return
      }
      socket.once('close', () => held.release(address))
    })
  }
}
