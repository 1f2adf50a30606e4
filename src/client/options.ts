import { clientError } from './error.ts'
import { globals, type SocketClass } from './platform.ts'

/** How to connect. */
export interface ClientOptions {
  /** A token, or what gives one each time that a connection is made. Default none. */
  readonly token?: string | (() => string | Promise<string>)
  /** Makes WebSockets: that of the package `ws` in Node below 22, which has none. Default the global one. */
  readonly WebSocket?: SocketClass
  /**
   * Keeps what is read, and what is written while there is no connection: in IndexedDB under this name, where there
   * is one, and otherwise in memory. `true` takes the node's address as the name. Default false.
   */
  readonly offline?: boolean | string
}

/** Options checked and completed. */
export interface ResolvedClientOptions {
  /** `ws://…/_skerry/live` */
  readonly url: string
  readonly token: (() => string | Promise<string>) | undefined
  readonly WebSocket: SocketClass
  /** Undefined without offline mode. */
  readonly storage: string | undefined
}

const NAMES: readonly string[] = ['token', 'WebSocket', 'offline'] satisfies (keyof ClientOptions)[]

/** @throws SKERRY_CLIENT_OPTION_INVALID */
export function resolveClientOptions(url: string, options: ClientOptions): ResolvedClientOptions {
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) throw clientError('CLIENT_OPTION_INVALID', name, 'it is unknown')
  }
  const { token, offline = false, WebSocket = globals.WebSocket } = options
  if (WebSocket === undefined) {
    throw clientError(
      'CLIENT_OPTION_INVALID',
      'WebSocket',
      "pass that of the package 'ws'; there is no global one",
    )
  }
  const address = liveUrl(url)
  return Object.freeze({
    url: address,
    token: typeof token === 'string' ? () => token : token,
    WebSocket,
    storage: offline === false ? undefined : `skerry ${offline === true ? address : offline}`,
  })
}

/** The live socket of a node that is named as `http(s)://…`, `ws(s)://…` or `host:port`. */
function liveUrl(address: string): string {
  const text = address.includes('://') ? address : `ws://${address}`
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  const protocol = parsed && /^(https?|wss?):$/.test(parsed.protocol) ? parsed.protocol : undefined
  if (parsed === undefined || protocol === undefined) {
    throw clientError('CLIENT_OPTION_INVALID', 'url', 'use http(s)://host:port or host:port')
  }
  return `${protocol.replace('http', 'ws')}//${parsed.host}${parsed.pathname.replace(/\/$/, '')}/_skerry/live`
}
