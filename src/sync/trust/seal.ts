import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { skerryError } from '../../core/errors.ts'

const KEY_BYTES = 32
const CIPHER_NONCE_BYTES = 12
/** The count of a sealed frame stands before it. */
const COUNT_BYTES = 8
const TAG_BYTES = 16

/** Seals frames that go one way. */
export class Seal {
  readonly #key: Uint8Array
  #count = 0

  constructor(key: Uint8Array) {
    this.#key = key
  }

  close(plain: Uint8Array): Uint8Array {
    const nonce = cipherNonce(this.#count++)
    const sealed = chacha20poly1305(this.#key, nonce).encrypt(plain)
    return concatBytes(nonce.subarray(-COUNT_BYTES), sealed)
  }
}

/** Opens what a {@link Seal} of the same key closed, each frame once. */
export class Opener {
  readonly #key: Uint8Array
  #next = 0

  constructor(key: Uint8Array) {
    this.#key = key
  }

  /**
   * @returns undefined for a frame that came before
   * @throws SKERRY_LINK_UNTRUSTED if it was not sealed with this key
   */
  open(frame: Uint8Array): Uint8Array | undefined {
    if (frame.length < COUNT_BYTES + TAG_BYTES) throw untrusted()
    const count = countOf(frame)
    if (count < this.#next) return undefined
    const plain = this.#decrypt(frame, count)
    this.#next = count + 1
    return plain
  }

  #decrypt(frame: Uint8Array, count: number): Uint8Array {
    try {
      return chacha20poly1305(this.#key, cipherNonce(count)).decrypt(frame.subarray(COUNT_BYTES))
    } catch {
      // Why it can't be opened is nobody's business.
      throw untrusted()
    }
  }
}

/** The keys of one link: what the dialer sends is sealed with the first one, the rest with the second. */
export function linkKeys(secret: Uint8Array, dialerNonce: Uint8Array, acceptorNonce: Uint8Array) {
  const salt = concatBytes(dialerNonce, acceptorNonce)
  const derive = (purpose: string): Uint8Array =>
    hkdf(sha256, secret, salt, utf8ToBytes(purpose), KEY_BYTES)
  return { dialer: derive('skerry link 1 dialer'), acceptor: derive('skerry link 1 acceptor') }
}

function cipherNonce(count: number): Uint8Array {
  const nonce = new Uint8Array(CIPHER_NONCE_BYTES)
  new DataView(nonce.buffer).setBigUint64(CIPHER_NONCE_BYTES - COUNT_BYTES, BigInt(count))
  return nonce
}

function countOf(frame: Uint8Array): number {
  return Number(new DataView(frame.buffer, frame.byteOffset).getBigUint64(0))
}

function untrusted() {
  return skerryError('LINK_UNTRUSTED', 'a frame was not sealed with the cluster secret')
}
