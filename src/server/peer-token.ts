import { readFileSync } from 'node:fs'
import type { Env } from '../core/env.ts'

/** How long a token that was read is used: a new one in the file is found within this time. */
const KEPT_MS = 5_000

/** The headers that a request to another node carries. */
export type PeerHeaders = () => Readonly<Record<string, string>>

/**
 * Shows other nodes the token in a file.
 * @param file undefined: no token is shown
 */
export function peerToken(env: Env, file: string | undefined): PeerHeaders {
  if (file === undefined) return () => ({})
  let headers: Readonly<Record<string, string>> = {}
  let readAtMs = -Infinity
  return () => {
    const nowMs = env.monotonicMs()
    if (nowMs - readAtMs >= KEPT_MS) {
      headers = { authorization: `Bearer ${readFileSync(file, 'utf8').trim()}` }
      readAtMs = nowMs
    }
    return headers
  }
}
