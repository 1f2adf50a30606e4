import { skerryError } from '../core/errors.ts'
import { assertHistory } from '../state/keeping.ts'
import type { StoreOpener } from '../store/opener.ts'
import { MIN_TOMBSTONE_TTL_MS } from '../sync/options.ts'
import { isLoopback } from './access/host.ts'
import { isKeyFile, JWT_ALGORITHMS } from './access/jwt.ts'
import { linkUrl } from './address.ts'
import type { ServerOptions } from './options.ts'
import {
  checkClient,
  checkKey,
  checkNetwork,
  checkNodesKey,
  checkNodeUrl,
} from './pivot/options.ts'

/** No body can be longer than the longest text. */
const MAX_BODY_LIMIT_BYTES = 256 * 1024 * 1024

/** A day: who needs longer sends less at a time. */
const MAX_REQUEST_TIMEOUT_MS = 86_400_000

/** The most keys, peers and origins that can be named. */
const MAX_NAMED = 1024

/** What no machine has open at once. */
const MAX_OPEN = 10_000_000

type Check = (name: string, value: unknown) => void

/** What each option must be. */
export const checks: Record<keyof ServerOptions, Check> = {
  host: (name, value) => check(name, value, isText(value), 'use an address or host name'),
  port: (name, value) => checkWhole(name, value, 65_535),
  data: (name, value) => check(name, value, isText(value), 'use the path of a directory'),
  memory: checkFlag,
  store: (name, value) => check(name, value, isOpener(value), 'use one such as redisStore(url)'),
  id: (name, value) => check(name, value, isText(value), 'use 1 to 64 of A-Z a-z 0-9 _ . -'),
  keys: checkKeys,
  nodesKey: checkNodesKey,
  extraNodeUrls: (name, value) => checkTexts(name, value, (url) => checkNodeUrl(name, url)),
  advertise: (name, value) => {
    check(name, value, isText(value), 'use host:port')
    checkNodeUrl(name, value as string)
  },
  autoSyncOnStart: checkFlag,
  nodeCheckIntervalMs: (name, value) => {
    checkWhole(name, value, Number.MAX_SAFE_INTEGER)
    check(name, value, value !== 0, 'use at least 1')
  },
  allowedPeerNetworks: (name, value) =>
    checkTexts(name, value, (network) => checkNetwork(name, network)),
  nativeLink: checkFlag,
  httpClient: checkClient,
  leader: (name, value) => checkPeer(name, value),
  peers: (name, value) => checkTexts(name, value, (peer) => checkPeer(name, peer)),
  maxClockDriftMs: (name, value) => checkWhole(name, value, Number.MAX_SAFE_INTEGER),
  tombstoneTtlMs: (name, value) => {
    checkWhole(name, value, Number.MAX_SAFE_INTEGER)
    const holds = (value as number) >= MIN_TOMBSTONE_TTL_MS
    check(name, value, holds, `use at least ${MIN_TOMBSTONE_TTL_MS}: a minute`)
  },
  bodyLimitBytes: (name, value) => checkWhole(name, value, MAX_BODY_LIMIT_BYTES),
  requestTimeoutMs: (name, value) => {
    checkWhole(name, value, MAX_REQUEST_TIMEOUT_MS)
    check(name, value, value !== 0, 'use at least 1')
  },
  secretFile: (name, value) => check(name, value, isText(value), 'use the path of a file'),
  allowUnsigned: (name, value) => checkTexts(name, value, (network) => checkNetwork(name, network)),
  tokenFile: (name, value) => check(name, value, isText(value), 'use the path of a file'),
  peerTokenFile: (name, value) => check(name, value, isText(value), 'use the path of a file'),
  jwt: checkJwt,
  tls: checkTls,
  allowedHosts: (name, value) => checkTexts(name, value, () => undefined),
  maxRequestsPerMinute: (name, value) => checkWhole(name, value, Number.MAX_SAFE_INTEGER),
  maxConnections: checkCount,
  maxConnectionsPerAddress: checkCount,
  maxSockets: checkCount,
  maxSocketsPerClient: checkCount,
  insecure: checkFlag,
  allowedOrigins: (name, value) => checkTexts(name, value, (text) => checkOrigin(name, text)),
  cluster: checkObject,
  events: checkObject,
  filters: (name, value) =>
    check(name, value, typeof value === 'object' && value !== null, 'use filters by path or glob'),
  history: assertHistory,
  static: checkFlag,
  onConflict: (name, value) => check(name, value, typeof value === 'function', 'use a function'),
  logger: (name, value) =>
    check(name, value, typeof value === 'object' && value !== null, 'use a logger such as pino'),
}

function isOpener(value: unknown): boolean {
  return typeof (value as StoreOpener | null)?.open === 'function'
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function check(name: string, value: unknown, holds: boolean, why: string): void {
  if (!holds) throw skerryError('OPTION_INVALID', name, value, why)
}

function checkObject(name: string, value: unknown): void {
  const holds = typeof value === 'object' && value !== null && !Array.isArray(value)
  check(name, value, holds, 'use an object with options')
}

function checkFlag(name: string, value: unknown): void {
  check(name, value, typeof value === 'boolean', 'use true or false')
}

function checkWhole(name: string, value: unknown, max: number): void {
  const holds = Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max
  check(name, value, holds, `use a whole number from 0 to ${max}`)
}

/** A bound on what is open at once: 0 would shut everybody out. */
function checkCount(name: string, value: unknown): void {
  checkWhole(name, value, MAX_OPEN)
  check(name, value, value !== 0, `use a whole number from 1 to ${MAX_OPEN}`)
}

function checkTexts(name: string, value: unknown, each: (text: string) => void): void {
  const holds = Array.isArray(value) && value.length <= MAX_NAMED && value.every(isText)
  check(name, value, holds, `use a list of at most ${MAX_NAMED} texts`)
  for (const text of value as string[]) each(text)
}

function checkKeys(name: string, value: unknown): void {
  const holds = Array.isArray(value) && value.length <= MAX_NAMED
  check(name, value, holds, `use a list of at most ${MAX_NAMED} keys`)
  for (const key of value as unknown[]) checkKey(name, key)
}

function checkPeer(name: string, value: unknown): void {
  const holds = isText(value) && linkUrl(value) !== undefined
  check(name, value, holds, 'use http(s)://host:port, ws(s)://host:port or host:port')
}

function checkOrigin(name: string, origin: string): void {
  const holds = origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin)
  check(name, origin, holds, 'use an origin such as https://app.example, or *')
}

/** Checks the members of an option that is an object: each by its own check, and no others. */
function checkMembers(
  name: string,
  value: unknown,
  members: Readonly<Record<string, { check: Check; required?: true }>>,
): void {
  const holds = typeof value === 'object' && value !== null && !Array.isArray(value)
  check(name, value, holds, `use an object with ${Object.keys(members).join(', ')}`)
  for (const member of Object.keys(value as object)) {
    if (!Object.hasOwn(members, member)) throw skerryError('OPTION_UNKNOWN', `${name}.${member}`)
  }
  for (const [member, { check: checkMember, required }] of Object.entries(members)) {
    const given = (value as Record<string, unknown>)[member]
    if (given !== undefined || required) checkMember(`${name}.${member}`, given)
  }
}

function checkText(name: string, value: unknown): void {
  check(name, value, isText(value), 'use a text that is not empty')
}

function checkTls(name: string, value: unknown): void {
  checkMembers(name, value, {
    cert: { check: checkText, required: true },
    key: { check: checkText, required: true },
    ca: { check: checkText },
    requestClientCertificate: { check: checkFlag },
  })
}

function checkJwt(name: string, value: unknown): void {
  checkMembers(name, value, {
    jwks: { check: checkJwks, required: true },
    issuer: { check: checkText, required: true },
    audience: { check: checkText, required: true },
    algorithms: {
      check: (member, given) =>
        checkTexts(member, given, (algorithm) => {
          const known = JWT_ALGORITHMS.includes(algorithm)
          check(member, algorithm, known, `use some of ${JWT_ALGORITHMS.join(' ')}`)
        }),
    },
    rightsClaim: { check: checkText },
  })
}

/** Who can forge the answer to a request for keys can sign tokens. */
function checkJwks(name: string, value: unknown): void {
  checkText(name, value)
  const jwks = value as string
  if (isKeyFile(jwks)) return
  const url = URL.canParse(jwks) ? new URL(jwks) : undefined
  const holds =
    url?.protocol === 'https:' ||
    (url !== undefined && isLoopback(url.hostname.replace(/^\[(.*)\]$/, '$1')))
  check(name, value, holds, 'use the path of a file, or https:// (http:// on loopback only)')
}
