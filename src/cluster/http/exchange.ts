import * as http from 'node:http'
import * as https from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import { skerryError } from '../../core/errors.ts'

/** One HTTP request to another node. */
export interface Exchange {
  readonly url: URL
  readonly method: string
  readonly body?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Keeps connections for the next request. */
  readonly agents?: Agents | undefined
  /** What is shown and trusted over TLS; default: nothing, and what Node trusts. */
  readonly tls?: SecureContextOptions | undefined
  /** The whole exchange must be over by then, in milliseconds. */
  readonly timeoutMs: number
  /** Most bytes of an answer; more end the exchange with an error. */
  readonly maxBytes: number
}

/** Connections that are kept open between requests. */
export class Agents {
  readonly http = new http.Agent({ keepAlive: true })
  readonly https = new https.Agent({ keepAlive: true })

  /** Closes them all. */
  destroy(): void {
    this.http.destroy()
    this.https.destroy()
  }
}

/** What a signature covers. */
export interface SignedRequest {
  readonly method: string
  readonly path: string
  readonly body: string
}

/** What came back. */
export interface Reply {
  readonly status: number
  readonly body: string
}

/** Carries out one exchange; rejected when there is no whole answer in time. */
export function exchange(spec: Exchange): Promise<Reply> {
  const { url, method, body, agents, timeoutMs, maxBytes } = spec
  const isSecure = url.protocol === 'https:'
  const agent = isSecure ? agents?.https : agents?.http
  const { request } = isSecure ? https : http
  const headers = {
    ...spec.headers,
    ...(body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  }
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const options = { ...spec.tls, method, headers, signal, ...(agent && { agent }) }
    const sent = request(url, options, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxBytes) response.destroy(skerryError('BODY_TOO_LARGE', maxBytes))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })
      })
    })
    sent.on('error', (error) => {
      reject(signal.aborted ? skerryError('EVENTS_SILENT', timeoutMs) : error)
    })
    sent.end(body)
  })
}
