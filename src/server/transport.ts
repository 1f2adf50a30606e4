import { WebSocket } from 'ws'
import { skerryError, skerryErrorFrom } from '../core/errors.ts'
import type { Channel, Transport } from '../sync/transport.ts'
import { linkUrl } from './address.ts'
import { MAX_LINK_FRAME_BYTES, SocketChannel } from './channel.ts'

/** A node has this long to accept a link. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** Opens links to other nodes as WebSockets. */
export const socketTransport: Transport = {
  /** @throws SKERRY_PEER_UNREACHABLE if no link comes about */
  dial(address: string): Promise<Channel> {
    const url = linkUrl(address)
    if (url === undefined) {
      return Promise.reject(skerryError('PEER_UNREACHABLE', address, 'it is not an address'))
    }
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, {
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
  },
}
