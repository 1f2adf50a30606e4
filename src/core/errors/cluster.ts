import { excerpt, quoted } from './excerpt.ts'

/** Errors of membership and the distribution of work. See `../errors.ts`. */
export const clusterErrors = {
  MEMBER_INVALID: {
    status: 400,
    message: (field: string, value: unknown, why: string) =>
      `${field} of a member can't be ${quoted(value)}: ${why}`,
  },
  MEMBER_UNKNOWN: {
    status: 404,
    message: (id: string) => `no member has the id '${excerpt(id)}'; join it first`,
  },
  WORK_KEY_INVALID: {
    status: 400,
    message: (key: unknown) => `${quoted(key)} can't be a key: give a well-formed string`,
  },
  DRAIN_IMPOSSIBLE: {
    status: 409,
    message: (id: string) =>
      `nobody can take over from '${excerpt(id)}'; join another member first, or let it leave`,
  },
  CLUSTER_CLOSED: {
    status: 503,
    message: () => 'the cluster is not started or already destroyed; call start() first',
  },
  CLUSTER_MISMATCH: {
    status: 409,
    message: (what: string, theirs: unknown, ours: unknown) =>
      `${what} is ${String(theirs)} in the registry but ${String(ours)} here; give all processes ` +
      'of a cluster the same, or another name',
  },
  CLUSTER_CONTENDED: {
    status: 503,
    message: (attempts: number) =>
      `others changed the cluster ${attempts} times in between; try again`,
  },
  REGISTRY_UNAVAILABLE: {
    status: 503,
    message: (why: string) => `the registry doesn't answer: ${why}; check its address and health`,
  },
  REGISTRY_ROW_INVALID: {
    status: 500,
    message: (id: string, why: string) =>
      `the row of member '${excerpt(id)}' can't be read: ${why}; it is left alone, join it again`,
  },
  REGISTRY_TABLE_INVALID: {
    status: 500,
    message: (why: string) =>
      `the table of slots can't be read: ${excerpt(why)}; the leader deals all slots out anew`,
  },
  REGISTRY_ELSEWHERE: {
    status: 409,
    message: (place: string) =>
      `this node keeps no registry for others; ask where it is kept: ${excerpt(place)}`,
  },
  CLUSTER_JOINING: {
    status: 503,
    message: (reason: string) =>
      `this node has not joined its cluster yet, it goes on trying: ${excerpt(reason)}`,
  },
  EVENTS_OVERRUN: {
    status: 503,
    message: (limit: number) =>
      `more than ${limit} events were waiting to be read; read faster and look at members() anew`,
  },
  HANDOVER_OVERDUE: {
    status: 504,
    message: (id: string, ms: number) =>
      `'${excerpt(id)}' did not finish revoked work within ${ms} ms; its slots are handed over`,
  },
} as const
