import { isIPv6 } from 'node:net'
import { messageOf, skerryError } from '../core/errors.ts'

/** Where one node opens its link to another. */
export const LINK_PATH = '_skerry/link'

/** Where clients of our own open their one socket. */
export const LIVE_PATH = '_skerry/live'

const PROTOCOLS: Record<string, string> = {
  'http:': 'ws:',
  'https:': 'wss:',
  'ws:': 'ws:',
  'wss:': 'wss:',
}

/**
 * The address to dial for a node that people name as `http(s)://…`, `ws(s)://…` or `host:port`;
 * undefined if the text is none of these.
 */
export function linkUrl(address: string): string | undefined {
  const text = address.includes('://') ? address : `ws://${address}`
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const protocol = PROTOCOLS[url.protocol]
  if (protocol === undefined || url.hostname === '') return undefined
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return undefined
  }
  return `${protocol}//${url.host}${url.pathname.replace(/\/$/, '')}/${LINK_PATH}`
}

/** The address at which a node that listens on `host` and `port` is reached from its own machine. */
export function serverUrl(host: string, port: number, secure: boolean): string {
  const scheme = secure ? 'https' : 'http'
  if (host === '0.0.0.0') return `${scheme}://127.0.0.1:${port}`
  if (host === '::') return `${scheme}://[::1]:${port}`
  return isIPv6(host) ? `${scheme}://[${host}]:${port}` : `${scheme}://${host}:${port}`
}

/**
 * The path or glob that a request's target names, decoded, without the slash it begins with and without the
 * query.
 * @throws SKERRY_REQUEST_INVALID if it is not properly percent-encoded
 */
export function targetPath(target: string): string {
  const query = target.indexOf('?')
  const path = target.slice(1, query === -1 ? undefined : query)
  if (!path.includes('%')) return path
  try {
    return decodeURIComponent(path)
  } catch (error) {
    throw skerryError('REQUEST_INVALID', messageOf(error))
  }
}

/** What the query of a request's target says. */
export function targetQuery(target: string): URLSearchParams {
  const query = target.indexOf('?')
  return new URLSearchParams(query === -1 ? '' : target.slice(query + 1))
}

/** True if the address stands for all of a machine's. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** An address with its port, as nodes name each other. */
export function hostAndPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}
