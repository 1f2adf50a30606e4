/** What `serve` runs with, once flags, environment, config file and defaults are brought together. */
export interface Settings {
  readonly host: string
  readonly port: number
  readonly data?: string
  readonly memory?: boolean
  readonly id?: string
  readonly key?: readonly string[]
  readonly leader?: string
  readonly peer?: readonly string[]
  readonly maxClockDriftMs?: number
  readonly bodyLimitBytes?: number
  readonly allowedOrigin?: readonly string[]
  readonly insecure?: boolean
  readonly json?: boolean
  readonly logLevel: string
}

export type SettingName = keyof Settings

/** One option of `serve`: from this table come its flag, its variable and its config member. */
export interface Setting {
  readonly name: SettingName
  readonly type: 'string' | 'integer' | 'boolean' | 'strings'
  /** What stands for the value in the help, such as `<dir>`. */
  readonly value?: string
  readonly description: string
  /** What the value must be, for error messages. */
  readonly expected: string
  readonly limits?: Readonly<Record<string, unknown>>
  readonly fallback?: string | number | boolean
}

/** Where a node keeps its data if nobody says where. */
const DATA_DIR = 'skerry-data'

/** How other nodes are named; whether such an address exists shows when it is dialed. */
const ADDRESS = '^((https?|wss?)://[^\\s/?#@]+(/[^\\s?#@]*)?|[^\\s/?#@]+)$'
const ADDRESSES = 'http(s)://host:port, ws(s)://host:port or host:port'

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

export const settings: readonly Setting[] = [
  {
    name: 'host',
    type: 'string',
    value: '<address>',
    description: 'address to listen on; any but loopback needs --insecure',
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
    name: 'maxClockDriftMs',
    type: 'integer',
    value: '<ms>',
    description: "how far ahead of this node's clock a peer's write may be stamped",
    expected: 'a whole number of milliseconds, at least 1',
    limits: { minimum: 1 },
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
    name: 'allowedOrigin',
    type: 'strings',
    value: '<origin>',
    description: 'other web origin whose pages may open sockets; give it again for more',
    expected: 'an origin such as https://app.example.org, * for any, or a list of them',
    limits: { pattern: '^(\\*|https?://[^/]+)$' },
  },
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
