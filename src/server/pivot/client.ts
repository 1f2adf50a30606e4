import { lookup as resolve } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector, request as send } from 'undici'
import type { HttpAnswer, HttpClient, HttpRequest } from '../../sync/pivot/http.ts'
import type { PeerHeaders } from '../access/credentials.ts'
import type { PeerTls } from '../access/tls.ts'

/** How long a connection may take to come about: what pivot's own client allows. */
const CONNECT_LIMIT_MS = 500

/** Idle connections are kept for so long. */
const KEEP_ALIVE_MS = 90_000

/** The most connections with one peer, pooled. */
const MAX_CONNECTIONS = 10

/** How requests to peers are sent. */
export interface PeerClientOptions {
  /** Addresses that may be called, as CIDR blocks; empty: all. */
  readonly networks?: readonly string[]
  /** Says who asks. Default: nothing is said. */
  readonly headersFor?: PeerHeaders | undefined
  /** What is shown and trusted where an address begins with https. Default: nothing, and what Node trusts. */
  readonly tls?: PeerTls | undefined
}

/** Sends requests to peers; no redirect is followed, no cookie kept, and every answer has its bound. */
export function peerClient({ networks = [], headersFor, tls }: PeerClientOptions = {}): HttpClient {
  const allowed = networks.length > 0 ? networkList(networks) : undefined
  const agent = new Agent({
    connections: MAX_CONNECTIONS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: (options, callback) =>
      buildConnector({
        timeout: CONNECT_LIMIT_MS,
        ...tls?.(),
        ...(allowed !== undefined && { lookup: confinedLookup(allowed) }),
      })(options, callback),
  })
  const closing = new AbortController()
  return {
    async request(asked: HttpRequest): Promise<HttpAnswer> {
      const { url, method, body, timeoutMs, maxBytes } = asked
      const { hostname, pathname, search } = new URL(url)
      if (allowed !== undefined) assertAllowed(allowed, hostname)
      const answer = await send(url, {
        method,
        dispatcher: agent,
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]),
        headers: {
          ...asked.headers,
          ...headersFor?.({ method, path: pathname + search, body }),
        },
        ...(body !== undefined && { body }),
      })
      return { status: answer.statusCode, body: await textWithin(answer.body, maxBytes) }
    },
    async close() {
      closing.abort(new Error('the node is stopping'))
      await agent.destroy()
    },
  }
}

async function textWithin(stream: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Reads CIDR blocks such as `10.0.0.0/8`, or single addresses.
 * @throws RangeError naming the one that is none
 */
export function networkList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const version = isIP(address)
    const most = version === 6 ? 128 : 32
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1
    if (version === 0 || prefix < 0 || prefix > most) throw new RangeError(network)
    list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

function isAllowed(allowed: BlockList, address: string): boolean {
  return allowed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

function assertAllowed(allowed: BlockList, hostname: string): void {
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  // A name is judged by what it resolves to, when the connection is made.
  if (isIP(host) !== 0 && !isAllowed(allowed, host)) throw new Error(REFUSED)
}

/** Resolves names to addresses that may be called only, so that no name leads elsewhere later. */
function confinedLookup(allowed: BlockList): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const permitted = addresses.filter(({ address }) => isAllowed(allowed, address))
      const [first] = permitted
      if (first === undefined) callback(new Error(REFUSED), '')
      else if (options.all === true) callback(null, permitted)
      else callback(null, first.address, first.family)
    })
  }
}

const REFUSED = "the address is outside 'allowedPeerNetworks'"
