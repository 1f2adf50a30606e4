import { clusterSettings, eventSettings } from './cluster/settings.ts'
import { filterSettings } from './filters.ts'
import { historySettings } from './history.ts'
import { keySettings } from './keys.ts'
import type { Setting } from './setting.ts'

export type { Setting, SettingName, Settings } from './setting.ts'

/** Where a node keeps its data if nobody says where. */
const DATA_DIR = 'skerry-data'

/** How other nodes are named; whether such an address exists shows when it is dialed. */
const ADDRESS = '^((https?|wss?)://[^\\s/?#@]+(/[^\\s?#@]*)?|[^\\s/?#@]+)$'
const ADDRESSES = 'http(s)://host:port, ws(s)://host:port or host:port'

const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

export const settings: readonly Setting[] = [
  {
    name: 'host',
    type: 'string',
    value: '<address>',
    description: 'address to listen on; any but loopback needs --token-file, --jwks or --insecure',
    expected: 'an address of this machine',
    limits: { minLength: 1 },
    fallback: '127.0.0.1',
  },
  {
    name: 'port',
    type: 'integer',
    value: '<number>',
    description: 'port to listen on; 0 picks a free one',
    expected: 'a whole number from 0 to 65535',
    limits: { minimum: 0, maximum: 65_535 },
    fallback: 8800,
  },
  {
    name: 'data',
    type: 'string',
    value: '<dir>',
    description: 'directory that keeps the data; made if missing',
    expected: 'the path of a directory',
    limits: { minLength: 1 },
    fallback: DATA_DIR,
  },
  {
    name: 'memory',
    type: 'boolean',
    description: 'keep the data in memory only; it is gone when the node stops',
    expected: 'true or false',
  },
  {
    name: 'redis',
    type: 'string',
    value: '<url>',
    description: 'Redis or Valkey that keeps the data; servers that share it are one node',
    expected: 'redis://[user:password@]host:port[/database], or rediss:// for TLS',
    limits: { minLength: 1 },
  },
  {
    name: 'redisName',
    type: 'string',
    value: '<name>',
    description: 'name of the store on that Redis (default there: default)',
    expected: '1 to 200 of A-Z a-z 0-9 _ . : -',
    limits: { pattern: '^[A-Za-z0-9_.:-]{1,200}$' },
  },
  {
    name: 'redisDurability',
    type: 'string',
    value: '<kind>',
    description: 'relaxed takes a Redis that may lose acknowledged writes (default there: full)',
    expected: 'full or relaxed',
    limits: { enum: ['full', 'relaxed'] },
  },
  {
    name: 'id',
    type: 'string',
    value: '<name>',
    description: 'name of this node among its peers; by default a random one, kept with the data',
    expected: '1 to 64 of A-Z a-z 0-9 _ . -',
    limits: { pattern: '^[A-Za-z0-9_.-]{1,64}$' },
  },
  {
    name: 'key',
    type: 'strings',
    value: '<path>',
    description: 'path or glob to share, such as users/*; give it again for more; by default all',
    expected: 'a path or glob, or a list of them',
    limits: { minLength: 1 },
  },
  ...keySettings,
  ...historySettings,
  {
    name: 'leader',
    type: 'string',
    value: '<url>',
    description: 'node to follow, such as http://10.0.0.1:8800',
    expected: ADDRESSES,
    limits: { pattern: ADDRESS },
  },
  {
    name: 'peer',
    type: 'strings',
    value: '<url>',
    description: 'node to keep in step with, as an equal; give it again for more',
    expected: `${ADDRESSES}, or a list of them`,
    limits: { pattern: ADDRESS },
  },
  {
    name: 'nodesKey',
    type: 'string',
    value: '<path>',
    description: 'path or glob where nodes of the pivot protocol register, such as things/*',
    expected: 'one path, or a glob that ends in its only *',
    limits: { minLength: 1 },
  },
  {
    name: 'extraNode',
    type: 'strings',
    value: '<address>',
    description: 'further node of the pivot protocol to tell of changes; give it again for more',
    expected: 'host:port or http://host:port, or a list of them',
    limits: { minLength: 1 },
  },
  {
    name: 'advertise',
    type: 'string',
    value: '<address>',
    description: 'host:port at which other nodes reach this one; by default where it listens',
    expected: 'host:port',
    limits: { minLength: 1 },
  },
  {
    name: 'allowedPeerNetwork',
    type: 'strings',
    value: '<cidr>',
    description: 'network whose addresses may be called because they registered; again for more',
    expected: 'a CIDR block such as 10.0.0.0/8, or a list of them',
    limits: { minLength: 1 },
  },
  {
    name: 'nodeCheckIntervalMs',
    type: 'integer',
    value: '<ms>',
    description: 'how often nodes of the pivot protocol are checked, and leaders asked for news',
    expected: 'a whole number of milliseconds, at least 1',
    limits: { minimum: 1 },
  },
  {
    name: 'maxClockDriftMs',
    type: 'integer',
    value: '<ms>',
    description: "how far ahead of this node's clock a peer's write may be stamped",
    expected: 'a whole number of milliseconds, at least 1',
    limits: { minimum: 1 },
  },
  {
    name: 'tombstoneTtlMs',
    type: 'integer',
    value: '<ms>',
    description: 'after so long a tombstone goes though a known node lacks it; by default 30 days',
    expected: 'a whole number of milliseconds, at least 60,000',
    limits: { minimum: 60_000 },
  },
  {
    name: 'bodyLimitBytes',
    type: 'integer',
    value: '<bytes>',
    description: 'largest body of a request',
    expected: 'a whole number of bytes, at least 1',
    limits: { minimum: 1 },
  },
  {
    name: 'requestTimeoutMs',
    type: 'integer',
    value: '<ms>',
    description: 'how long the whole of a request may take to arrive; by default 5 minutes',
    expected: 'a whole number of milliseconds from 1 to 86400000, a day',
    limits: { minimum: 1, maximum: 86_400_000 },
  },
  {
    name: 'allowedOrigin',
    type: 'strings',
    value: '<origin>',
    description: 'other web origin whose pages may open sockets; give it again for more',
    expected: 'an origin such as https://app.example.org, * for any, or a list of them',
    limits: { pattern: '^(\\*|https?://[^/]+)$' },
  },
  {
    name: 'allowedHost',
    type: 'strings',
    value: '<name>',
    description: 'other name of a node on loopback, as a proxy calls it; give it again for more',
    expected: 'a host name without a port, * for any, or a list of them',
    limits: { pattern: '^(\\*|[A-Za-z0-9_.:-]+)$' },
  },
  {
    name: 'tokenFile',
    type: 'string',
    value: '<file>',
    description: 'tokens and what each may do, as in docs/token-file.schema.json',
    expected: 'the path of a file',
    limits: { minLength: 1 },
  },
  {
    name: 'secretFile',
    type: 'string',
    value: '<file>',
    description:
      'secret that the nodes of a cluster share; links are sealed and requests signed with it',
    expected: 'the path of a file',
    limits: { minLength: 1 },
  },
  {
    name: 'allowUnsigned',
    type: 'strings',
    value: '<cidr>',
    description:
      'addresses of Go nodes, which sign nothing, such as 10.0.0.0/24; give it again for more',
    expected: 'a CIDR block, or a list of them',
    limits: { minLength: 1 },
  },
  {
    name: 'peerTokenFile',
    type: 'string',
    value: '<file>',
    description: 'the token to show to leader and peers',
    expected: 'the path of a file',
    limits: { minLength: 1 },
  },
  {
    name: 'jwks',
    type: 'string',
    value: '<url>',
    description: 'keys of JSON Web Tokens: an https:// address, or a file',
    expected: 'an https:// address or the path of a file',
    limits: { minLength: 1 },
  },
  {
    name: 'jwtIssuer',
    type: 'string',
    value: '<text>',
    description: 'who must have issued a JSON Web Token',
    expected: 'a text that is not empty',
    limits: { minLength: 1 },
  },
  {
    name: 'jwtAudience',
    type: 'string',
    value: '<text>',
    description: 'whom a JSON Web Token must be meant for',
    expected: 'a text that is not empty',
    limits: { minLength: 1 },
  },
  {
    name: 'jwtAlgorithm',
    type: 'strings',
    value: '<name>',
    description:
      'algorithm of JSON Web Tokens; give it again for more; by default RS256 ES256 EdDSA',
    expected: `one of ${ALGORITHMS.join(', ')}, or a list of them`,
    limits: { enum: ALGORITHMS },
  },
  {
    name: 'jwtRightsClaim',
    type: 'string',
    value: '<name>',
    description: "claim of a JSON Web Token that holds its rights; by default 'skerry'",
    expected: 'a text that is not empty',
    limits: { minLength: 1 },
  },
  {
    name: 'maxRequestsPerMinute',
    type: 'integer',
    value: '<number>',
    description: 'most requests in a minute from one address; 0 for no limit',
    expected: 'a whole number from 0 to 10000000',
    limits: { minimum: 0, maximum: 10_000_000 },
  },
  {
    name: 'maxConnections',
    type: 'integer',
    value: '<number>',
    description: 'most connections at once',
    expected: 'a whole number from 1 to 10000000',
    limits: { minimum: 1, maximum: 10_000_000 },
  },
  {
    name: 'maxConnectionsPerAddress',
    type: 'integer',
    value: '<number>',
    description: 'most connections at once from one address',
    expected: 'a whole number from 1 to 10000000',
    limits: { minimum: 1, maximum: 10_000_000 },
  },
  {
    name: 'maxSockets',
    type: 'integer',
    value: '<number>',
    description: 'most WebSockets at once',
    expected: 'a whole number from 1 to 10000000',
    limits: { minimum: 1, maximum: 10_000_000 },
  },
  {
    name: 'maxSocketsPerClient',
    type: 'integer',
    value: '<number>',
    description: 'most WebSockets at once of one client',
    expected: 'a whole number from 1 to 10000000',
    limits: { minimum: 1, maximum: 10_000_000 },
  },
  {
    name: 'tlsCert',
    type: 'string',
    value: '<file>',
    description: 'certificate to serve HTTPS with, in PEM; needs --tls-key',
    expected: 'the path of a file',
    limits: { minLength: 1 },
  },
  {
    name: 'tlsKey',
    type: 'string',
    value: '<file>',
    description: 'private key of the certificate',
    expected: 'the path of a file',
    limits: { minLength: 1 },
  },
  {
    name: 'tlsClientCa',
    type: 'string',
    value: '<file>',
    description: 'authorities, in PEM, that every client must have its certificate from',
    expected: 'the path of a file',
    limits: { minLength: 1 },
  },
  ...clusterSettings,
  ...eventSettings,
  ...filterSettings,
  {
    name: 'insecure',
    type: 'boolean',
    description: 'allow an address that others can reach although nobody has to sign in',
    expected: 'true or false',
  },
  {
    name: 'json',
    type: 'boolean',
    description: 'print one line of JSON when it serves',
    expected: 'true or false',
  },
  {
    name: 'logLevel',
    type: 'string',
    value: '<level>',
    description: `how much to log on stderr: ${LEVELS.join(', ')}`,
    expected: `one of ${LEVELS.join(', ')}`,
    limits: { enum: LEVELS },
    fallback: 'info',
  },
]

/** JSON Schema of the config file; `docs/config.schema.json` is its published copy. */
export const configSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Configuration of skerry serve',
  type: 'object',
  additionalProperties: false,
  properties: {
    // Editors look here for the schema; it sets nothing.
    $schema: { type: 'string' },
    ...Object.fromEntries(settings.map((setting) => [setting.name, schemaOf(setting)])),
  },
}

function schemaOf({ type, description, limits, fallback }: Setting): Record<string, unknown> {
  const about = { description, ...(fallback === undefined ? {} : { default: fallback }) }
  if (type !== 'strings') return { ...about, type, ...limits }
  return { ...about, type: 'array', items: { type: 'string', ...limits } }
}
