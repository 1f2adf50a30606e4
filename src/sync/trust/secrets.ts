import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { skerryError } from '../../core/errors.ts'

/** A secret that the nodes of a cluster share. */
export interface Secret {
  /** Names it without giving it away. */
  readonly id: string
  readonly key: Uint8Array
}

/** The secrets in use now, the preferred one first: two of them while one takes the place of the other. */
export type Secrets = () => readonly Secret[]

/** What can be guessed is no secret: the fewest characters of one. */
const MIN_SECRET_LENGTH = 32

/** The most secrets at once. */
const MAX_SECRETS = 4

const KEY_BYTES = 32
const ID_BYTES = 8

/**
 * Reads the secrets of a file: one a line, the preferred one first; empty lines and those that begin with `#`
 * don't count.
 * @throws TypeError if there is none, too many, or one that is too short
 */
export function readSecrets(text: string): Secret[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const secrets = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (secrets.length === 0) throw new TypeError('it holds no secret')
  if (secrets.length > MAX_SECRETS) throw new TypeError(`it holds more than ${MAX_SECRETS} secrets`)
  return secrets.map((secret) => {
    if (secret.length < MIN_SECRET_LENGTH) {
      throw new TypeError(`a secret has at least ${MIN_SECRET_LENGTH} characters`)
    }
    return secretOf(secret)
  })
}

function secretOf(text: string): Secret {
  const source = utf8ToBytes(text)
  const derive = (purpose: string, bytes: number): Uint8Array =>
    hkdf(sha256, source, undefined, utf8ToBytes(purpose), bytes)
  return {
    id: bytesToHex(derive('skerry secret id', ID_BYTES)),
    key: derive('skerry secret key', KEY_BYTES),
  }
}

/**
 * The first of the dialer's secrets that the other side has too.
 * @throws SKERRY_LINK_UNTRUSTED if they have none in common
 */
export function sharedSecret(own: readonly Secret[], dialers: readonly string[]): Secret {
  for (const id of dialers) {
    const secret = own.find((each) => each.id === id)
    if (secret !== undefined) return secret
  }
  throw skerryError('LINK_UNTRUSTED', 'both sides have no cluster secret in common')
}
