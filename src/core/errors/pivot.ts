import { excerpt } from './excerpt.ts'

/** Errors of the pivot protocol. */
export const pivotErrors = {
  PEER_REFUSED: {
    status: 502,
    message: (url: string, why: string) =>
      `'${excerpt(url)}' does not do what was asked: ${excerpt(why)}; check what it is and what it shares`,
  },
  KEY_NOT_SHARED: {
    status: 422,
    message: (path: string) =>
      `'${excerpt(path)}' is under no key that this node shares by name; add it to 'keys'`,
  },
  KEY_HELD: {
    status: 503,
    message: (path: string) =>
      `a node that came back is being read, so news of '${excerpt(path)}' has to wait; ask again in a second`,
  },
  LEADER_REFUSES: {
    status: 503,
    message: (limit: number) =>
      `the leader refuses ${limit} entries already, so more wait here; see status for why`,
  },
  STORE_UNUSED: {
    status: 400,
    message: () => "no key names this store; give it to one of 'keys' before it is attached",
  },
} as const
