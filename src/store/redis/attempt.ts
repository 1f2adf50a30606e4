import type { HybridClock } from '../../core/hlc.ts'
import { skerryError } from '../../core/errors.ts'
import { Group, type GroupContext } from '../group.ts'
import type { Held } from '../layout.ts'
import { type Grant, GroupClock, StampsSpent } from './clock.ts'
import { countChanges } from './commit.ts'

/** The most characters of paths and data that one script commits. */
const MAX_GROUP_CHARACTERS = 16 * 1024 * 1024

/** The most paths that one call may change: all of them go into one script. */
const MAX_CHANGES = 20_000

/** How often a request is tried whose paths others change in between. */
const MAX_TRIES = 64

/** What is to be done as one atomic step. */
export interface Work<T> {
  /** The paths it looks at, as far as they are known before it has run. */
  readonly paths: readonly string[]
  readonly run: (group: Group) => T
  /** True if only the server that holds the lease may do it. */
  readonly fenced?: boolean
  /** The result with the numbers that the changes of the group got in the end, for those that `run` was told. */
  numbered?(result: T, renumber: (seq: number) => number): T
}

/** Work that waits for its answer. */
export interface Request {
  readonly work: Work<unknown>
  readonly resolve: (result: never) => void
  readonly reject: (error: unknown) => void
  /** What was read for it, at submission or when others were quicker. */
  readonly loaded: Map<string, Held | undefined>
  tries: number
}

/** A request whose work ran. */
export interface Accepted {
  readonly request: Request
  readonly result: unknown
  /** The changes of the group that are its own. */
  readonly from: number
  readonly to: number
}

/** Requests that ran on one group, to be committed together. */
export interface Attempt {
  readonly group: Group
  readonly accepted: readonly Accepted[]
  readonly clock: GroupClock
  readonly checks: ReadonlyMap<string, Held | undefined>
  readonly provisional: number
  readonly remains: number
  /** What did not fit, or has to be tried again. */
  readonly later: readonly Request[]
}

/** What an attempt begins with. */
export interface Basis {
  readonly clock: HybridClock
  /** Stamps that Redis has set aside, if the first ones were too low. */
  readonly grant: Grant | undefined
  readonly context: Omit<GroupContext, 'held' | 'clock'>
  /** The newest sequence number that this server knows. */
  readonly provisional: number
  readonly remains: number
  /** What is known of a path without asking. */
  known(path: string): Held | undefined
}

/** Runs the requests on a new group, as many as it may hold; those that throw are answered. */
export function attempt(requests: readonly Request[], basis: Basis): Attempt {
  const { provisional, remains } = basis
  const clock = new GroupClock(basis.clock, basis.grant)
  const checks = new Map<string, Held | undefined>()
  const loaded = newestOf(requests)
  const held = (path: string): Held | undefined => {
    const found = newer(loaded.get(path), basis.known(path))
    checks.set(path, found)
    return found
  }
  const group = new Group({ ...basis.context, clock, held }, provisional)
  const accepted: Accepted[] = []
  const later: Request[] = []
  for (const request of requests) {
    const full = group.characters >= MAX_GROUP_CHARACTERS || countChanges(group) >= MAX_CHANGES
    const ran = full ? 'later' : run(request, group)
    if (ran === 'later') later.push(request)
    else if (ran !== undefined) accepted.push(ran)
  }
  return { group, accepted, clock, checks, provisional, remains, later }
}

/** Counts a try that came to nothing; false if it was the last one, and the request was told. */
export function mayTryAgain(request: Request): boolean {
  if (++request.tries < MAX_TRIES) return true
  request.reject(skerryError('WRITE_CONTENDED', MAX_TRIES))
  return false
}

/** Undefined if it threw, and was answered. */
function run(request: Request, group: Group): Accepted | 'later' | undefined {
  const from = group.changes.length
  const before = countChanges(group)
  try {
    const result = group.attempt((each) => {
      const made = request.work.run(each)
      if (countChanges(each) - before > MAX_CHANGES) {
        throw skerryError('WRITE_FAILED', `one call may change ${MAX_CHANGES} paths; split it`)
      }
      return made
    })
    return { request, result, from, to: group.changes.length }
  } catch (error) {
    if (error instanceof StampsSpent) return mayTryAgain(request) ? 'later' : undefined
    request.reject(error)
    return undefined
  }
}

/** Of what was read for the requests, the newest of each path. */
function newestOf(requests: readonly Request[]): ReadonlyMap<string, Held | undefined> {
  if (requests.length === 1) return requests[0]!.loaded
  const newest = new Map<string, Held | undefined>()
  for (const { loaded } of requests) {
    for (const [path, held] of loaded) newest.set(path, newer(held, newest.get(path)))
  }
  return newest
}

/** Of two records of a path the one that was written later; a release keeps the number. */
function newer(a: Held | undefined, b: Held | undefined): Held | undefined {
  if (a === undefined || b === undefined) return a ?? b
  if (a.seq !== b.seq) return a.seq > b.seq ? a : b
  return a.shown === undefined ? a : b
}
