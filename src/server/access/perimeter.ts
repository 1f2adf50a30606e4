import type { FastifyInstance } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { type Env, NS_PER_MS } from '../../core/env.ts'
import { skerryError } from '../../core/errors.ts'
import { authenticate, type Authenticator, EVERYONE, openAccess, type Principal } from './access.ts'
import { Authentication } from './authentication.ts'
import { HostPolicy } from './host.ts'
import { Limits } from './limits.ts'
import { silent } from '../log.ts'
import type { ResolvedOptions } from '../options.ts'
import { OriginPolicy } from './origin.ts'
import { Certificates, type PeerTls } from './tls.ts'
import { SignedAuthenticator } from '../trust/authenticator.ts'
import { ClusterSecrets } from '../trust/secrets.ts'
import { SignatureCheck } from '../trust/signature.ts'
import { checkSignedBodies } from '../trust/signed.ts'

/** What reads files. */
interface PerimeterParts {
  authentication?: Authentication | undefined
  certificates?: Certificates | undefined
  secrets?: ClusterSecrets | undefined
}

/** What stands between the network and a node: certificate, names, origins, tokens. */
export class Perimeter {
  readonly certificates: Certificates | undefined
  /** Undefined: nodes need no cluster secret. */
  readonly secrets: ClusterSecrets | undefined
  /** Tells who sends a request. */
  readonly authenticator: Authenticator
  readonly #hosts: HostPolicy
  readonly #limits: Limits
  readonly #origins: OriginPolicy
  readonly #authentication: Authentication | undefined

  /** Use {@link open}. */
  constructor(options: ResolvedOptions, env: Env, parts: PerimeterParts) {
    const { authentication, certificates, secrets } = parts
    this.certificates = certificates
    this.secrets = secrets
    this.#authentication = authentication
    this.#limits = new Limits(options)
    this.#hosts = new HostPolicy(options.host, options.allowedHosts)
    this.#origins = new OriginPolicy(options.allowedOrigins)
    const others = authentication ?? openAccess
    this.authenticator =
      secrets === undefined ? others : new SignedAuthenticator(signatureCheck(secrets, env), others)
  }

  /**
   * Reads tokens, keys, certificate and secrets.
   * @throws SKERRY_OPTION_INVALID if one of them can't be read
   */
  static async open(options: ResolvedOptions, env: Env): Promise<Perimeter> {
    const { tokenFile, jwt, tls, secretFile, logger = silent } = options
    const parts: PerimeterParts = {}
    try {
      if (tokenFile !== undefined || jwt !== undefined) {
        parts.authentication = await Authentication.open({ tokenFile, jwt }, env, logger)
      }
      if (tls !== undefined) parts.certificates = await Certificates.open(tls, env, logger)
      if (secretFile !== undefined) {
        parts.secrets = await ClusterSecrets.open(secretFile, env, logger)
      }
      return new Perimeter(options, env, parts)
    } catch (error) {
      closeAll(parts)
      throw error
    }
  }

  /** What is shown to other nodes over TLS; undefined: nothing. */
  get peerTls(): PeerTls | undefined {
    const { certificates } = this
    return certificates && (() => certificates.clientOptions)
  }

  /** Has every request to the application pass. */
  guard(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, done) => {
      const { host } = request.headers
      if (host === undefined && request.raw.httpVersion !== '1.0') {
        throw skerryError('REQUEST_INVALID', 'it names no host; send the header Host')
      }
      this.#hosts.assertPermitted(host)
      if (!this.#origins.guard(request, reply)) done()
    })
    this.#limits.guard(app)
    authenticate(app, this.authenticator)
    if (this.secrets !== undefined) checkSignedBodies(app)
  }

  /**
   * Has a request to upgrade pass.
   * @param from `pages` may have business there, `nodes` have: they prove with every frame that they know the
   *   cluster secret, if there is one
   * @throws SKERRY_RATE_LIMITED, SKERRY_HOST_REFUSED, SKERRY_ORIGIN_REFUSED, SKERRY_UNAUTHENTICATED
   */
  async admit(request: IncomingMessage, from: 'pages' | 'nodes'): Promise<Principal> {
    const { headers, socket } = request
    const { origin, host } = headers
    await this.#limits.count(socket.remoteAddress)
    this.#hosts.assertPermitted(host)
    // Only browsers name an origin.
    const permitted = from === 'pages' ? this.#origins.permits(origin, host) : !origin
    if (!permitted) throw skerryError('ORIGIN_REFUSED', origin!)
    if (from === 'nodes' && this.secrets !== undefined) return EVERYONE
    return this.authenticator.principalOf(request)
  }

  /** Looks at files no more. */
  close(): void {
    closeAll({
      authentication: this.#authentication,
      certificates: this.certificates,
      secrets: this.secrets,
    })
  }
}

function closeAll({ authentication, certificates, secrets }: PerimeterParts): void {
  authentication?.close()
  certificates?.close()
  secrets?.close()
}

function signatureCheck(secrets: ClusterSecrets, env: Env): SignatureCheck {
  return new SignatureCheck(
    () => secrets.current(),
    () => Number(env.now() / NS_PER_MS),
  )
}
