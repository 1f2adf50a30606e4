import { messageOf, skerryError, skerryErrorFrom, SkerryError } from '../core/errors.ts'
import { parseMember } from './member.ts'
import type { Member } from './member.ts'
import { connect, newClient } from '../redis/connection.ts'
import type { ChainableCommander, Client, RedisOptions } from '../redis/connection.ts'
import { SCRIPT_KEYS, scripts } from './redis/scripts.ts'
import type { ScriptName } from './redis/scripts.ts'
import { Audience } from './notices.ts'
import { LOG_LENGTH } from './registry.ts'
import type {
  Change,
  ClaimAnswer,
  CommitAnswer,
  Head,
  Leadership,
  Notice,
  Proposal,
  Registry,
  Right,
  Session,
  SessionAnswer,
  Snapshot,
} from './registry.ts'
import { formatTable, readKeptTable } from './table.ts'

/** Commands in one round trip. */
const PIPELINE = 1_000
/** Members of a set in one command, so that none blocks the server for long. */
const SET_BATCH = 1_000
/** Fields in one step of a scan. */
const SCAN_BATCH = 1_000

/** A registry on Redis or Valkey; `docs/redis.md` describes its keys. */
export class RedisRegistry implements Registry {
  readonly #options: RedisOptions
  readonly #base: string
  readonly #client: Client
  readonly #subscriber: Client
  readonly #audience = new Audience()

  /** @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID */
  constructor(options: RedisOptions, prefix: string, name: string) {
    this.#options = options
    // In Redis Cluster the braces keep all keys of one cluster on one node.
    this.#base = options.cluster ? `${prefix}:{${name}}:` : `${prefix}:${name}:`
    this.#client = newClient(options)
    this.#subscriber = newClient(options)
    for (const [script, lua] of scripts) {
      this.#client.defineCommand(script, { numberOfKeys: SCRIPT_KEYS.length, lua })
    }
    this.#subscriber.on('message', (_channel: string, text: string) => this.#audience.hear(text))
  }

  async open(slots: number): Promise<void> {
    const { timeoutMs } = this.#options
    try {
      await Promise.all(
        [this.#client, this.#subscriber].map((client) => connect(client, timeoutMs)),
      )
    } catch (error) {
      await this.close()
      throw skerryErrorFrom(error, 'REGISTRY_UNAVAILABLE', messageOf(error))
    }
    const agreed = Number(await this.#script('skerryOpen', slots))
    if (agreed !== slots) {
      throw skerryError('CLUSTER_MISMATCH', 'the number of slots', agreed, slots)
    }
    await this.#try(() => this.#subscriber.subscribe(this.#key('notices')))
  }

  async close(): Promise<void> {
    this.#client.disconnect()
    this.#subscriber.disconnect()
  }

  async head(): Promise<Head> {
    const answer = (await this.#script('skerryHead')) as string[]
    const [run = '', version, recovering, monitor = '', term, beat] = answer
    const leadership = { monitor, term: Number(term), beat: Number(beat) }
    return { run, version: Number(version), recovering: recovering === '1', leadership }
  }

  async read(): Promise<Snapshot> {
    const [head, rows, table] = (await this.#atomically((multi) =>
      multi
        .hmget(this.#key('head'), 'run', 'version', 'slots')
        .hgetall(this.#key('members'))
        .get(this.#key('table')),
    )) as [(string | null)[], Record<string, string>, string | null]
    const [run, version, slots] = head
    const members: Member[] = []
    const faults: Error[] = []
    for (const [id, row] of Object.entries(rows)) {
      try {
        members.push(parseMember(id, row))
      } catch (error) {
        faults.push(error as SkerryError)
      }
    }
    const kept = readKeptTable(table, Number(slots))
    const about = { run: run ?? '', version: Number(version) }
    return { ...about, members, owners: kept.owners, faults: [...faults, ...kept.faults] }
  }

  async changesAfter(run: string, version: number): Promise<Change[] | undefined> {
    const [head, records] = (await this.#atomically((multi) =>
      multi
        .hmget(this.#key('head'), 'run', 'version')
        .xrange(this.#key('log'), `${version + 1}-0`, '+', 'COUNT', LOG_LENGTH + 1),
    )) as [(string | null)[], [id: string, fields: string[]][]]
    if (head[0] !== run || records.length !== Number(head[1]) - version) return undefined
    return changesIn(records.map(([, [, text = '']]) => text))
  }

  async commit(proposal: Proposal): Promise<CommitAnswer> {
    const { base, term = '', members, left, moves, owners } = proposal
    const table = moves.length > 0 ? formatTable(owners) : ''
    const record = JSON.stringify({ version: base + 1, members, left, moves })
    const rows = members.flatMap((member) => [member.id, JSON.stringify(member)])
    const given = [base, term, table, record, left.length, ...left, ...rows]
    return (await this.#script('skerryCommit', ...given)) as CommitAnswer
  }

  async restore({ run, version, members, owners }: Snapshot): Promise<void> {
    const rows = members.flatMap((member) => [member.id, JSON.stringify(member)])
    await this.#script('skerryRestore', run, version, owners.length, formatTable(owners), ...rows)
  }

  async addKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number> {
    return this.#overSets(keys, (pipeline, key, batch) => pipeline.sadd(key, ...batch))
  }

  async removeKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number> {
    return this.#overSets(keys, (pipeline, key, batch) => pipeline.srem(key, ...batch))
  }

  async keysIn(slots: readonly number[]): Promise<Map<number, string[]>> {
    const found = new Map<number, string[]>()
    for (let at = 0; at < slots.length; at += PIPELINE) {
      const batch = slots.slice(at, at + PIPELINE)
      const pipeline = this.#client.pipeline()
      for (const slot of batch) pipeline.smembers(this.#keysOf(slot))
      const answers = (await this.#send(pipeline)) as string[][]
      batch.forEach((slot, index) => found.set(slot, answers[index]!))
    }
    return found
  }

  async campaign(monitor: string, seen: Leadership): Promise<number | undefined> {
    const { monitor: leader, term, beat } = seen
    const won = Number(await this.#script('skerryCampaign', monitor, leader, term, beat))
    return won === 0 ? undefined : won
  }

  async lead(term: number): Promise<boolean> {
    return (await this.#script('skerryLead', term)) === 1
  }

  async resign(term: number): Promise<void> {
    await this.#script('skerryResign', term)
  }

  async endRecovery(term: number, run: string): Promise<void> {
    await this.#script('skerryEndRecovery', term, run)
  }

  async openSession(session: string, worker: string): Promise<void> {
    await this.#script('skerryOpenSession', session, worker)
  }

  async beatSession(session: string): Promise<SessionAnswer> {
    return (await this.#script('skerryBeatSession', session)) as SessionAnswer
  }

  async sessions(): Promise<Session[]> {
    const held = await this.#try(() => this.#client.hgetall(this.#key('sessions')))
    return Object.entries(held).map(([session, text]) => {
      const space = text.indexOf(' ')
      return { session, beat: Number(text.slice(0, space)), worker: text.slice(space + 1) }
    })
  }

  async fence(term: number, { session, beat }: Session): Promise<boolean> {
    return (await this.#script('skerryFence', term, session, beat)) === 1
  }

  async closeSession(session: string): Promise<void> {
    await this.#try(() => this.#client.hdel(this.#key('sessions'), session))
  }

  async claim(session: string, version: number, slots: readonly number[]): Promise<ClaimAnswer> {
    const answer = await this.#script('skerryClaim', session, version, ...slots)
    if (typeof answer === 'string') return answer as ClaimAnswer
    const granted: Right[] = []
    const flat = (answer as string[]).map(Number)
    for (let at = 0; at < flat.length; at += 2) {
      granted.push({ slot: flat[at]!, epoch: flat[at + 1]! })
    }
    return { granted }
  }

  async release(session: string, version: number, slots: readonly number[]): Promise<boolean> {
    return (await this.#script('skerryRelease', session, version, ...slots)) === 1
  }

  async reassert(
    { session, worker }: Omit<Session, 'beat'>,
    rights: readonly Right[],
  ): Promise<number[] | 'closed'> {
    const pairs = rights.flatMap(({ slot, epoch }) => [slot, epoch])
    const answer = await this.#script('skerryReassert', session, worker, ...pairs)
    return answer === 'closed' ? 'closed' : (answer as string[]).map(Number)
  }

  async rights(): Promise<Map<number, string>> {
    const found = new Map<number, string>()
    let cursor = '0'
    do {
      const [next, flat] = await this.#try(() =>
        this.#client.hscan(this.#key('rights'), cursor, 'COUNT', SCAN_BATCH),
      )
      for (let at = 0; at < flat.length; at += 2) {
        found.set(Number(flat[at]), flat[at + 1]!.split(' ')[0]!)
      }
      cursor = next
    } while (cursor !== '0')
    return found
  }

  async publish(notice: Notice): Promise<void> {
    await this.#try(() => this.#client.publish(this.#key('notices'), JSON.stringify(notice)))
  }

  subscribe(listener: (notice: Notice) => void): () => void {
    return this.#audience.subscribe(listener)
  }

  async #overSets(
    keys: ReadonlyMap<number, readonly string[]>,
    append: (pipeline: ChainableCommander, key: string, batch: string[]) => unknown,
  ): Promise<number> {
    let sum = 0
    let pipeline = this.#client.pipeline()
    const send = async (): Promise<void> => {
      if (pipeline.length === 0) return
      for (const count of (await this.#send(pipeline)) as number[]) sum += count
      pipeline = this.#client.pipeline()
    }
    for (const [slot, names] of keys) {
      for (let at = 0; at < names.length; at += SET_BATCH) {
        append(pipeline, this.#keysOf(slot), names.slice(at, at + SET_BATCH))
        if (pipeline.length >= PIPELINE) await send()
      }
    }
    await send()
    return sum
  }

  async #script(name: ScriptName, ...given: (string | number)[]): Promise<unknown> {
    const keys = SCRIPT_KEYS.map((key) => this.#key(key))
    // `defineCommand` adds the scripts as methods that the types don't know.
    const run = (this.#client as unknown as Record<ScriptName, Script>)[name]
    return this.#try(() => run.call(this.#client, ...keys, ...given))
  }

  async #atomically(build: (multi: ChainableCommander) => ChainableCommander): Promise<unknown[]> {
    return this.#send(build(this.#client.multi()))
  }

  async #send(pipeline: ChainableCommander): Promise<unknown[]> {
    const answers = await this.#try(() => pipeline.exec())
    return (answers ?? []).map(([error, value]) => {
      if (error) throw skerryErrorFrom(error, 'REGISTRY_UNAVAILABLE', error.message)
      return value
    })
  }

  async #try<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      throw skerryErrorFrom(error, 'REGISTRY_UNAVAILABLE', messageOf(error))
    }
  }

  #key(name: string): string {
    return this.#base + name
  }

  #keysOf(slot: number): string {
    return this.#key(`keys:${slot}`)
  }
}

/** Undefined if one of them can't be read: then everything is read anew. */
function changesIn(records: readonly string[]): Change[] | undefined {
  try {
    return records.map((text) => JSON.parse(text) as Change)
  } catch {
    return undefined
  }
}

type Script = (...given: (string | number)[]) => Promise<unknown>
