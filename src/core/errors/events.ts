import { excerpt } from './excerpt.ts'

/** Errors of the event coordinator. See `../errors.ts`. */
export const eventErrors = {
  EVENTS_PEER_INVALID: {
    status: 400,
    message: (why: string) => `the peer can't be used: ${why}`,
  },
  EVENTS_KEY_INVALID: {
    status: 400,
    message: (key: string) =>
      `'${excerpt(key)}' is not a key for an event; take one from generateKey()`,
  },
  EVENTS_KEY_OUT_OF_WINDOW: {
    status: 409,
    message: (key: string, from: string, below: string) =>
      `key '${key}' is outside the open intervals, which take keys from ${from} to before ${below}`,
  },
  EVENTS_LEVEL_INVALID: {
    status: 400,
    message: (level: string) =>
      `'${excerpt(level)}' is not a commit level; choose ONE, QUORUM, ALL, LOCAL_QUORUM or EACH_QUORUM`,
  },
  EVENTS_CONFLICT: {
    status: 409,
    message: (key: string) =>
      `key '${excerpt(key)}' is taken by another event; events don't change, put it under a new key`,
  },
  EVENTS_UNAVAILABLE: {
    status: 503,
    message: (live: number, level: string, replicationFactor: number) =>
      `nothing was written: ${live} live nodes are too few for ${level} with ${replicationFactor} replicas`,
  },
  EVENTS_FAILED: {
    status: 502,
    message: (key: string, outcomes: string) =>
      `too many replicas of '${excerpt(key)}' failed; it may be on some nodes: ${excerpt(outcomes)}`,
  },
  EVENTS_TIMEOUT: {
    status: 504,
    message: (key: string, outcomes: string) =>
      `'${excerpt(key)}' is undecided at the deadline, it may yet be stored: ${excerpt(outcomes)}`,
  },
  EVENTS_OVERLOADED: {
    status: 503,
    message: (inFlight: number, listed: number) =>
      `${inFlight} puts are on their way and ${listed} events lack replicas; try again later`,
  },
  EVENTS_SILENT: {
    status: 504,
    message: (timeoutMs: number) => `no answer within ${timeoutMs} ms`,
  },
  EVENTS_INCOMPLETE: {
    status: 503,
    message: (nodes: string) =>
      `what was asked for may be on nodes that don't answer: ${excerpt(nodes)}; try again later`,
  },
  EVENTS_MISSING: {
    status: 500,
    message: (missing: number, conflicts: number) =>
      `${missing} events lack replicas and ${conflicts} differ between nodes; ` +
      "'skerry events under-replicated' says why",
  },
  EVENTS_NO_TRANSPORT: {
    status: 500,
    message: () => "nobody carries replicas to peers: listen to '_put', or hand in a transport",
  },
  EVENTS_WRITE_ONLY: {
    status: 501,
    message: (what: string) =>
      `${what} needs a storage and a transport that can be read; these can only write`,
  },
  EVENTS_CLOSED: {
    status: 503,
    message: () => 'the coordinator is closed',
  },
} as const
