import { readFile } from 'node:fs/promises'
import { WebSocket } from 'ws'
import { messageOf, skerryError, skerryErrorFrom } from '../core/errors.ts'
import type { Channel, Transport } from '../sync/transport.ts'
import { linkUrl } from './address.ts'
import { MAX_LINK_FRAME_BYTES, SocketChannel } from './channel.ts'

/** A node has this long to accept a link. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/**
 * Opens links to other nodes as WebSockets.
 * @param tokenFile holds the token to show them, read anew each time
 */
export function socketTransport(tokenFile?: string): Transport {
  return {
    /** @throws SKERRY_PEER_UNREACHABLE if no link comes about */
    async dial(address: string): Promise<Channel> {
      const url = linkUrl(address)
      if (url === undefined) throw skerryError('PEER_UNREACHABLE', address, 'it is not an address')
      const headers = await headersWith(tokenFile).catch((error: unknown) => {
        throw skerryErrorFrom(error, 'PEER_UNREACHABLE', address, messageOf(error))
      })
      return open(url, address, headers)
    },
  }
}

async function headersWith(tokenFile: string | undefined): Promise<Record<string, string>> {
  if (tokenFile === undefined) return {}
  const token = (await readFile(tokenFile, 'utf8')).trim()
  return { authorization: `Bearer ${token}` }
}

function open(
  url: string,
  address: string,
  headers: Readonly<Record<string, string>>,
): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {
      headers,
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
