import { readFile } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import type { Env } from '../../core/env.ts'
import { messageOf, skerryError, skerryErrorFrom } from '../../core/errors.ts'
import { type Asked, type Authenticator, BEARER_PROTOCOL, type Principal } from './access.ts'
import { isKeyFile, Jwt, type JwtOptions } from './jwt.ts'
import type { Logger } from '../log.ts'
import { Tokens } from './tokens.ts'
import { FileWatch } from './watch.ts'

/** Where tokens are looked up. */
export interface AuthenticationOptions {
  readonly tokenFile: string | undefined
  readonly jwt: JwtOptions | undefined
}

/** Tells who sends a request by the token that it brings. */
export class Authentication implements Authenticator {
  readonly #options: AuthenticationOptions
  readonly #logger: Logger
  readonly #watch: FileWatch
  readonly #jwt: Jwt | undefined
  #tokens: Tokens | undefined

  /** Use {@link open}. */
  constructor(options: AuthenticationOptions, env: Env, logger: Logger) {
    this.#options = options
    this.#logger = logger
    const { tokenFile, jwt } = options
    this.#jwt = jwt && new Jwt(jwt, env)
    const files = [tokenFile, jwt?.jwks].filter((file) => file !== undefined && isKeyFile(file))
    this.#watch = new FileWatch(files as string[], env, () => this.#reload())
  }

  /**
   * Reads the files, and again whenever they change.
   * @throws SKERRY_OPTION_INVALID if one of them can't be read or is malformed
   */
  static async open(
    options: AuthenticationOptions,
    env: Env,
    logger: Logger,
  ): Promise<Authentication> {
    const authentication = new Authentication(options, env, logger)
    await authentication.#watch.start()
    try {
      await authentication.#load()
    } catch (error) {
      authentication.close()
      throw error
    }
    return authentication
  }

  /** Reads the files no more. */
  close(): void {
    this.#watch.close()
  }

  principalOf({ headers }: Asked): Principal | Promise<Principal> {
    const token = tokenOf(headers)
    if (token === undefined) {
      const anonymous = this.#tokens?.anonymous
      if (anonymous !== undefined) return anonymous
      throw skerryError('UNAUTHENTICATED', 'it brings none')
    }
    const principal = this.#tokens?.principalOf(token)
    if (principal !== undefined) return principal
    if (this.#jwt !== undefined && isJwt(token)) return this.#jwt.principalOf(token)
    throw skerryError('UNAUTHENTICATED', 'the one it brings is not known')
  }

  async #load(): Promise<void> {
    const { tokenFile, jwt } = this.#options
    if (tokenFile !== undefined) {
      this.#tokens = await readFile(tokenFile, 'utf8')
        .then((text) => new Tokens(text))
        .catch(invalid('tokenFile', tokenFile))
    }
    if (jwt !== undefined) await this.#jwt!.load().catch(invalid('jwt.jwks', jwt.jwks))
  }

  /** Half a file must not lock everybody out: what was read before holds until it can be read. */
  async #reload(): Promise<void> {
    try {
      await this.#load()
      this.#logger.info({}, 'tokens and keys were read again')
    } catch (error) {
      this.#logger.error(
        { err: error },
        'tokens or keys changed and can not be read: kept as before',
      )
    }
  }
}

function invalid(name: string, file: string): (error: unknown) => never {
  return (error) => {
    throw skerryErrorFrom(error, 'OPTION_INVALID', name, file, messageOf(error))
  }
}

/** Three parts, as signed JSON Web Tokens have. */
function isJwt(token: string): boolean {
  return /^[^.]+\.[^.]+\.[^.]+$/.test(token)
}

/**
 * The token that a request brings, if any: in the header `Authorization`, or behind the sub-protocol `bearer`.
 * @throws SKERRY_UNAUTHENTICATED for any other kind of credentials
 */
function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers
  if (authorization !== undefined) {
    const [, token] = /^bearer +([^ ]+) *$/i.exec(authorization) ?? []
    if (token !== undefined) return token
    throw skerryError('UNAUTHENTICATED', "'Authorization' must be 'Bearer' and a token")
  }
  const offered = headers['sec-websocket-protocol']
  if (offered === undefined) return undefined
  const protocols = offered.split(',').map((protocol) => protocol.trim())
  const at = protocols.indexOf(BEARER_PROTOCOL)
  if (at === -1) return undefined
  const token = protocols[at + 1]
  if (token === undefined)
    throw skerryError('UNAUTHENTICATED', "'bearer' must be followed by a token")
  return token
}
