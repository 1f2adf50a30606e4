import { pack, readBytes, readText, readTuple, unpack } from '../../core/codec.ts'
import type { Env } from '../../core/env.ts'
import { skerryError } from '../../core/errors.ts'
import { SEAL_OFFER } from '../frame.ts'
import type { Channel, ChannelListener } from '../transport.ts'
import { asSkerryError } from '../wire.ts'
import { linkKeys, Opener, Seal } from './seal.ts'
import { type Secret, sharedSecret } from './secrets.ts'

const NONCE_BYTES = 32

/** The most frames that wait until both offers are there: a link says hello, and now and then pings. */
const MAX_WAITING = 16

/** The most secrets that an offer names. */
const MAX_OFFERED = 16

/**
 * A channel whose frames are sealed with keys that only nodes with the cluster secret can derive. Each side
 * begins with an offer: a fresh nonce and the ids of its secrets. The keys come from the first secret of the
 * dialer that both have, and from both nonces; so a recorded link can't be played again, and whoever stands between
 * sees lengths and nothing else.
 *
 * After: the pre-shared-key mode of TLS 1.3 without forward secrecy (RFC 8446 §2.2), ChaCha20-Poly1305
 * (RFC 8439), HKDF (RFC 5869).
 */
export class SealedChannel implements Channel {
  readonly #channel: Channel
  readonly #secrets: readonly Secret[]
  readonly #dialed: boolean
  readonly #nonce: Uint8Array
  #listener: ChannelListener | undefined
  #waiting: Uint8Array[] = []
  #seal: Seal | undefined
  #opener: Opener | undefined
  #closed = false

  /** @param dialed whether this node opened the channel */
  constructor(channel: Channel, env: Env, secrets: readonly Secret[], dialed: boolean) {
    this.#channel = channel
    this.#secrets = secrets
    this.#dialed = dialed
    this.#nonce = freshNonce(env)
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener
    this.#channel.listen({
      frame: (bytes) => this.#received(bytes),
      closed: (reason) => this.#ended(reason),
    })
    this.#channel.send(pack([SEAL_OFFER, this.#nonce, this.#secrets.map(({ id }) => id)]))
  }

  send(frame: Uint8Array): void {
    if (this.#closed) return
    if (this.#seal !== undefined) this.#channel.send(this.#seal.close(frame))
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(frame)
    else this.close('LINK_UNTRUSTED')
  }

  get bufferedBytes(): number {
    return this.#channel.bufferedBytes
  }

  close(reason: string): void {
    if (this.#closed) return
    this.#ended(reason)
    this.#channel.close(reason)
  }

  #received(bytes: Uint8Array): void {
    if (this.#closed) return
    try {
      if (this.#opener === undefined) {
        this.#agree(bytes)
        return
      }
      const plain = this.#opener.open(bytes)
      if (plain !== undefined) this.#listener?.frame(plain)
    } catch (error) {
      const { code, message } = asSkerryError(error)
      this.#ended(`${code} ${message}`)
      this.#channel.close(code)
    }
  }

  #agree(bytes: Uint8Array): void {
    const { nonce, ids } = readOffer(bytes)
    const own = this.#secrets.map(({ id }) => id)
    const secret = sharedSecret(
      this.#secrets,
      this.#dialed ? own.filter((id) => ids.includes(id)) : ids,
    )
    const [dialerNonce, acceptorNonce] = this.#dialed ? [this.#nonce, nonce] : [nonce, this.#nonce]
    const keys = linkKeys(secret.key, dialerNonce, acceptorNonce)
    this.#seal = new Seal(this.#dialed ? keys.dialer : keys.acceptor)
    this.#opener = new Opener(this.#dialed ? keys.acceptor : keys.dialer)
    const waiting = this.#waiting
    this.#waiting = []
    for (const frame of waiting) this.send(frame)
  }

  #ended(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting = []
    this.#listener?.closed(reason)
  }
}

function readOffer(bytes: Uint8Array): { nonce: Uint8Array; ids: string[] } {
  try {
    const [mark, nonce, ids] = readTuple(unpack(bytes), 'offer')
    const offered = { nonce: readBytes(nonce, 'nonce'), ids: readTuple(ids, 'ids') }
    if (
      mark === SEAL_OFFER &&
      offered.nonce.length === NONCE_BYTES &&
      offered.ids.length <= MAX_OFFERED
    ) {
      return { nonce: offered.nonce, ids: offered.ids.map((id) => readText(id, 'id')) }
    }
  } catch {
    // Whatever it is, it is no offer: told below.
  }
  throw skerryError('LINK_UNTRUSTED', 'it does not seal its frames with a cluster secret')
}

function freshNonce(env: Env): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES)
  for (let at = 0; at < NONCE_BYTES; at += 4) {
    new DataView(nonce.buffer).setUint32(at, Math.floor(env.random() * 0x1_0000_0000))
  }
  return nonce
}
