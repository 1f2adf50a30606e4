import { excerpt } from './excerpt.ts'

/** Errors of a store on Redis. See `../errors.ts`. */
export const redisErrors = {
  WRITE_UNCERTAIN: {
    status: 504,
    message: (why: string) =>
      `Redis did not say whether it took the write: ${excerpt(why)}; read what is there, then ` +
      'write again if need be',
  },
  WRITE_CONTENDED: {
    status: 503,
    message: (tries: number) =>
      `other servers changed the path ${tries} times in between, nothing was written; try again`,
  },
  REDIS_UNAVAILABLE: {
    status: 503,
    message: (why: string) =>
      `the Redis that keeps the store doesn't answer: ${excerpt(why)}; check its address and health`,
  },
  REDIS_NOT_DURABLE: {
    status: 500,
    message: (why: string) =>
      `Redis may lose what it acknowledged: ${excerpt(why)}; set appendonly yes, appendfsync always ` +
      "and maxmemory-policy noeviction, let it be asked, or accept it with durability 'relaxed'",
  },
  LEASE_LOST: {
    status: 503,
    message: () => 'another server of this node keeps its links now; try again there',
  },
} as const
