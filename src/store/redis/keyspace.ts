import { messageOf, SkerryError, skerryError, skerryErrorFrom } from '../../core/errors.ts'
import { type Client, connect, newClient } from '../../redis/connection.ts'
import type { EngineItem, EngineRange } from '../engine.ts'
import { type Held, hashKey, heldKey, unpackHeld } from '../layout.ts'
import { type Head, parseHead, type Point } from './head.ts'
import type { ResolvedRedisOptions } from './options.ts'
import { SCRIPT_KEYS, type ScriptName, scripts } from './scripts.ts'

/** Records in one round trip. */
const LOAD_BATCH = 1000

/** The most keys or changes, and about how many bytes, that one page has. */
const PAGE_ITEMS = 1000
const PAGE_BYTES = 1024 * 1024

/** Where the path begins in the key of a record and of a hash, counted from 1 as Lua does. */
const PATH_AT = heldKey('a').length
const HASHED_AT = hashKey('0'.repeat(16), 'a').length

type Argument = string | number | Buffer

/** A page of keys with their values, and the point at which it was read. */
export interface KeyPage extends Point {
  readonly items: readonly (readonly [key: string, value: Buffer])[]
  /** True if nothing comes after it. */
  readonly last: boolean
}

/** A page of the feed. */
export interface ChangePage extends Point {
  readonly changes: readonly Held[]
  readonly last: boolean
  /** The epoch whose numbers these are. */
  readonly epoch: string
}

/** What a store asks of Redis; every failure is a Skerry error. */
export class Keyspace {
  readonly base: string
  readonly #client: Client
  readonly #timeoutMs: number
  #closed = false
  #failed: () => void = () => undefined

  constructor({ connection, base, timeoutMs }: ResolvedRedisOptions) {
    this.base = base
    this.#timeoutMs = timeoutMs
    this.#client = newClient(connection)
    for (const [name, lua] of scripts) {
      this.#client.defineCommand(name, { numberOfKeys: SCRIPT_KEYS.length, lua })
    }
  }

  get channel(): string {
    return `${this.base}news`
  }

  /** The client, for what belongs to the server and not to the store. */
  get client(): Client {
    return this.#client
  }

  /** @throws SKERRY_REDIS_UNAVAILABLE */
  async connect(): Promise<void> {
    try {
      await connect(this.#client, this.#timeoutMs)
    } catch (error) {
      throw skerryErrorFrom(error, 'REDIS_UNAVAILABLE', messageOf(error))
    }
  }

  /** Calls back when the connection is there again, and when it, or a command on it, fails. */
  follow(events: { readonly back: () => void; readonly failed: () => void }): void {
    this.#failed = events.failed
    this.#client.on('ready', events.back)
    this.#client.on('close', events.failed)
  }

  close(): void {
    this.#closed = true
    this.#client.disconnect()
  }

  async head(): Promise<Head | undefined> {
    return parseHead((await this.script('skerryHead', [])) as (string | null)[])
  }

  /** The same, once the beat of the lease is raised, if the server holds it. */
  async beat(server: string, term: string): Promise<Head | undefined> {
    return parseHead((await this.script('skerryBeat', [server, term])) as (string | null)[])
  }

  /** The record of a path. */
  async held(path: string): Promise<Held | undefined> {
    const value = await this.try(() => this.#client.hgetBuffer(this.#key('entries'), path))
    return value === null ? undefined : parseHeld(value)
  }

  /** What a key that is no record holds. */
  async data(key: string): Promise<Buffer | undefined> {
    return (await this.try(() => this.#client.hgetBuffer(this.#key('data'), key))) ?? undefined
  }

  /** The records of many paths, in the order of `paths`. */
  async heldMany(paths: readonly string[]): Promise<(Held | undefined)[]> {
    const batches: Promise<(Buffer | null)[]>[] = []
    for (let at = 0; at < paths.length; at += LOAD_BATCH) {
      const batch = paths.slice(at, at + LOAD_BATCH)
      batches.push(this.try(() => this.#client.hmgetBuffer(this.#key('entries'), ...batch)))
    }
    const values = (await Promise.all(batches)).flat()
    return values.map((value) => (value === null ? undefined : parseHeld(value)))
  }

  /** A page of keys: those of records with the record, others with what they hold. */
  async page({ from, to, limit = PAGE_ITEMS }: EngineRange): Promise<KeyPage> {
    const given = [from, to, Math.min(limit, PAGE_ITEMS), PAGE_BYTES, PATH_AT, HASHED_AT]
    const [point, flat] = readPage(await this.binaryScript('skerryPage', given))
    const items: [string, Buffer][] = []
    for (let at = 0; at < flat.length; at += 2) items.push([String(flat[at]), flat[at + 1]!])
    return { ...point, items }
  }

  /** A page of the changes after `seq` up to `upTo`, oldest first. */
  async changes(seq: number, upTo: number, limit = PAGE_ITEMS): Promise<ChangePage> {
    const to = upTo === Infinity ? '+inf' : upTo
    const given = [seq, to, Math.min(limit, PAGE_ITEMS), PAGE_BYTES]
    const [point, flat] = readPage(await this.binaryScript('skerryChanges', given))
    const changes: Held[] = []
    for (let at = 1; at < flat.length; at += 2) changes.push(parseHeld(flat[at]!))
    return { ...point, changes }
  }

  /** The paths released after that many releases, as far as they are still known. */
  async releasedAfter(released: number): Promise<string[]> {
    const range = [`(${released}`, '+inf'] as const
    return this.try(() => this.#client.zrangebyscore(this.#key('released'), ...range))
  }

  /** Keys with their values, page by page: each as it was when its page was read. */
  async *scan({ from, to, limit = Infinity }: EngineRange): AsyncGenerator<readonly EngineItem[]> {
    let next = from
    let left = limit
    while (left > 0) {
      const { items, last } = await this.page({ from: next, to, limit: left })
      if (items.length > 0) yield items
      if (last) return
      left -= items.length
      next = afterKey(items.at(-1)![0])
    }
  }

  async script(name: ScriptName, given: readonly Argument[]): Promise<unknown> {
    return this.#run(name, given)
  }

  /** A script whose answer holds bytes. */
  async binaryScript(name: ScriptName, given: readonly Argument[]): Promise<Buffer[]> {
    return (await this.#run(`${name}Buffer`, given)) as Buffer[]
  }

  /** @throws SKERRY_STORE_CLOSED, SKERRY_REDIS_UNAVAILABLE */
  async try<T>(step: () => Promise<T>): Promise<T> {
    if (this.#closed) throw skerryError('STORE_CLOSED')
    try {
      return await step()
    } catch (error) {
      if (this.#closed) throw skerryError('STORE_CLOSED')
      if (!isRefusal(error)) this.#failed()
      throw error instanceof SkerryError
        ? error
        : skerryErrorFrom(error, 'REDIS_UNAVAILABLE', messageOf(error))
    }
  }

  #run(method: string, given: readonly Argument[]): Promise<unknown> {
    // `defineCommand` adds the scripts as methods that the types don't know.
    const run = (this.#client as unknown as Record<string, Script>)[method]!
    const keys = SCRIPT_KEYS.map((key) => this.#key(key))
    // As one list: arguments by the ten thousand do not fit on the stack.
    return this.try(() => run.call(this.#client, ...keys, given))
  }

  #key(name: string): string {
    return this.base + name
  }
}

type Script = (...given: (string | readonly Argument[])[]) => Promise<unknown>

/** The least key above `key`. */
export function afterKey(key: string): string {
  return `${key}\0`
}

/** True if Redis answered, but with an error: then the command has changed nothing. */
export function isRefusal(error: unknown): boolean {
  const cause = error instanceof SkerryError ? error.cause : error
  return cause instanceof Error && cause.name === 'ReplyError'
}

/** A record as it lies in Redis: its sequence number in decimal, a space, and what `packHeld` wrote. */
export function parseHeld(value: Buffer): Held {
  const space = value.indexOf(' ')
  const seq = Number(value.toString('latin1', 0, space))
  return { ...unpackHeld(value.subarray(space + 1)), seq }
}

function readPage(answer: Buffer[]): [Point & { last: boolean; epoch: string }, Buffer[]] {
  const [seq, released, last, epoch, ...flat] = answer
  const at = { seq: Number(seq), released: Number(released) }
  const point = { ...at, last: String(last) === '1', epoch: String(epoch) }
  return [point, flat]
}
