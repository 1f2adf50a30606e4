import type { IncomingMessage } from 'node:http'

/** A target as proxies are asked: with the host in front of the path. */
const ABSOLUTE = /^https?:\/\/([^/?#@]+)(\/?.*)$/i

/**
 * The target of a request from its path on, as nearly all come. What names its host in front (RFC 9112, 3.2.2) is
 * taken too, and the header `Host` then counts for nothing.
 */
export function originForm(request: IncomingMessage): string {
  const target = request.url!
  if (target.startsWith('/')) return target
  const [, host, path = ''] = ABSOLUTE.exec(target) ?? []
  if (host === undefined) return target
  request.headers.host = host
  return path.startsWith('/') ? path : `/${path}`
}
