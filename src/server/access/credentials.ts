import { readFileSync } from 'node:fs'
import { type Env, NS_PER_MS } from '../../core/env.ts'
import type { ClusterSecrets } from '../trust/secrets.ts'
import { signature } from '../trust/signature.ts'

/** A request to another node, as far as it is signed. */
export interface PeerRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly body?: string | undefined
}

/** The headers that say to another node who sends a request. */
export type PeerHeaders = (request: PeerRequest) => Readonly<Record<string, string>>

/** What a node has to show. */
export interface CredentialOptions {
  /** File with a token. */
  readonly tokenFile: string | undefined
  readonly secrets: ClusterSecrets | undefined
}

/** How long a token that was read is used: a new one in the file is found within this time. */
const KEPT_MS = 5_000

/** Signs requests to other nodes with the cluster secret, or else shows the token, if there is one. */
export function peerHeaders(env: Env, { tokenFile, secrets }: CredentialOptions): PeerHeaders {
  if (secrets !== undefined) return signatures(env, secrets)
  return tokenFile === undefined ? () => ({}) : tokens(env, tokenFile)
}

function signatures(env: Env, secrets: ClusterSecrets): PeerHeaders {
  return ({ method, path, body }) => {
    const [preferred] = secrets.current()
    const signed = { method, target: path, body }
    return { authorization: signature(preferred!, signed, Number(env.now() / NS_PER_MS)) }
  }
}

function tokens(env: Env, file: string): PeerHeaders {
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
