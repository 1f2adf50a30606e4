import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { skerryError } from '../../core/errors.ts'
import type { Secret, Secrets } from '../../sync/trust/secrets.ts'

/** What is signed of a request. */
export interface Signed {
  readonly method: string
  /** Path and query, as they are sent. */
  readonly target: string
  readonly body?: string | undefined
}

/** The scheme in the header `Authorization`. */
export const SIGNATURE_SCHEME = 'Skerry-HMAC'

/** A signature counts for so long before and after the time in it: clocks may differ by as much. */
export const SIGNATURE_WINDOW_MS = 60_000

/** The most nonces that are remembered; beyond it, signed requests are refused for a while. */
const MAX_NONCES = 1_000_000

const NONCE_BYTES = 12
const FORM =
  /^Skerry-HMAC ([0-9a-f]{16})\.(\d{1,16})\.([0-9a-f]{24})\.([0-9a-f]{64})\.([0-9a-f]{64})$/

/** The digest of a body that is signed: SHA-256 in hex. */
export function bodyDigest(body: string): string {
  return hash('sha256', body, 'hex')
}

/**
 * The header `Authorization` of a request that a node signs: HMAC-SHA-256 over method, target, digest of the
 * body, time and a nonce.
 */
export function signature(secret: Secret, signed: Signed, nowMs: number): string {
  const digest = bodyDigest(signed.body ?? '')
  const nonce = randomBytes(NONCE_BYTES).toString('hex')
  const mac = macOf(secret, [signed.method, signed.target, digest, String(nowMs), nonce])
  return `${SIGNATURE_SCHEME} ${secret.id}.${nowMs}.${nonce}.${digest}.${mac}`
}

/** Tells signed requests that are true, fresh and new from all others. */
export class SignatureCheck {
  readonly #secrets: Secrets
  readonly #nowMs: () => number
  /** Nonces of this window and the one before it. */
  #recent = new Set<string>()
  #older = new Set<string>()
  #turnedMs = -Infinity

  constructor(secrets: Secrets, nowMs: () => number) {
    this.#secrets = secrets
    this.#nowMs = nowMs
  }

  /**
   * @returns the digest that the body of the request must have
   * @throws SKERRY_UNAUTHENTICATED if the signature is none of ours, out of its time, or was seen before
   */
  verify(authorization: string, { method, target }: Omit<Signed, 'body'>): string {
    const [, id, time, nonce = '', digest = '', mac = ''] = FORM.exec(authorization) ?? []
    const secret = this.#secrets().find((each) => each.id === id)
    if (secret === undefined || time === undefined) throw refused('it is not signed with a secret')
    const expected = macOf(secret, [method, target, digest, time, nonce])
    if (!timingSafeEqual(Buffer.from(expected, 'hex'), Buffer.from(mac, 'hex'))) {
      throw refused('its signature does not fit the request')
    }
    const nowMs = this.#nowMs()
    if (Math.abs(nowMs - Number(time)) > SIGNATURE_WINDOW_MS) {
      throw refused(`its signature is out of its time; see that the clocks of both nodes are right`)
    }
    this.#spend(nonce, nowMs)
    return digest
  }

  /** A nonce is kept for at least two windows: longer than its signature can count. */
  #spend(nonce: string, nowMs: number): void {
    if (Math.abs(nowMs - this.#turnedMs) > 2 * SIGNATURE_WINDOW_MS) {
      this.#older = this.#recent
      this.#recent = new Set()
      this.#turnedMs = nowMs
    }
    if (this.#recent.has(nonce) || this.#older.has(nonce)) throw refused('it was sent before')
    if (this.#recent.size >= MAX_NONCES) throw refused('too many signed requests; try again later')
    this.#recent.add(nonce)
  }
}

function macOf(secret: Secret, parts: readonly string[]): string {
  return createHmac('sha256', secret.key).update(parts.join('\n')).digest('hex')
}

function refused(why: string) {
  return skerryError('UNAUTHENTICATED', why)
}
