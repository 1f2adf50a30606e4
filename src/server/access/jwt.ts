import { Ajv } from 'ajv'
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose'
import { type Env, NS_PER_MS } from '../../core/env.ts'
import { messageOf, skerryError, skerryErrorFrom } from '../../core/errors.ts'
import type { Principal } from './access.ts'
import { Holder, type Right, rightsSchema } from './rights.ts'

/** How to check JSON Web Tokens. */
export interface JwtOptions {
  /** The keys that tokens are signed with: the `https://` address of a JWKS, or a file that holds one. */
  readonly jwks: string
  /** Who must have issued a token: its claim `iss`. */
  readonly issuer: string
  /** Whom it must be meant for: its claim `aud`. */
  readonly audience: string
  /** Algorithms that are accepted, all of them asymmetric. Default `['RS256', 'ES256', 'EdDSA']`. */
  readonly algorithms?: readonly string[]
  /** The claim that holds the rights, in the form that token files have. Default `skerry`. */
  readonly rightsClaim?: string
}

/** Algorithms that may be accepted: those whose key can't be taken for a shared secret. */
export const JWT_ALGORITHMS: readonly string[] = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]

const DEFAULT_ALGORITHMS = ['RS256', 'ES256', 'EdDSA']
const DEFAULT_RIGHTS_CLAIM = 'skerry'

/** The address of the keys has this long to answer. */
const JWKS_TIMEOUT_MS = 5000

/** How far apart the clocks of issuer and node may be. */
const CLOCK_TOLERANCE_SECONDS = 5

/** A token that was checked is not checked again for this long, so a withdrawn key holds no longer either. */
const REMEMBER_MS = 60_000

/** The most tokens that are remembered. */
const MAX_REMEMBERED = 10_000

const validRights = new Ajv().compile<readonly Right[]>(rightsSchema)

/** True if the keys are kept in a file, and not at an address. */
export function isKeyFile(jwks: string): boolean {
  return !/^https?:\/\//.test(jwks)
}

/** Checks JSON Web Tokens, and reads who holds them and what they may do. */
export class Jwt {
  readonly #options: JwtOptions
  readonly #env: Env
  readonly #remembered = new Map<string, { principal: Principal; untilMs: number }>()
  #keys: JWTVerifyGetKey | undefined

  constructor(options: JwtOptions, env: Env) {
    this.#options = options
    this.#env = env
    const { jwks } = options
    if (isKeyFile(jwks)) return
    this.#keys = createRemoteJWKSet(new URL(jwks), { timeoutDuration: JWKS_TIMEOUT_MS })
  }

  /**
   * Reads the keys, if a file holds them, and forgets which tokens were good before.
   * @throws Error if the file can't be read or holds no keys
   */
  async load(): Promise<void> {
    const { jwks } = this.#options
    if (!isKeyFile(jwks)) return
    const keys = JSON.parse(await readFile(jwks, 'utf8')) as JSONWebKeySet
    this.#keys = createLocalJWKSet(keys)
    this.#remembered.clear()
  }

  /**
   * Whose token it is, and what they may do.
   * @throws SKERRY_UNAUTHENTICATED if it does not hold
   * @throws SKERRY_KEYS_UNAVAILABLE if the keys can't be had
   */
  principalOf(token: string): Principal | Promise<Principal> {
    const nowMs = Number(this.#env.now() / NS_PER_MS)
    const digest = hash('sha256', token, 'base64url')
    const known = this.#remembered.get(digest)
    if (known !== undefined && known.untilMs > nowMs) return known.principal
    return this.#verify(token, nowMs).then(({ principal, expiresMs }) => {
      this.#remember(digest, principal, Math.min(expiresMs, nowMs + REMEMBER_MS))
      return principal
    })
  }

  #remember(digest: string, principal: Principal, untilMs: number): void {
    this.#remembered.delete(digest)
    this.#remembered.set(digest, { principal, untilMs })
    if (this.#remembered.size <= MAX_REMEMBERED) return
    const [oldest] = this.#remembered.keys()
    this.#remembered.delete(oldest!)
  }

  async #verify(
    token: string,
    nowMs: number,
  ): Promise<{ principal: Principal; expiresMs: number }> {
    const { issuer, audience, algorithms = DEFAULT_ALGORITHMS, rightsClaim } = this.#options
    const { payload } = await jwtVerify(token, this.#keys!, {
      issuer,
      audience,
      algorithms: [...algorithms],
      requiredClaims: ['sub', 'exp'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(nowMs),
    }).catch((error: unknown) => {
      throw refusalOf(error)
    })
    const principal = holderOf(payload, rightsClaim ?? DEFAULT_RIGHTS_CLAIM)
    return { principal, expiresMs: payload.exp! * 1000 }
  }
}

function holderOf(payload: JWTPayload, claim: string): Principal {
  const rights = payload[claim] ?? []
  if (!validRights(rights)) {
    throw skerryError('UNAUTHENTICATED', `its claim '${claim}' is not a list of rights`)
  }
  try {
    return new Holder(payload.sub!, rights)
  } catch (error) {
    throw skerryErrorFrom(error, 'UNAUTHENTICATED', messageOf(error))
  }
}

/** A token that does not hold is the caller's fault; keys that can't be had are not. */
function refusalOf(error: unknown): Error {
  const lacksKeys =
    !(error instanceof errors.JOSEError) ||
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    error.code === errors.JOSEError.code
  const name = lacksKeys ? 'KEYS_UNAVAILABLE' : 'UNAUTHENTICATED'
  return skerryErrorFrom(error, name, messageOf(error))
}
