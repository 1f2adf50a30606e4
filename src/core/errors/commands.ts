import { excerpt } from './excerpt.ts'

/** Errors of commands, and of what goes in and out of a node by file. See `../errors.ts`. */
export const commandErrors = {
  NODE_UNREACHABLE: {
    status: 503,
    message: (url: string, why: string) =>
      `no node answers at ${excerpt(url)}: ${why}; start one, or name another with --url`,
  },
  NODE_LACKS: {
    status: 404,
    message: (url: string, part: 'cluster' | 'events', flag: string) =>
      `the node at ${excerpt(url)} ${part === 'cluster' ? 'is in no cluster' : 'keeps no events'}; ` +
      `start it with ${flag}, or name another with --url`,
  },
  IMPORT_INVALID: {
    status: 400,
    message: (line: number, why: string) =>
      `line ${line} of the request can't be imported: ${excerpt(why)}; nothing of it was`,
  },
  BACKUP_INVALID: {
    status: 400,
    message: (why: string) => `this backup can't be used: ${why}; nothing was restored from it`,
  },
  BACKUP_FAILED: {
    status: 500,
    message: (dir: string, why: string) => `no backup is in '${dir}': ${why}; take it anew`,
  },
  BACKUP_ELSEWHERE: {
    status: 409,
    message: (dir: string) =>
      `this node does not keep its data in '${excerpt(dir)}'; name the one that does with --url`,
  },
  BACKUP_UNAVAILABLE: {
    status: 501,
    message: () => 'the data of this node lies in another system; take the backup there',
  },
  FILE_FAILED: {
    status: 500,
    message: (file: string, why: string) => `'${file}' can't be read or written: ${why}`,
  },
  DIR_NOT_EMPTY: {
    status: 409,
    message: (dir: string) =>
      `'${dir}' holds something already; name a directory that is empty or not there`,
  },
  BENCH_FAILED: {
    status: 500,
    message: (why: string) => `the measurement was not finished: ${excerpt(why)}`,
  },
  DEMO_FAILED: {
    status: 500,
    message: (why: string) => `the demo did not show what it should: ${why}`,
  },
} as const
