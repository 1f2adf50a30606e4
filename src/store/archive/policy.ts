/** What of the past a store keeps, by path. */
export interface HistoryPolicy {
  /** False if it is none of any path. */
  readonly keepsSome: boolean
  /** How many versions that are not the newest any more; 0: none. */
  versions(path: string): number
  /** How old, in nanoseconds since they were written, versions may get; undefined: as old as they like. */
  maxAgeNs(path: string): bigint | undefined
  /** True if entries of the path end by a rule of this node: then nothing of them outlives that. */
  expires(path: string): boolean
}

/** Keeps nothing. */
export const NO_HISTORY: HistoryPolicy = {
  keepsSome: false,
  versions: () => 0,
  maxAgeNs: () => undefined,
  expires: () => false,
}

/** The most versions of one path that can be kept. */
export const MAX_HISTORY_VERSIONS = 1000

/** The most bytes that the history of one path takes, unless its newest version alone takes more. */
export const MAX_HISTORY_BYTES = 32 * 1024 * 1024

/** The most paths of which nothing but history is left; those deleted longest ago go. */
export const MAX_GONE_PATHS = 100_000
