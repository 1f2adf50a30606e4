import type { ServerOptions } from 'node:http'

/** The longest that the head of a request may take to arrive. */
const MAX_HEADERS_MS = 60_000

/** How often requests are looked at that have not arrived yet. */
const MAX_CHECK_MS = 10_000

/** How many times a request is looked at before its time is over: by so much of it longer it may take. */
const CHECKS = 10

/**
 * How long Node waits for requests to arrive, head and body, before it gives them up.
 * @param requestTimeoutMs how long the whole of one may take
 */
export function patienceOf(requestTimeoutMs: number): ServerOptions {
  return {
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(MAX_HEADERS_MS, requestTimeoutMs),
    connectionsCheckingInterval: Math.min(MAX_CHECK_MS, Math.ceil(requestTimeoutMs / CHECKS)),
  }
}
