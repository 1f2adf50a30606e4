import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { skerryError } from '../../core/errors.ts'
import { EVERYTHING } from '../../core/path.ts'

/**
 * What somebody may do. `read`, `write` and `delete` go with a path or glob; `admin` is everything that
 * concerns the node and not its data, such as its status.
 */
export type Verb = 'read' | 'write' | 'delete' | 'admin'

/**
 * The WebSocket sub-protocol that carries a token, for browsers, which can't set headers there: they offer
 * `bearer` and behind it the token; the answer is `bearer`.
 */
export const BEARER_PROTOCOL = 'bearer'

/** All verbs. */
export const VERBS: readonly Verb[] = ['read', 'write', 'delete', 'admin']

/** Who asks. */
export interface Principal {
  /** What logs and limits call them. */
  readonly name: string
  /** True if a token says so. */
  readonly authenticated: boolean
  /** True for who brought no token where one could be brought: told to bring one where their rights end. */
  readonly anonymous: boolean
  /**
   * True if they may do so with everything that the pattern covers: for a glob, the right must hold for all
   * that it may match.
   */
  may(verb: Verb, pattern: string): boolean
}

/** The one principal of a node without authentication. */
export const EVERYONE: Principal = Object.freeze({
  name: 'everyone',
  authenticated: false,
  anonymous: false,
  may: () => true,
})

/** What is known of a request before its body has come. */
export type Asked = Pick<IncomingMessage, 'headers' | 'method' | 'url'>

/** Tells who sends a request. */
export interface Authenticator {
  /** @throws SKERRY_UNAUTHENTICATED if it brings no token or one that does not hold */
  principalOf(asked: Asked): Principal | Promise<Principal>
}

/** The authenticator of a node without authentication. */
export const openAccess: Authenticator = { principalOf: () => EVERYONE }

/**
 * Refuses what the principal may not do.
 * @throws SKERRY_FORBIDDEN, or SKERRY_UNAUTHENTICATED for who brought no token
 * @example
 * assertMay(request.principal, 'read', 'users/*')
 * assertMay(request.principal, 'admin', EVERYTHING)
 */
export function assertMay(principal: Principal, verb: Verb, pattern: string): void {
  if (principal.may(verb, pattern)) return
  if (principal.anonymous) throw skerryError('UNAUTHENTICATED', 'it brings none')
  throw skerryError('FORBIDDEN', principal.name, verb, pattern)
}

/** For `onRequest` of routes that concern the node and not its data. */
export async function adminOnly(request: FastifyRequest): Promise<void> {
  assertMay(request.principal, 'admin', EVERYTHING)
}

/**
 * Sets `request.principal` for every route of the application. A route with `config: { open: true }` is
 * served to anybody, as everyone.
 */
export function authenticate(app: FastifyInstance, authenticator: Authenticator): void {
  app.decorateRequest('principal')
  const open = new OpenRoutes(app)
  app.addHook('onRequest', (request, _reply, done) => {
    if (open.has(request)) {
      request.principal = ANYBODY
      done()
      return
    }
    const found = authenticator.principalOf(request.raw)
    if (found instanceof Promise) {
      found.then(
        (principal) => {
          request.principal = principal
          done()
        },
        (error: Error) => done(error),
      )
    } else {
      request.principal = found
      done()
    }
  })
}

/** Tells the routes from now on that are open. Most requests end with a look at how their target begins. */
class OpenRoutes {
  /** First segments of their patterns. */
  readonly #heads = new Set<string>()
  /** True if one of them begins with a parameter. */
  #anyHead = false

  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ url, config }) => {
      if (config?.open !== true) return
      const head = headOf(url)
      this.#heads.add(head)
      this.#anyHead ||= /[:*]/.test(head)
    })
  }

  /** A target written otherwise than the pattern, such as with percent signs, is not taken for open. */
  has(request: FastifyRequest): boolean {
    if (!this.#anyHead && !this.#heads.has(headOf(request.raw.url!))) return false
    return request.routeOptions.config.open === true
  }
}

/** `/users/42?v` → `users` */
function headOf(target: string): string {
  let end = 1
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++
  return target.slice(1, end)
}

/** Whoever asks an open route: it needs no rights there, and so has none. */
const ANYBODY: Principal = Object.freeze({
  name: 'anybody',
  authenticated: false,
  anonymous: true,
  may: () => false,
})

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; set before any other hook of a route runs. */
    principal: Principal
  }
  interface FastifyContextConfig {
    /** True for a route that asks nobody who they are. Default false. */
    open?: boolean
  }
}
