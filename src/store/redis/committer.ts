import { sizeOf } from '../../core/entry.ts'
import type { HybridClock } from '../../core/hlc.ts'
import { messageOf, skerryError, skerryErrorFrom } from '../../core/errors.ts'
import { GenerationCache } from '../cache.ts'
import { Group, type GroupContext } from '../group.ts'
import type { Held } from '../layout.ts'
import { type Grant, GroupClock, StampsSpent } from './clock.ts'
import { commitArguments, countChanges } from './commit.ts'
import type { Point } from './head.ts'
import { isRefusal, type Keyspace, parseHeld } from './keyspace.ts'
import { Loader } from './loader.ts'
import type { Reached } from './follower.ts'
import { packSteps, stepsOf } from './steps.ts'

/** The most requests that are on their way to Redis; more are refused. */
const MAX_QUEUED = 100_000

/** The most requests, and characters of paths and data, that one script commits. */
const MAX_GROUP = 1024
const MAX_GROUP_CHARACTERS = 16 * 1024 * 1024

/** The most paths that one call may change: all of them go into one script. */
const MAX_CHANGES = 20_000

/** How often a request is tried whose paths others change in between. */
const MAX_TRIES = 64

/** Stamps granted beyond what the first attempt took. */
const SPARE_STAMPS = 16

/** The most characters of paths and data kept of what was committed or read lately. */
const CACHE_CHARACTERS = 8 * 1024 * 1024
const RECORD_OVERHEAD = 200

/** What is to be done as one atomic step. */
export interface Work<T> {
  /** The paths it looks at, as far as they are known before it has run. */
  readonly paths: readonly string[]
  readonly run: (group: Group) => T
  /** True if only the server that holds the lease may do it. */
  readonly fenced?: boolean
  /** The result with the numbers that its changes got in the end, each `shift` above what `run` was told. */
  numbered?(result: T, shift: number): T
}

interface Request {
  readonly work: Work<unknown>
  readonly resolve: (result: never) => void
  readonly reject: (error: unknown) => void
  /** What was read for it, at submission or when others were quicker. */
  readonly loaded: Map<string, Held | undefined>
  tries: number
}

interface Accepted {
  readonly request: Request
  readonly result: unknown
  /** The changes of the group that are its own. */
  readonly from: number
  readonly to: number
}

/** What the committer needs of its store. */
export interface CommitHost {
  readonly server: string
  readonly clock: HybridClock
  /** The newest sequence number that this server knows. */
  seq(): number
  /** The term of the lease that this server holds. */
  term(): string | undefined
  /** What is left of tombstones, or withheld, as this server knows it, by number. */
  remains(): number
  /** That number is not the one in Redis. */
  remainsTurned(): Promise<void>
  /** What groups run on, without their records. */
  context(): Omit<GroupContext, 'held' | 'clock'>
  committed(group: Group, reached: Reached, remains: number): void
  /** The store's epoch is not the one that this server knows, or Redis has lost something. */
  turned(): Promise<void>
}

/** An outcome of the script, read. */
type Outcome =
  | { readonly kind: 'done'; readonly from: Point; readonly to: Point }
  | { readonly kind: 'conflict'; readonly records: Map<string, Held | undefined> }
  | { readonly kind: 'stamps'; readonly first: bigint }
  | { readonly kind: 'fenced' | 'turned' | 'remains' }

/**
 * Commits in groups, optimistically: decisions are taken here on records that were read, and the script takes them
 * only if nobody changed those in between. While one group is on its way, the records for the next are read.
 */
export class Committer {
  readonly #keyspace: Keyspace
  readonly #host: CommitHost
  readonly #loader: Loader
  #cache = new GenerationCache<Held>(CACHE_CHARACTERS)
  #waiting: Request[] = []
  #draining: Promise<void> | undefined
  #unfinished = 0
  #commits = 0
  /** The commit that is on its way, and what messages told of it. */
  #sent: { readonly commit: number; heard?: { from: Point; to: Point } } = { commit: 0 }
  #closed = false
  #finished: () => void = () => undefined

  constructor(keyspace: Keyspace, host: CommitHost) {
    this.#keyspace = keyspace
    this.#host = host
    this.#loader = new Loader(keyspace)
  }

  /**
   * Does the work as part of a group; resolves once Redis has it.
   * @throws SKERRY_STORE_CLOSED, SKERRY_STORE_BUSY, SKERRY_REDIS_UNAVAILABLE if it was not done
   * @throws SKERRY_WRITE_UNCERTAIN if the answer did not come
   * @throws SKERRY_WRITE_FAILED, SKERRY_WRITE_CONTENDED, SKERRY_LEASE_LOST, or what the work throws
   */
  async submit<T>(work: Work<T>): Promise<T> {
    if (this.#closed) throw skerryError('STORE_CLOSED')
    if (this.#unfinished >= MAX_QUEUED) throw skerryError('STORE_BUSY')
    this.#unfinished++
    try {
      const records = await this.#loader.load(work.paths)
      const loaded = new Map(work.paths.map((path) => [path, records.get(path)]))
      return await new Promise<T>((resolve, reject) => {
        this.#waiting.push({ work, resolve, reject, loaded, tries: 0 })
        this.#draining ??= this.#drain()
      })
    } finally {
      if (--this.#unfinished === 0) this.#finished()
    }
  }

  /** What is known of a path without asking. */
  known(path: string): Held | undefined {
    return this.#cache.get(path)
  }

  /** Another server has changed it. */
  note(held: Held): void {
    const { entry } = held
    this.#cache.set(entry.path, held, sizeOf(entry) + RECORD_OVERHEAD)
  }

  /** Its tombstone is gone; unless something newer is known. */
  collected(path: string, seq: number): void {
    if (this.#cache.get(path)?.seq === seq) this.#cache.delete(path)
  }

  /** What was known may be gone. */
  forget(): void {
    this.#cache = new GenerationCache(CACHE_CHARACTERS)
  }

  /** A message told of a commit of this server. */
  heard(commit: number, at: { from: Point; to: Point }): boolean {
    if (commit !== this.#sent.commit) return false
    this.#sent.heard = at
    return true
  }

  /** Refuses further work and finishes what waits. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#unfinished > 0) await new Promise<void>((resolve) => (this.#finished = resolve))
  }

  async #drain(): Promise<void> {
    // Work of the same turn shares a group.
    await Promise.resolve()
    while (this.#waiting.length > 0) await this.#commit(this.#waiting.splice(0, MAX_GROUP))
    this.#draining = undefined
  }

  async #commit(requests: readonly Request[]): Promise<void> {
    let grant: Grant | undefined
    let rest = requests
    while (rest.length > 0) {
      const attempt = this.#attempt(rest, grant)
      grant = undefined
      const { group, accepted, clock } = attempt
      if (accepted.length === 0) return
      // What only the leader may do also rests on its lease, and on what is withheld: Redis compares both.
      const fenced = accepted.some(({ request }) => request.work.fenced === true)
      if (group.isEmpty && !fenced) return accepted.forEach(settle)
      const outcome = await this.#send(attempt)
      if (outcome === undefined) return
      rest = accepted.map(({ request }) => request)
      if (outcome.kind === 'done') {
        this.#done(attempt, outcome)
        return
      }
      if (outcome.kind === 'stamps') {
        grant = { first: outcome.first, count: clock.minted + SPARE_STAMPS }
      } else if (outcome.kind === 'conflict') {
        rest = this.#withoutConflicts(attempt, outcome.records)
      } else if (outcome.kind === 'fenced') {
        rest = refuse(rest, ({ work }) => work.fenced === true)
      } else {
        rest = await this.#turn(rest, outcome.kind)
      }
    }
  }

  /** Runs the requests on a new group, as many as it may hold; those that throw are answered. */
  #attempt(requests: readonly Request[], grant: Grant | undefined) {
    const clock = new GroupClock(this.#host.clock, grant)
    const checks = new Map<string, Held | undefined>()
    const loaded = this.#newest(requests)
    const held = (path: string): Held | undefined => {
      const found = newer(loaded.get(path), this.#cache.get(path))
      checks.set(path, found)
      return found
    }
    const provisional = this.#host.seq()
    const remains = this.#host.remains()
    const group = new Group({ ...this.#host.context(), clock, held }, provisional)
    const accepted: Accepted[] = []
    const later: Request[] = []
    for (const request of requests) {
      const full = group.characters >= MAX_GROUP_CHARACTERS || countChanges(group) >= MAX_CHANGES
      if (full) later.push(request)
      else this.#run(request, group, { accepted, later })
    }
    this.#waiting.unshift(...later)
    return { group, accepted, clock, checks, provisional, remains }
  }

  #run(
    request: Request,
    group: Group,
    { accepted, later }: { accepted: Accepted[]; later: Request[] },
  ): void {
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
      accepted.push({ request, result, from, to: group.changes.length })
    } catch (error) {
      if (!(error instanceof StampsSpent)) request.reject(error)
      else if (this.#triedInVain(request)) later.push(request)
    }
  }

  /** Of what was read for the requests, the newest of each path. */
  #newest(requests: readonly Request[]): Map<string, Held | undefined> {
    if (requests.length === 1) return requests[0]!.loaded
    const newest = new Map<string, Held | undefined>()
    for (const { loaded } of requests) {
      for (const [path, held] of loaded) newest.set(path, newer(held, newest.get(path)))
    }
    return newest
  }

  /** Undefined if it failed, and everybody was told. */
  async #send({ group, accepted, clock, checks, provisional, remains }: Attempt) {
    const sent = (this.#sent = { commit: ++this.#commits })
    const { server } = this.#host
    const works = accepted.map(({ request }) => request.work)
    const given = commitArguments({
      group,
      checks,
      provisional,
      seen: this.#host.seq(),
      term: works.some(({ fenced }) => fenced) ? (this.#host.term() ?? '-') : '',
      server,
      remains,
      first: clock.first,
      stamps: clock.minted + SPARE_STAMPS,
      mark: clock.mark,
      channel: this.#keyspace.channel,
      commit: sent.commit,
      message: packSteps(group, provisional),
    })
    try {
      return readOutcome(await this.#keyspace.binaryScript('skerryCommit', given))
    } catch (error) {
      const { heard } = sent as { heard?: { from: Point; to: Point } }
      if (heard !== undefined) return { kind: 'done' as const, ...heard }
      const failure = skerryErrorFrom(
        error,
        isRefusal(error) ? 'WRITE_FAILED' : 'WRITE_UNCERTAIN',
        messageOf(error),
      )
      for (const { request } of accepted) request.reject(failure)
      return undefined
    } finally {
      this.#sent = { commit: 0 }
    }
  }

  #done(
    { group, accepted, provisional, remains }: Attempt,
    { from, to }: { from: Point; to: Point },
  ): void {
    for (const path of group.collected.keys()) this.#cache.delete(path)
    for (const held of group.records.values()) {
      const isNew = held.seq > provisional
      this.note(isNew ? { ...held, seq: held.seq - provisional + from.seq } : held)
    }
    const steps = stepsOf(group, provisional, from.seq)
    this.#host.committed(group, { from, to, steps }, remains)
    const shift = from.seq - provisional
    for (const { request, result } of accepted) {
      request.resolve((request.work.numbered?.(result, shift) ?? result) as never)
    }
  }

  /** Puts off what touches paths that others changed; the rest goes on at once. */
  #withoutConflicts(
    { group, accepted }: Attempt,
    records: ReadonlyMap<string, Held | undefined>,
  ): Request[] {
    for (const [path, held] of records) {
      if (held === undefined) this.#cache.delete(path)
      else this.note(held)
    }
    const later: Request[] = []
    const rest: Request[] = []
    for (const { request, from, to } of accepted) {
      const minted = group.changes.slice(from, to).map(({ entry }) => entry.path)
      const touched = [...request.work.paths, ...minted].filter((path) => records.has(path))
      for (const path of touched) request.loaded.set(path, records.get(path))
      if (touched.length === 0) rest.push(request)
      else if (this.#triedInVain(request)) later.push(request)
    }
    this.#waiting.unshift(...later)
    return rest
  }

  /** Learns of the new epoch, or of what else has turned, and tries everything anew. */
  async #turn(
    requests: readonly Request[],
    what: 'turned' | 'remains',
  ): Promise<readonly Request[]> {
    try {
      await (what === 'remains' ? this.#host.remainsTurned() : this.#host.turned())
    } catch (error) {
      for (const { reject } of requests) reject(error)
      return []
    }
    return requests.filter((request) => this.#triedInVain(request))
  }

  /** Counts a try that came to nothing; false if it was the last one, and the request was told. */
  #triedInVain(request: Request): boolean {
    if (++request.tries < MAX_TRIES) return true
    request.reject(skerryError('WRITE_CONTENDED', MAX_TRIES))
    return false
  }
}

type Attempt = {
  readonly group: Group
  readonly accepted: readonly Accepted[]
  readonly clock: GroupClock
  readonly checks: ReadonlyMap<string, Held | undefined>
  readonly provisional: number
  readonly remains: number
}

function settle({ request, result }: Accepted): void {
  request.resolve(result as never)
}

function refuse(requests: readonly Request[], when: (request: Request) => boolean): Request[] {
  return requests.filter((request) => {
    const refused = when(request)
    if (refused) request.reject(skerryError('LEASE_LOST'))
    return !refused
  })
}

/** Of two records of a path the one that was written later; a release keeps the number. */
function newer(a: Held | undefined, b: Held | undefined): Held | undefined {
  if (a === undefined || b === undefined) return a ?? b
  if (a.seq !== b.seq) return a.seq > b.seq ? a : b
  return a.shown === undefined ? a : b
}

function readOutcome(answer: readonly Buffer[]): Outcome {
  const [what, ...rest] = answer
  const kind = String(what)
  if (kind === 'stamps') return { kind, first: BigInt(String(rest[0])) }
  if (kind === 'fenced' || kind === 'remains') return { kind }
  if (kind === 'done') {
    const [fromSeq, fromReleased, seq, released] = rest.map(Number)
    const from = { seq: fromSeq!, released: fromReleased! }
    return { kind, from, to: { seq: seq!, released: released! } }
  }
  if (kind !== 'conflict') return { kind: 'turned' }
  const records = new Map<string, Held | undefined>()
  for (let at = 0; at < rest.length; at += 2) {
    const value: Buffer | null = rest[at + 1] ?? null
    records.set(String(rest[at]), value === null ? undefined : parseHeld(value))
  }
  return { kind, records }
}
