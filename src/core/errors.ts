import { clientErrors } from './errors/client.ts'
import { clusterErrors } from './errors/cluster.ts'
import { commandErrors } from './errors/commands.ts'
import { eventErrors } from './errors/events.ts'
import { excerpt, naming } from './errors/excerpt.ts'
import { pivotErrors } from './errors/pivot.ts'
import { redisErrors } from './errors/redis.ts'

/**
 * The one table of errors: code → HTTP status and message. A message says what was wrong and what
 * to do about it. Codes are stable; a retired code is never used again. `docs/errors.md` lists
 * them all, and a test keeps both in step.
 */
const table = {
  PATH_INVALID: {
    status: 400,
    message: (path: string, why: string) => `'${excerpt(path)}' is not a valid path: ${why}`,
  },
  PATH_RESERVED: {
    status: 400,
    message: (path: string) =>
      `'${excerpt(path)}' is reserved for the node itself; choose another top-level segment`,
  },
  JSON_INVALID: {
    status: 400,
    message: (why: string) => `the body is not valid JSON: ${excerpt(why)}`,
  },
  PATCH_INVALID: {
    status: 400,
    message: (why: string) => `the patch can't be applied: ${excerpt(why)}; nothing was changed`,
  },
  PATCH_TEST_FAILED: {
    status: 400,
    message: (at: number, pointer: string) =>
      `operation ${at} of the patch tests '${excerpt(pointer)}', and it holds another value; nothing was changed`,
  },
  DATA_TOO_LARGE: {
    status: 413,
    message: (limit: number) =>
      `the data would be larger than ${limit} characters; write less, or split it over several paths`,
  },
  PRECONDITION_FAILED: {
    status: 412,
    message: (path: string, version: string | undefined) =>
      `'${excerpt(path)}' ${version === undefined ? 'is not there' : `is there as "${version}"`}; ` +
      'read it again and decide anew',
  },
  CONDITION_INVALID: {
    status: 400,
    message: (why: string) => `the condition can't be used: ${excerpt(why)}`,
  },
  RANGE_INVALID: {
    status: 400,
    message: (name: string, value: unknown, why: string) =>
      `'${name}' of a list can't be ${excerpt(String(value))}: ${why}`,
  },
  BATCH_INVALID: {
    status: 400,
    message: (why: string) => `the batch can't be understood: ${excerpt(why)}`,
  },
  BATCH_TOO_LARGE: {
    status: 413,
    message: (limit: number) => `a batch takes at most ${limit} writes; send several`,
  },
  FILTER_REFUSED: {
    status: 400,
    message: (hook: string, path: string, why: string) =>
      `the ${hook} filter refused '${excerpt(path)}': ${excerpt(why)}`,
  },
  SCHEMA_VIOLATED: {
    status: 400,
    message: (path: string, why: string) =>
      `what is to be written to '${excerpt(path)}' does not fit its schema: ${excerpt(why)}`,
  },
  ROUTE_CLOSED: {
    status: 403,
    message: (pattern: string, verb: string) =>
      `this node serves what its filters open only, and none opens '${excerpt(pattern)}' to ${verb}`,
  },
  CODEC_INVALID: {
    status: 400,
    message: (why: string) => `the bytes can't be decoded: ${why}`,
  },
  DATA_DIR_IN_USE: {
    status: 500,
    message: (dir: string) =>
      `the data directory '${dir}' is in use by another process; stop it or choose another one`,
  },
  DATA_DIR_UNREADABLE: {
    status: 500,
    message: (dir: string, why: string) =>
      `the data directory '${dir}' can't be opened: ${why}; nothing in it was changed`,
  },
  DATA_DIR_NEWER: {
    status: 500,
    message: (found: number, known: number) =>
      `the data was written in format ${found} by a newer version, and this one knows ${known}; ` +
      'upgrade Skerry, nothing was changed',
  },
  STORE_CLOSED: {
    status: 503,
    message: () => 'the store is closed; the node is stopping',
  },
  STORE_BUSY: {
    status: 503,
    message: () => 'too many writes wait for the disk; try again later',
  },
  WRITE_FAILED: {
    status: 500,
    message: (why: string) => `the write did not reach the disk and did not take effect: ${why}`,
  },
  LINK_PROTOCOL: {
    status: 400,
    message: (why: string) => `the peer broke the link protocol: ${why}`,
  },
  LINK_VERSION: {
    status: 426,
    message: (theirs: string, ours: string) =>
      `the peer speaks link protocol ${theirs}, this node ${ours}; upgrade the older one`,
  },
  LINK_GAP: {
    status: 400,
    message: (expected: number, got: number) =>
      `frame ${got} came where ${expected} was due; the link starts over and loses nothing`,
  },
  LINK_TIMEOUT: {
    status: 504,
    message: (ms: number) => `the peer has been silent for ${ms} ms`,
  },
  LINK_CLOSED: {
    status: 503,
    message: (why: string) => `the link is closed: ${why}`,
  },
  LINK_REPLACED: {
    status: 409,
    message: (peer: string) => `another link with node '${peer}' takes the place of this one`,
  },
  LINK_UNTRUSTED: {
    status: 403,
    message: (why: string) =>
      `the peer is not trusted: ${why}; give both nodes the same secret in their --secret-file`,
  },
  NODE_SELF: {
    status: 409,
    message: (id: string) => `node '${id}' can't be its own peer; check --id, --leader and --peer`,
  },
  NODE_CLONED: {
    status: 409,
    message: (id: string) =>
      `node '${id}' runs twice, maybe from a copied data directory; give one of them another ` +
      '--id and an empty --data',
  },
  NODE_REWOUND: {
    status: 409,
    message: () =>
      "this node's disk was rewound or its clock put right, so it starts a new epoch; it will link again and repair",
  },
  PEER_UNKNOWN: {
    status: 404,
    message: (nodeId: string) =>
      `no node '${excerpt(nodeId)}' was ever linked here; /_skerry/status lists those that were`,
  },
  PEER_LINKED: {
    status: 409,
    message: (nodeId: string) =>
      `'${excerpt(nodeId)}' is linked at this moment; stop it, then forget it`,
  },
  PEERS_TOO_MANY: {
    status: 503,
    message: (most: number) =>
      `${most} nodes are known already; forget those that won't come back, with 'skerry forget'`,
  },
  COMMITS_TOO_MANY: {
    status: 503,
    message: (most: number) =>
      `${most} writes wait for other nodes already; try again, or without a commit level`,
  },
  COMMIT_INVALID: {
    status: 400,
    message: (why: string) => `the commit level can't be used: ${excerpt(why)}`,
  },
  COMMIT_UNREACHED: {
    status: 504,
    message: (committed: readonly string[], missing: readonly string[]) =>
      `it is written and goes on to the others, but only ${naming(committed)} had it in time, ` +
      `not ${naming(missing)}; wait longer, or see whether these nodes run`,
  },
  NOT_FOUND: {
    status: 404,
    message: (path: string) => `nothing is stored at '${excerpt(path)}'`,
  },
  VERSION_UNKNOWN: {
    status: 404,
    message: (path: string, version: string) =>
      `no version '${excerpt(version)}' of '${excerpt(path)}' is kept here; its history lists those that are`,
  },
  VERSION_DELETED: {
    status: 409,
    message: (path: string, version: string) =>
      `version '${excerpt(version)}' deleted '${excerpt(path)}', so it has nothing to write; delete the entry instead`,
  },
  HISTORY_UNAVAILABLE: {
    status: 501,
    message: () =>
      "this store keeps no history; leave out the option 'history', or keep the entries in a data directory",
  },
  BODY_TOO_LARGE: {
    status: 413,
    message: (limit: number) =>
      `the body is larger than ${limit} bytes; send less or raise the body limit`,
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    message: (method: string, allowed: string) =>
      `${excerpt(method)} is not a method of this path; use one of ${allowed}`,
  },
  REQUEST_INVALID: {
    status: 400,
    message: (why: string) => `the request can't be understood: ${why}`,
  },
  REQUEST_TIMEOUT: {
    status: 408,
    message: () => 'the request took too long to arrive; send it again',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    message: () => 'the headers of the request are too large; send fewer or shorter ones',
  },
  CONTENT_TYPE_INVALID: {
    status: 415,
    message: () => 'the content type is malformed; send application/json',
  },
  UPGRADE_INVALID: {
    status: 400,
    message: (why: string) => `the connection can't become a WebSocket: ${why}`,
  },
  UNAUTHENTICATED: {
    status: 401,
    message: (why: string) =>
      `the request needs a token that this node knows: ${excerpt(why)}; send 'Authorization: Bearer …'`,
  },
  FORBIDDEN: {
    status: 403,
    message: (name: string, verb: string, pattern: string) =>
      `'${excerpt(name)}' lacks the right to '${verb}' on '${excerpt(pattern)}'; use a token that has it`,
  },
  KEYS_UNAVAILABLE: {
    status: 503,
    message: (why: string) =>
      `the keys that tokens are signed with can't be had: ${excerpt(why)}; check 'jwks', try again later`,
  },
  HOST_REFUSED: {
    status: 403,
    message: (host: string) =>
      `this node is not called '${excerpt(host)}'; add the name to 'allowedHosts' if it is`,
  },
  ORIGIN_REFUSED: {
    status: 403,
    message: (origin: string) =>
      `pages of '${excerpt(origin)}' may not use this node; add it to 'allowedOrigins' if they should`,
  },
  SOCKETS_FULL: {
    status: 503,
    message: (limit: number) => `${limit} sockets are open already; try again later`,
  },
  CLIENT_SOCKETS_FULL: {
    status: 429,
    message: (limit: number) =>
      `you have ${limit} sockets open already; close some, or watch more on one by '_skerry/live'`,
  },
  RATE_LIMITED: {
    status: 429,
    message: (limit: number) =>
      `more than ${limit} requests in a minute came from your address; wait as 'Retry-After' says`,
  },
  PEER_UNREACHABLE: {
    status: 502,
    message: (url: string, why: string) =>
      `no link to '${excerpt(url)}': ${why}; check the address and that the node runs`,
  },
  HOST_INSECURE: {
    status: 400,
    message: (host: string) =>
      `listening on '${excerpt(host)}' without authentication would let in anyone who reaches it; ` +
      "listen on 127.0.0.1, set 'tokenFile' or 'jwt', or 'insecure' if the network is trusted",
  },
  LISTEN_FAILED: {
    status: 500,
    message: (address: string, why: string) =>
      `the node can't listen on ${excerpt(address)}: ${why}; choose another host or port`,
  },
  NOT_READY: {
    status: 503,
    message: () =>
      'the node is starting or stopping, or what keeps its entries is out of reach; try again later',
  },
  INTERNAL: {
    status: 500,
    message: () => 'an error nobody foresaw; the log of the node has it',
  },
  OPTION_UNKNOWN: {
    status: 400,
    message: (name: string) =>
      `'${excerpt(name)}' is not an option; see --help or the documentation`,
  },
  OPTION_INVALID: {
    status: 400,
    message: (name: string, value: unknown, why: string) =>
      `option '${name}' can't be ${excerpt(String(value))}: ${why}`,
  },
  ...clientErrors,
  ...commandErrors,
  ...clusterErrors,
  ...eventErrors,
  ...pivotErrors,
  ...redisErrors,
} as const

type Table = typeof table

/** The short name of an error in the table; its public code is `SKERRY_` and this name. */
export type ErrorName = keyof Table

/** A public, stable error code. */
export type ErrorCode = `SKERRY_${ErrorName}`

/** Every code with its HTTP status, for documentation and tests. */
export const errorCodes: ReadonlyMap<ErrorCode, number> = new Map(
  Object.entries(table).map(([name, { status }]) => [`SKERRY_${name as ErrorName}`, status]),
)

/**
 * Every error that Skerry reports to a caller.
 *
 * @example
 * try {
 *   parsePath('a//b')
 * } catch (error) {
 *   if (error instanceof SkerryError && error.code === 'SKERRY_PATH_INVALID') …
 * }
 */
export class SkerryError extends Error {
  /** Stable code, `SKERRY_…`. */
  readonly code: ErrorCode
  /** The HTTP status that answers a request which ends in this error. */
  readonly status: number

  constructor(code: ErrorCode, status: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SkerryError'
    this.code = code
    this.status = status
  }
}

/** Makes (does not throw) the error `name`, its message filled in from `args`. */
export function skerryError<N extends ErrorName>(
  name: N,
  ...args: Parameters<Table[N]['message']>
): SkerryError {
  const { status, message } = table[name]
  const text = (message as (...args: unknown[]) => string)(...args)
  return new SkerryError(`SKERRY_${name}`, status, text)
}

/** The same as {@link skerryError}, keeping the error that brought it about as `cause`. */
export function skerryErrorFrom<N extends ErrorName>(
  cause: unknown,
  name: N,
  ...args: Parameters<Table[N]['message']>
): SkerryError {
  const { code, status, message } = skerryError(name, ...args)
  return new SkerryError(code, status, message, cause)
}

/** What a thrown value says, whether it is an Error or not. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
