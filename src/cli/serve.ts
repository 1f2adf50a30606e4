import { type Command, Option } from 'commander'
import { type Logger, destination, pino } from 'pino'
import { type ServerOptions, SkerryError, createServer, skerryError } from '../index.ts'
import { clusterOptions } from './cluster/settings.ts'
import { filtersOf } from './filters.ts'
import { historyOf } from './history.ts'
import { keysOf } from './keys.ts'
import { redisStore } from '../redis.ts'
import { type Setting, type Settings, settings } from './schema.ts'
import { type Flags, flagOf, resolveSettings } from './settings.ts'
import { stopRequest } from './stop.ts'

/** A stop may take this long; what is acknowledged is on disk already. */
const STOP_LIMIT_MS = 10_000

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('run a node')
    .option('--config <file>', 'JSON file with options by name, as in docs/config.schema.json')
  for (const setting of settings) command.addOption(optionOf(setting))
  command.action((flags: Flags) => serve(resolveSettings(flags, process.env)))
}

function optionOf({ name, type, value, description, fallback }: Setting): Option {
  const about = fallback === undefined ? description : `${description} (default: ${fallback})`
  const option = new Option(value === undefined ? flagOf(name) : `${flagOf(name)} ${value}`, about)
  if (type !== 'strings') return option
  return option.argParser((text, before: readonly string[] | undefined) => [
    ...(before ?? []),
    text,
  ])
}

/** Runs a node until it is told to stop. */
async function serve(settings: Settings): Promise<void> {
  const logger = stderrLogger(settings.logLevel)
  const stop = stopRequest()
  void stop.then((reason) => {
    logger.info({ reason }, 'stopping')
    setTimeout(() => giveUp(logger), STOP_LIMIT_MS).unref()
  })
  const server = await createServer({ ...nodeOptions(settings), logger }).catch((thrown: unknown) =>
    namePath(thrown, settings),
  )
  try {
    await server.listen()
    announce(settings, server)
    logger.info({ url: server.url, id: server.id }, 'serving')
    await stop
  } finally {
    await server.close()
  }
  logger.info({}, 'stopped')
}

/** Only keys and what is open are checked as paths before a node is made. */
function namePath(thrown: unknown, { open = [] }: Settings): never {
  if (!(thrown instanceof SkerryError) || !thrown.code.startsWith('SKERRY_PATH_')) throw thrown
  const { status, message } = thrown
  const option = open.some((path) => message.includes(`'${path}'`)) ? 'open' : 'key'
  throw new SkerryError('SKERRY_OPTION_INVALID', status, `option '${option}': ${message}`)
}

function nodeOptions(settings: Settings) {
  const { host, port, data, memory, id, leader, insecure, ...rest } = settings
  const { peer, allowedOrigin, allowedHost, maxClockDriftMs, bodyLimitBytes } = rest
  const { tokenFile, peerTokenFile, secretFile, allowUnsigned, tombstoneTtlMs } = rest
  const { nodesKey, extraNode, advertise, allowedPeerNetwork, nodeCheckIntervalMs } = rest
  const plain = { host, port, data, memory, id, leader, insecure, maxClockDriftMs, bodyLimitBytes }
  const lists = {
    keys: keysOf(settings),
    history: historyOf(settings),
    peers: peer,
    allowedOrigins: allowedOrigin,
    allowedHosts: allowedHost,
  }
  const { maxRequestsPerMinute, maxConnections, maxConnectionsPerAddress } = rest
  const { maxSockets, maxSocketsPerClient, requestTimeoutMs } = rest
  const limits = {
    ...{ requestTimeoutMs, tombstoneTtlMs },
    maxRequestsPerMinute,
    maxConnections,
    maxConnectionsPerAddress,
    maxSockets,
    maxSocketsPerClient,
  }
  const pivot = {
    ...{ nodesKey, advertise, nodeCheckIntervalMs },
    extraNodeUrls: extraNode,
    allowedPeerNetworks: allowedPeerNetwork,
  }
  const trust = {
    tokenFile,
    peerTokenFile,
    secretFile,
    allowUnsigned,
    jwt: jwtOf(settings),
    tls: tlsOf(settings),
  }
  // Given as undefined, an option of a node has its default.
  return {
    ...plain,
    ...lists,
    ...pivot,
    ...limits,
    ...trust,
    ...closedOf(settings),
    ...clusterOptions(settings),
    store: storeOf(settings),
  }
}

function closedOf(settings: Settings) {
  together('static', settings.static, { open: settings.open })
  return { static: settings.static, filters: filtersOf(settings) }
}

function storeOf({ redis, redisName, redisDurability }: Settings): ServerOptions['store'] {
  if (!together('redis', redis, { redisName, redisDurability })) return undefined
  return redisStore(redis!, {
    ...(redisName !== undefined && { name: redisName }),
    ...(redisDurability !== undefined && { durability: redisDurability }),
  })
}

function jwtOf(settings: Settings): ServerOptions['jwt'] {
  const { jwks, jwtIssuer, jwtAudience, jwtAlgorithm, jwtRightsClaim } = settings
  const related = { jwtIssuer, jwtAudience, jwtAlgorithm, jwtRightsClaim }
  if (!together('jwks', jwks, related)) return undefined
  return {
    jwks: jwks!,
    issuer: needed('jwtIssuer', jwtIssuer, 'jwks'),
    audience: needed('jwtAudience', jwtAudience, 'jwks'),
    ...(jwtAlgorithm !== undefined && { algorithms: jwtAlgorithm }),
    ...(jwtRightsClaim !== undefined && { rightsClaim: jwtRightsClaim }),
  }
}

function tlsOf({ tlsCert, tlsKey, tlsClientCa }: Settings): ServerOptions['tls'] {
  if (!together('tlsCert', tlsCert, { tlsKey, tlsClientCa })) return undefined
  return {
    cert: tlsCert!,
    key: needed('tlsKey', tlsKey, 'tlsCert'),
    ...(tlsClientCa !== undefined && { ca: tlsClientCa, requestClientCertificate: true }),
  }
}

/** True if the setting is given; without it none of those that belong to it may be. */
function together(
  name: string,
  value: unknown,
  related: Readonly<Record<string, unknown>>,
): boolean {
  if (value !== undefined) return true
  for (const [other, given] of Object.entries(related)) {
    if (given !== undefined) needed(name, undefined, other)
  }
  return false
}

function needed(name: string, value: string | undefined, by: string): string {
  if (value !== undefined) return value
  throw skerryError('OPTION_INVALID', flagOf(name), 'missing', `${flagOf(by)} needs it`)
}

function announce(
  { json, memory, data, redis }: Settings,
  { url, id }: { url: string; id: string },
): void {
  const elsewhere = redis === undefined ? `data in ${data}` : 'data on Redis'
  const place = memory === true ? 'data in memory only' : elsewhere
  const line =
    json === true
      ? JSON.stringify({ event: 'listening', url, id, pid: process.pid })
      : `Node ${id} serves ${url}, ${place}. Ctrl-C stops it.`
  process.stdout.write(`${line}\n`)
}

/** stdout belongs to what the command has to say, stderr to the log. */
function stderrLogger(level: string): Logger {
  const stderr = destination({ dest: process.stderr.fd, sync: true })
  // That nobody reads the log any more is no reason to stop serving.
  stderr.on('error', () => undefined)
  return pino({ level }, stderr)
}

function giveUp(logger: Logger): void {
  logger.warn({ limitMs: STOP_LIMIT_MS }, 'stopped before everything in flight was done')
  process.exit(0)
}
