// Where nodes are: `host:port`, as entries under the nodes key tell, or an address from the configuration.

const HOST = /^[A-Za-z0-9_.:-]{1,253}$/
const PORT = /^[1-9]\d{0,4}$/
const MAX_PORT = 65_535
const ADDRESS =
  /^(?:(https?|wss?):\/\/)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?(\/[^\s?#]*)?$/

/**
 * The `host:port` of a node that registered itself with this JSON data: `ip` and `port`, also written `IP` and
 * `Port`, the port above 0 as a number or as text. Undefined for any other data.
 */
export function nodeAddress(data: string): string | undefined {
  const value = JSON.parse(data) as unknown
  if (typeof value !== 'object' || value === null) return undefined
  const { ip, IP, port, Port } = value as Record<string, unknown>
  const host = typeof ip === 'string' && ip !== '' ? ip : IP
  const number = portOf(port) ?? portOf(Port)
  if (typeof host !== 'string' || number === undefined || !HOST.test(host)) return undefined
  return host.includes(':') ? `[${host}]:${number}` : `${host}:${number}`
}

function portOf(value: unknown): number | undefined {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || !PORT.test(text)) return undefined
  const port = Number(text)
  return port <= MAX_PORT ? port : undefined
}

/**
 * The base of a peer's HTTP address, without a slash at its end, for `http(s)://…`, `ws(s)://…` or
 * `host:port`; undefined if the text is none of these.
 */
export function httpUrl(address: string): string | undefined {
  const found = ADDRESS.exec(address)
  if (found === null || Number(found[3] ?? 0) > MAX_PORT) return undefined
  const [, scheme = 'http', host, port, path = ''] = found
  const secure = scheme === 'https' || scheme === 'wss'
  const authority = port === undefined ? host : `${host}:${port}`
  return `${secure ? 'https' : 'http'}://${authority}${path.replace(/\/+$/, '')}`
}

/** What the peer at an address is called in feeds and notes; no node can have such an id. */
export function peerName(address: string): string {
  return `pivot:${address.replace(/^https?:\/\//, '')}`
}

/** The name of peers that say none. */
export const NAMELESS = peerName('')

const ORIGINATOR = /^[A-Za-z0-9_.:[\]-]{1,270}$/

/** The peer that a write names as where it came from; a nameless one if it names none. */
export function originatorName(header: unknown): string {
  return peerName(typeof header === 'string' && ORIGINATOR.test(header) ? header : '')
}
