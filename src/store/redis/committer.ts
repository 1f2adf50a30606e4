import { sizeOf } from '../../core/entry.ts'
import type { HybridClock } from '../../core/hlc.ts'
import { messageOf, skerryError, skerryErrorFrom } from '../../core/errors.ts'
import { GenerationCache } from '../cache.ts'
import type { Group, GroupContext } from '../group.ts'
import type { Held } from '../layout.ts'
import {
  type Accepted,
  type Attempt,
  attempt,
  mayTryAgain,
  type Request,
  type Work,
} from './attempt.ts'
import type { Grant } from './clock.ts'
import { commitArguments } from './commit.ts'
import type { Point } from './head.ts'
import { isRefusal, type Keyspace } from './keyspace.ts'
import { Loader } from './loader.ts'
import type { Reached } from './follower.ts'
import { readOutcome } from './outcome.ts'
import { packSteps, stepsOf } from './steps.ts'

/** The most requests that are on their way to Redis; more are refused. */
const MAX_QUEUED = 100_000

/** The most requests that one script commits. */
const MAX_GROUP = 1024

/** Stamps granted beyond what the first attempt took. */
const SPARE_STAMPS = 16

/** The most characters of paths and data kept of what was committed or read lately. */
const CACHE_CHARACTERS = 8 * 1024 * 1024
const RECORD_OVERHEAD = 200

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
      const tried = this.#attempt(rest, grant)
      grant = undefined
      const { group, accepted, clock } = tried
      if (accepted.length === 0) return
      // What only the leader may do also rests on its lease, and on what is withheld: Redis compares both.
      const fenced = accepted.some(({ request }) => request.work.fenced === true)
      if (group.isEmpty && !fenced) return accepted.forEach(settle)
      const outcome = await this.#send(tried)
      if (outcome === undefined) return
      rest = accepted.map(({ request }) => request)
      if (outcome.kind === 'done') {
        this.#done(tried, outcome)
        return
      }
      if (outcome.kind === 'stamps') {
        grant = { first: outcome.first, count: clock.minted + SPARE_STAMPS }
      } else if (outcome.kind === 'conflict') {
        rest = this.#withoutConflicts(tried, outcome.records)
      } else if (outcome.kind === 'fenced') {
        rest = refuse(rest, ({ work }) => work.fenced === true)
      } else {
        rest = await this.#turn(rest, outcome.kind)
      }
    }
  }

  #attempt(requests: readonly Request[], grant: Grant | undefined): Attempt {
    const tried = attempt(requests, {
      clock: this.#host.clock,
      grant,
      context: this.#host.context(),
      provisional: this.#host.seq(),
      remains: this.#host.remains(),
      known: (path) => this.#cache.get(path),
    })
    this.#waiting.unshift(...tried.later)
    return tried
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
    const renumber = (seq: number): number =>
      seq > provisional ? seq - provisional + from.seq : seq
    for (const path of group.collected.keys()) this.#cache.delete(path)
    for (const held of group.records.values()) {
      const seq = renumber(held.seq)
      this.note(seq === held.seq ? held : { ...held, seq })
    }
    const steps = stepsOf(group, provisional, from.seq)
    this.#host.committed(group, { from, to, steps }, remains)
    for (const { request, result } of accepted) {
      request.resolve((request.work.numbered?.(result, renumber) ?? result) as never)
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
      else if (mayTryAgain(request)) later.push(request)
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
    return requests.filter(mayTryAgain)
  }
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
