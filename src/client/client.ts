import type { CommitLevel } from '../core/commitment.ts'
import { membersIn } from '../core/json.ts'
import { jsonOf, readValue, type Value } from '../core/value.ts'
import { Watch } from '../core/watch.ts'
import { Connection, type Hello } from './connection.ts'
import { type Entry, stampOf } from './entry.ts'
import { ClientError, clientError, type Refusal } from './error.ts'
import { Offline } from './offline.ts'
import { type ClientOptions, resolveClientOptions } from './options.ts'
import type { WriteOutcome } from './outbox.ts'
import type { PendingWrite } from './overlay.ts'
import { after } from './platform.ts'
import { Requests } from './requests.ts'
import { SyncStatus } from './status.ts'
import { Subject } from './subject.ts'

/** How long a watch waits that the node could not put together. */
const RESUBSCRIBE_MS = 1000

/** What a write came to. */
export interface Written {
  readonly path: string
  /** The last segment of the path. */
  readonly index: string
  /**
   * `written`: a node has it, durably. `pending`: it waits on this device for a connection. `overruled`: a node has
   * a newer version, which stays. `known`: the node had it already.
   */
  readonly outcome: WriteOutcome
}

/** What to wait for before a write is answered. */
export interface WriteOptions {
  /**
   * On how many nodes it must be durable: one; `QUORUM`, more than half; or all that are known and share the path.
   * Not with `offline`. Default: the one that this client is connected to.
   */
  readonly commit?: CommitLevel
  /** How long to wait for that, in ms, from 1 to 60,000. Default 5,000. */
  readonly commitTimeoutMs?: number
}

/** A connection to a node, made by {@link connect}: one socket for everything, which comes again by itself. */
export class Client {
  /** How this client stands to its node. */
  readonly sync: SyncStatus
  readonly #connection: Connection
  readonly #requests: Requests
  readonly #subjects = new Map<string, Subject>()
  readonly #byId = new Map<number, Subject>()
  readonly #offline: Offline | undefined
  #lastId = 0
  #hello: Hello | undefined
  #tried = false
  #closed = false

  /** Use {@link connect}. */
  constructor(url: string, options: ClientOptions) {
    const resolved = resolveClientOptions(url, options)
    this.sync = new SyncStatus(() => this.#offline?.dismiss() ?? Promise.resolve())
    this.#requests = new Requests(
      (text) => this.#connection.send(text),
      () => ++this.#lastId,
    )
    this.#connection = new Connection(resolved, {
      opened: (hello) => this.#opened(hello),
      message: (id, body) => this.#message(id, body),
      lost: (reason) => this.#lost(reason),
    })
    if (resolved.storage === undefined) return
    this.#offline = new Offline({
      name: resolved.storage,
      status: this.sync,
      ask: (members) => this.#requests.ask(members, false),
      changed: (writes) => this.#overlay(writes),
    })
  }

  /**
   * The entry at a path, or null if nothing is stored there.
   * @throws ClientError
   */
  async get<T = unknown>(path: string): Promise<Entry<T> | null> {
    return (await this.#read('get', path)) as Entry<T> | null
  }

  /**
   * The entries that a glob matches, newest created first.
   * @throws ClientError
   */
  async list<T = unknown>(glob: string): Promise<Entry<T>[]> {
    return [...((await this.#read('list', glob)) as readonly Entry<T>[])]
  }

  /**
   * Creates or overwrites the entry at a path.
   * @throws ClientError; with SKERRY_COMMIT_UNREACHED it is written, and `refusal` says which nodes have it
   * @example
   * await client.set('users/ada', { name: 'Ada' }, { commit: 'QUORUM' })
   */
  set(path: string, data: unknown, options?: WriteOptions): Promise<Written> {
    return this.#write('set', path, data, options)
  }

  /**
   * Creates an entry under a fresh index in the place of the glob's `*`.
   * @throws ClientError
   */
  push(glob: string, data: unknown, options?: WriteOptions): Promise<Written> {
    return this.#write('push', glob, data, options)
  }

  /**
   * Changes members of the data at a path, by RFC 7396: null removes one.
   * @throws ClientError
   */
  patch(path: string, changes: unknown, options?: WriteOptions): Promise<Written> {
    return this.#write('patch', path, changes, options)
  }

  /**
   * Deletes the entry at a path, or all that a glob matches. What is not there is no error.
   * @throws ClientError
   */
  async delete(pattern: string, options?: WriteOptions): Promise<WriteOutcome> {
    return (await this.#write('delete', pattern, undefined, options)).outcome
  }

  /**
   * Watches a glob or a path: its value now, and whenever it changes.
   * @param listener called with each value
   * @param failed called if the node refuses to show it
   * @example
   * const watch = client.watch<User>('users/*', (users) => render(users))
   * watch.close()
   */
  watch<T = unknown>(
    glob: `${string}*${string}`,
    listener?: (list: readonly Entry<T>[]) => void,
    failed?: (error: ClientError) => void,
  ): Watch<readonly Entry<T>[], ClientError>
  watch<T = unknown>(
    path: string,
    listener?: (entry: Entry<T> | null) => void,
    failed?: (error: ClientError) => void,
  ): Watch<Entry<T> | null, ClientError>
  watch(
    pattern: string,
    listener?: (value: never) => void,
    failed?: (error: ClientError) => void,
  ): Watch<unknown, ClientError> {
    const subject = this.#subjects.get(pattern) ?? this.#subject(pattern)
    subject.watches++
    const watch = new Watch<unknown, ClientError>(subject, () => this.#unwatch(subject))
    if (listener !== undefined) watch.subscribe(listener as (value: unknown) => void, failed)
    return watch
  }

  /** Ends the connection and all watches. What waits to be delivered stays, where there is a storage that lasts. */
  close(): void {
    this.#closed = true
    this.#connection.close()
    this.#requests.close()
    this.#offline?.close()
    for (const subject of this.#subjects.values()) subject.end()
    this.sync.change({ online: false })
  }

  async #read(op: 'get' | 'list', pattern: string): Promise<Value> {
    this.#assertOpen()
    if (this.#hello === undefined && this.#offline !== undefined) {
      const known = this.#subjects.get(pattern)?.value ?? (await this.#offline.known(pattern))
      if (known !== undefined) return known
      if (this.#tried) throw clientError('OFFLINE', `nothing is kept of '${pattern}'`)
    }
    const members = `"op":"${op}","path":${JSON.stringify(pattern)}`
    const value = readValue(pattern, await this.#requests.ask(members, true))
    this.#observe(value)
    return this.#offline === undefined ? value : this.#offline.seen(pattern, value)
  }

  async #write(
    op: 'set' | 'push' | 'patch' | 'delete',
    path: string,
    data: unknown,
    { commit, commitTimeoutMs: timeoutMs }: WriteOptions = {},
  ): Promise<Written> {
    this.#assertOpen()
    const json = op === 'delete' ? '' : jsonText(data)
    if (this.#offline !== undefined) {
      if (commit !== undefined) {
        const why = 'with offline, nobody waits for nodes; connect without'
        throw clientError('CLIENT_OPTION_INVALID', 'commit', why)
      }
      // What is kept is what nodes will read, whatever becomes of the object that was given.
      const kept = op === 'delete' ? undefined : (JSON.parse(json) as unknown)
      return written(await this.#offline.write(op, path, kept))
    }
    const value = op === 'delete' ? '' : `,"data":${json}`
    // As members of an object: what is left out is not there.
    const asked = JSON.stringify({ op, path, commit, timeoutMs }).slice(1, -1)
    const answer = await this.#requests.ask(asked + value, false)
    const answered = op === 'delete' ? path : (JSON.parse(answer) as { path: string }).path
    return written({ path: answered, outcome: 'written' })
  }

  #assertOpen(): void {
    if (this.#closed) throw clientError('CLIENT_CLOSED')
  }

  #subject(pattern: string): Subject {
    this.#assertOpen()
    const subject = new Subject(++this.#lastId, pattern)
    this.#subjects.set(pattern, subject)
    this.#byId.set(subject.id, subject)
    if (this.#offline === undefined) this.#subscribe(subject)
    else void this.#offline.recall(subject).then(() => this.#subscribe(subject))
    return subject
  }

  #unwatch(subject: Subject): void {
    if (--subject.watches > 0) return
    this.#subjects.delete(subject.pattern)
    this.#byId.delete(subject.id)
    this.#connection.send(`{"id":${subject.id},"op":"unwatch"}`)
  }

  #subscribe({ id, pattern, held }: Subject): void {
    if (!this.#byId.has(id)) return
    const version = held === undefined ? '' : `,"version":"${held.version}"`
    this.#connection.send(`{"id":${id},"op":"watch","path":${JSON.stringify(pattern)}${version}}`)
  }

  #opened(hello: Hello): void {
    this.#hello = hello
    this.#tried = true
    this.sync.change({ online: true, lastError: undefined })
    for (const subject of this.#byId.values()) this.#subscribe(subject)
    this.#requests.opened()
    this.#offline?.opened(hello)
  }

  #lost(reason: ClientError): void {
    this.#hello = undefined
    this.#tried = true
    this.#requests.lost()
    this.#offline?.lost()
    for (const subject of this.#byId.values()) subject.setLive(false)
    this.sync.change({ online: false, lastError: reason })
  }

  #message(id: number, body: string): void {
    const subject = this.#byId.get(id)
    const members = membersIn(body)
    if (subject === undefined) this.#requests.answer(id, members)
    else if (members.has('snapshot')) this.#frame(subject, members)
    else if (members.has('error')) subject.fail(refusal(members.get('error')!))
    else if (members.has('ended')) after(RESUBSCRIBE_MS, () => this.#subscribe(subject))
    else if (subject.held !== undefined) subject.setLive(true)
  }

  /** A frame that does not follow, or can't be applied, is made up for by a snapshot; its version is never kept. */
  #frame(subject: Subject, members: ReadonlyMap<string, string>): void {
    try {
      subject.take(members)
    } catch (error) {
      if (members.get('snapshot') === 'true') {
        subject.fail(clientError('ANSWER_INVALID', String(error)))
        return
      }
      subject.forget()
      this.#subscribe(subject)
      return
    }
    this.#observe(subject.held!.value)
    this.#offline?.shown(subject)
  }

  /** What is written after reading this is newer than it. */
  #observe(value: Value): void {
    if (this.#offline === undefined || value === null) return
    const entries: readonly Entry[] = Array.isArray(value) ? value : [value as Entry]
    for (const entry of entries) this.#offline.observe(stampOf(entry))
  }

  #overlay(writes: readonly PendingWrite[]): void {
    for (const subject of this.#byId.values()) subject.setWrites(writes)
  }
}

/**
 * Connects to a node. The connection is made in the background, and again whenever it is lost; what is asked meanwhile
 * waits for it.
 *
 * @param url `http(s)://host:port`, `ws(s)://host:port` or `host:port`
 * @throws SKERRY_CLIENT_OPTION_INVALID
 * @example
 * const client = connect('https://state.example', { token, offline: true })
 * await client.set('users/ada', { name: 'Ada' })
 * for await (const users of client.watch<User>('users/*')) render(users)
 */
export function connect(url: string, options: ClientOptions = {}): Client {
  return new Client(url, options)
}

function written({ path, outcome }: { path: string; outcome: WriteOutcome }): Written {
  return { path, index: path.slice(path.lastIndexOf('/') + 1), outcome }
}

/** @throws SKERRY_VALUE_INVALID */
function jsonText(value: unknown): string {
  try {
    return jsonOf(value)
  } catch (error) {
    throw clientError('VALUE_INVALID', (error as Error).message)
  }
}

function refusal(json: string): ClientError {
  return new ClientError(JSON.parse(json) as Refusal)
}
