import type { FastifyReply, FastifyRequest } from 'fastify'
import { skerryError } from '../../core/errors.ts'

/** How long browsers may remember the answer to a preflight, in seconds. */
const PREFLIGHT_MAX_AGE_SECONDS = 600

/** What pages may read of an answer besides its body and the headers that are harmless. */
const EXPOSED_HEADERS = 'etag, retry-after, www-authenticate'

/**
 * Which web pages may use this node. Without it any page that a user has open could write to a node on
 * their own machine: loopback is no protection against a browser.
 */
export class OriginPolicy {
  readonly #allowed: ReadonlySet<string>

  /** @param allowed origins besides the node's own; `*` allows all */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed)
  }

  /** True if a request with these headers may write and subscribe. Only browsers send an origin. */
  permits(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined || this.#lists(origin)) return true
    return origin.slice(origin.indexOf('//') + 2) === host?.toLowerCase()
  }

  /**
   * Refuses writes of foreign pages, and lets permitted ones read the answers.
   * @returns true if the request is a preflight and answered
   * @throws SKERRY_ORIGIN_REFUSED
   */
  guard(request: FastifyRequest, reply: FastifyReply): boolean {
    const { origin, host } = request.headers
    if (origin === undefined) return false
    const { method } = request
    const permitted = this.permits(origin, host)
    // The page can't read what comes back: the browser hides it, as no header allows it.
    if (!permitted && (method === 'GET' || method === 'HEAD')) return false
    if (!permitted) throw skerryError('ORIGIN_REFUSED', origin)
    if (!this.#lists(origin)) return false
    void reply
      .header('access-control-allow-origin', origin)
      .header('access-control-expose-headers', EXPOSED_HEADERS)
      .header('vary', 'origin')
    const asked = request.headers['access-control-request-method']
    if (method !== 'OPTIONS' || asked === undefined) return false
    const headers = request.headers['access-control-request-headers']
    if (headers !== undefined) void reply.header('access-control-allow-headers', headers)
    void reply
      .code(204)
      .header('access-control-allow-methods', asked)
      .header('access-control-max-age', PREFLIGHT_MAX_AGE_SECONDS)
      .send()
    return true
  }

  #lists(origin: string): boolean {
    return this.#allowed.has(origin) || this.#allowed.has('*')
  }
}
