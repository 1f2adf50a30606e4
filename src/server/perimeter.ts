import type { FastifyInstance } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import { authenticate, type Authenticator, openAccess, type Principal } from './access.ts'
import { Authentication } from './authentication.ts'
import { HostPolicy } from './host.ts'
import { Limits } from './limits.ts'
import { silent } from './log.ts'
import type { ResolvedOptions } from './options.ts'
import { OriginPolicy } from './origin.ts'
import { Certificates } from './tls.ts'

/** What stands between the network and a node: certificate, names, origins, tokens. */
export class Perimeter {
  readonly certificates: Certificates | undefined
  readonly #hosts: HostPolicy
  readonly #limits: Limits
  readonly #origins: OriginPolicy
  readonly #authentication: Authentication | undefined

  /** Use {@link open}. */
  constructor(
    options: ResolvedOptions,
    authentication: Authentication | undefined,
    certificates: Certificates | undefined,
  ) {
    this.certificates = certificates
    this.#authentication = authentication
    this.#limits = new Limits(options)
    this.#hosts = new HostPolicy(options.host, options.allowedHosts)
    this.#origins = new OriginPolicy(options.allowedOrigins)
  }

  /**
   * Reads tokens, keys and certificate.
   * @throws SKERRY_OPTION_INVALID if one of them can't be read
   */
  static async open(options: ResolvedOptions, env: Env): Promise<Perimeter> {
    const { tokenFile, jwt, tls, logger = silent } = options
    const authentication =
      tokenFile === undefined && jwt === undefined
        ? undefined
        : await Authentication.open({ tokenFile, jwt }, env, logger)
    try {
      const certificates = tls && (await Certificates.open(tls, env, logger))
      return new Perimeter(options, authentication, certificates)
    } catch (error) {
      authentication?.close()
      throw error
    }
  }

  /** Has every request to the application pass. */
  guard(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, done) => {
      this.#hosts.assertPermitted(request.headers.host)
      if (!this.#origins.guard(request, reply)) done()
    })
    this.#limits.guard(app)
    authenticate(app, this.authenticator)
  }

  /**
   * Has a request to upgrade pass.
   * @param fromPages whether web pages have any business there
   * @throws SKERRY_RATE_LIMITED, SKERRY_HOST_REFUSED, SKERRY_ORIGIN_REFUSED, SKERRY_UNAUTHENTICATED
   */
  async admit({ headers, socket }: IncomingMessage, fromPages: boolean): Promise<Principal> {
    const { origin, host } = headers
    await this.#limits.count(socket.remoteAddress)
    this.#hosts.assertPermitted(host)
    // Only browsers name an origin.
    const permitted = fromPages ? this.#origins.permits(origin, host) : !origin
    if (!permitted) throw skerryError('ORIGIN_REFUSED', origin!)
    return this.authenticator.principalOf(headers)
  }

  /** Looks at files no more. */
  close(): void {
    this.#authentication?.close()
    this.certificates?.close()
  }

  /** Tells who sends a request. */
  get authenticator(): Authenticator {
    return this.#authentication ?? openAccess
  }
}
