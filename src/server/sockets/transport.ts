import { type ClientOptions, WebSocket } from 'ws'
import { messageOf, skerryError, skerryErrorFrom } from '../../core/errors.ts'
import type { Channel, Transport } from '../../sync/transport.ts'
import { LINK_PATH, linkUrl } from '../address.ts'
import { MAX_LINK_FRAME_BYTES, SocketChannel } from './channel.ts'
import type { PeerHeaders } from '../access/credentials.ts'
import type { PeerTls } from '../access/tls.ts'

/** A node has this long to accept a link. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/**
 * Opens links to other nodes as WebSockets.
 * @param headersFor says who dials
 * @param tls what is shown and trusted where an address begins with https or wss
 */
export function socketTransport(headersFor: PeerHeaders, tls?: PeerTls): Transport {
  return {
    /** @throws SKERRY_PEER_UNREACHABLE if no link comes about */
    async dial(address: string): Promise<Channel> {
      const url = linkUrl(address)
      if (url === undefined) throw skerryError('PEER_UNREACHABLE', address, 'it is not an address')
      return open(url, address, { ...tls?.(), headers: headersOf(headersFor, address) })
    },
  }
}

function headersOf(headersFor: PeerHeaders, address: string): Readonly<Record<string, string>> {
  try {
    return headersFor({ method: 'GET', path: `/${LINK_PATH}` })
  } catch (error) {
    throw skerryErrorFrom(error, 'PEER_UNREACHABLE', address, messageOf(error))
  }
}

function open(url: string, address: string, shown: ClientOptions): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {
      ...shown,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: MAX_LINK_FRAME_BYTES,
      // Masks keep scripts in browsers from forging HTTP; between nodes they would only cost time.
      generateMask: (mask) => mask.fill(0),
    })
    const failed = (error: Error): void =>
      reject(skerryErrorFrom(error, 'PEER_UNREACHABLE', address, error.message))
    socket.once('error', failed)
    socket.once('open', () => {
      const channel = new SocketChannel(socket)
      socket.off('error', failed)
      resolve(channel)
    })
  })
}
