import type { FastifyServerOptions } from 'fastify'
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { TlsOptions } from 'node:tls'

/** What stands under the application. */
export interface ListenerOptions {
  readonly http: ServerOptions
  /** Undefined: it speaks plain HTTP. */
  readonly tls: TlsOptions | undefined
  /** What a request comes through before the application. */
  readonly around: (handle: RequestListener) => RequestListener
}

/**
 * Makes Node's own server for the application. What every request comes through on its way there is cheaper here
 * than as a hook.
 */
export function listenerFactory({ http, tls, around }: ListenerOptions) {
  return (handle: RequestListener, { keepAliveTimeout }: FastifyServerOptions): Server => {
    const listener = around(handle)
    const server = tls
      ? createSecureServer({ ...tls, ...http }, listener)
      : createServer(http, listener)
    server.keepAliveTimeout = keepAliveTimeout!
    // Closing takes a connection for idle as soon as its answer was given, be that still on its way out, and cuts it
    // off. A stop of ours waits for answers, and then closes all.
    server.closeIdleConnections = () => undefined
    return server
  }
}
