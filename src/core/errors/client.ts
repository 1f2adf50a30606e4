/**
 * The rows of the table of errors that concern clients and their socket. They stand apart because all that a client
 * imports goes to the browsers of its users.
 */
export const clientErrors = {
  STAMP_AHEAD: {
    status: 409,
    message: (path: string) =>
      `the write to '${path}' is stamped further ahead than clocks may drift; set the device's clock`,
  },
  LIVE_MESSAGE_INVALID: {
    status: 400,
    message: (why: string) => `a message on the live socket can't be understood: ${why}`,
  },
  SUBSCRIPTIONS_FULL: {
    status: 503,
    message: (limit: number) =>
      `${limit} subscriptions are open on this socket already; end some of them`,
  },
  OFFLINE: {
    status: 503,
    message: (what: string) =>
      `there is no connection to the node, and ${what}; try again when there is one`,
  },
  CONNECTION_LOST: {
    status: 503,
    message: () =>
      'the connection ended before the node answered, so the write may have taken effect; read before you repeat it',
  },
  CLIENT_UNREACHED: {
    status: 503,
    message: (url: string) =>
      `no connection to ${url}; check address and token, and that the node allows the origin of this page`,
  },
  ANSWER_INVALID: {
    status: 502,
    message: (why: string) => `the node's message can't be understood: ${why}`,
  },
  CLIENT_BUSY: {
    status: 503,
    message: (limit: number) =>
      `${limit} requests wait for an answer already; send fewer at a time`,
  },
  CLIENT_CLOSED: {
    status: 503,
    message: () => 'the client is closed; connect anew',
  },
  CLIENT_OPTION_INVALID: {
    status: 400,
    message: (name: string, why: string) => `option '${name}' of the client is not valid: ${why}`,
  },
  VALUE_INVALID: {
    status: 400,
    message: (why: string) => `the value can't be written as JSON: ${why}`,
  },
  WATCH_FAILED: {
    status: 500,
    message: (pattern: string) =>
      `what is watched at '${pattern}' can't be shown any more; see the log of the node, and watch it anew`,
  },
  CLIENT_OUTBOX_FULL: {
    status: 507,
    message: (limit: number) =>
      `${limit} writes wait to be delivered already; connect before you write more`,
  },
  STORAGE_FAILED: {
    status: 507,
    message: (why: string) =>
      `the storage of this device failed: ${why}; nothing was written, make room and try again`,
  },
} as const
