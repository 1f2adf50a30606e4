import * as http from 'node:http'
import * as https from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import { errorCodes, messageOf, skerryError, SkerryError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import { Agents, exchange, type SignedRequest } from './http/exchange.ts'
import { Audience } from './notices.ts'
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
import { proposalJson, readKeys, readSnapshot, snapshotJson } from './verbs.ts'
import type { RegistryVerb } from './verbs.ts'

/** Where a registry is that a Skerry server keeps for others. */
export interface RemoteOptions {
  /** Base address of the server, `http(s)://host:port`. */
  readonly url: string
  /** Name of the cluster; the server refuses any but its own. */
  readonly name: string
  /** Until a verb without an answer fails, milliseconds; default 5,000. */
  readonly timeoutMs?: number | undefined
  /** Headers for a request, for instance its signature. */
  readonly headers?: ((request: SignedRequest) => Readonly<Record<string, string>>) | undefined
  /** What is shown and trusted over TLS; default: nothing, and what Node trusts. */
  readonly tls?: (() => SecureContextOptions) | undefined
}

/** Where a server answers the verbs of its registry. */
export const REGISTRY_PATH = '/_skerry/cluster/registry'

const TIMEOUT_MS = 5_000
const REPLY_BYTES_MAX = 64 * 1024 * 1024
/** Keys in one request, and slots whose keys are asked for in one. */
const KEYS_BATCH = 20_000
const SLOTS_BATCH = 512
/** The server says something that often at least; a silent stream is dead. */
const SILENCE_MAX_MS = 15_000
const RECONNECT_MS = 500
/** Characters of a line of notices that never ends. */
const LINE_MAX = 65_536

/** A registry that another Skerry server keeps: each verb is a request to it. */
export class RemoteRegistry implements Registry {
  readonly #options: RemoteOptions
  readonly #agents = new Agents()
  readonly #audience = new Audience()
  #stream: http.ClientRequest | undefined
  #reconnect: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: RemoteOptions) {
    const { url } = options
    const isBase = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
    if (!isBase) {
      throw skerryError('OPTION_INVALID', 'registry', url, 'give http(s)://host:port of a server')
    }
    this.#options = options
  }

  async open(slots: number): Promise<void> {
    await this.#ask('open', slots)
    await this.#listen()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#reconnect)
    this.#stream?.destroy()
    this.#agents.destroy()
  }

  async head(): Promise<Head> {
    return (await this.#ask('head')) as Head
  }

  async read(): Promise<Snapshot> {
    return readSnapshot(await this.#ask('read'))
  }

  async changesAfter(run: string, version: number): Promise<Change[] | undefined> {
    return (await this.#ask('changesAfter', run, version)) as Change[] | undefined
  }

  async commit(proposal: Proposal): Promise<CommitAnswer> {
    return (await this.#ask('commit', proposalJson(proposal))) as CommitAnswer
  }

  async restore(snapshot: Snapshot): Promise<void> {
    await this.#ask('restore', snapshotJson(snapshot))
  }

  async addKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number> {
    return this.#askInParts('addKeys', keys)
  }

  async removeKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number> {
    return this.#askInParts('removeKeys', keys)
  }

  async keysIn(slots: readonly number[]): Promise<Map<number, string[]>> {
    const found = new Map<number, string[]>()
    for (let at = 0; at < slots.length; at += SLOTS_BATCH) {
      const part = readKeys(await this.#ask('keysIn', slots.slice(at, at + SLOTS_BATCH)))
      for (const [slot, names] of part) found.set(slot, [...names])
    }
    return found
  }

  async campaign(monitor: string, seen: Leadership): Promise<number | undefined> {
    return (await this.#ask('campaign', monitor, seen)) as number | undefined
  }

  async lead(term: number): Promise<boolean> {
    return (await this.#ask('lead', term)) === true
  }

  async resign(term: number): Promise<void> {
    await this.#ask('resign', term)
  }

  async endRecovery(term: number, run: string): Promise<void> {
    await this.#ask('endRecovery', term, run)
  }

  async openSession(session: string, worker: string): Promise<void> {
    await this.#ask('openSession', session, worker)
  }

  async beatSession(session: string): Promise<SessionAnswer> {
    return (await this.#ask('beatSession', session)) as SessionAnswer
  }

  async sessions(): Promise<Session[]> {
    return (await this.#ask('sessions')) as Session[]
  }

  async fence(term: number, session: Session): Promise<boolean> {
    return (await this.#ask('fence', term, session)) === true
  }

  async closeSession(session: string): Promise<void> {
    await this.#ask('closeSession', session)
  }

  async claim(session: string, version: number, slots: readonly number[]): Promise<ClaimAnswer> {
    return (await this.#ask('claim', session, version, slots)) as ClaimAnswer
  }

  async release(session: string, version: number, slots: readonly number[]): Promise<boolean> {
    return (await this.#ask('release', session, version, slots)) === true
  }

  async reassert(
    session: Omit<Session, 'beat'>,
    rights: readonly Right[],
  ): Promise<number[] | 'closed'> {
    return (await this.#ask('reassert', session, rights)) as number[] | 'closed'
  }

  async rights(): Promise<Map<number, string>> {
    return new Map((await this.#ask('rights')) as [number, string][])
  }

  async publish(notice: Notice): Promise<void> {
    await this.#ask('publish', notice)
  }

  subscribe(listener: (notice: Notice) => void): () => void {
    return this.#audience.subscribe(listener)
  }

  async #askInParts(
    verb: 'addKeys' | 'removeKeys',
    keys: ReadonlyMap<number, readonly string[]>,
  ): Promise<number> {
    let changed = 0
    for (const part of parts(keys)) changed += Number(await this.#ask(verb, part))
    return changed
  }

  async #ask(verb: RegistryVerb, ...given: readonly unknown[]): Promise<unknown> {
    const { url, name, timeoutMs = TIMEOUT_MS, headers, tls } = this.#options
    const path = pathOf(REGISTRY_PATH, name)
    const body = JSON.stringify([verb, ...given])
    try {
      const reply = await exchange({
        ...{ url: new URL(path, url), method: 'POST', body, agents: this.#agents, timeoutMs },
        headers: headers?.({ method: 'POST', path, body }),
        tls: tls?.(),
        maxBytes: REPLY_BYTES_MAX,
      })
      const answer: unknown = JSON.parse(reply.body)
      if (reply.status === 200 && Array.isArray(answer)) return answer[0]
      throw refusal(answer, reply.status)
    } catch (error) {
      if (error instanceof SkerryError && LASTING.includes(error.code)) throw error
      throw skerryError('REGISTRY_UNAVAILABLE', `${url}: ${messageOf(error)}`)
    }
  }

  /**
   * Notices only hasten what polling finds, so a stream that broke is simply opened again. Resolves
   * once the first attempt succeeded or failed.
   */
  #listen(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    const { url, name, headers, tls } = this.#options
    const path = pathOf(`${REGISTRY_PATH}/notices`, name)
    const signed = headers?.({ method: 'GET', path, body: '' })
    const { request } = url.startsWith('https:') ? https : http
    const stream = request(new URL(path, url), { ...tls?.(), agent: false, headers: { ...signed } })
    this.#stream = stream
    stream.setTimeout(SILENCE_MAX_MS, () => stream.destroy())
    stream.on('error', () => undefined)
    return new Promise((resolve) => {
      stream.on('response', (response) => {
        this.#readNotices(response)
        resolve()
      })
      stream.on('close', () => {
        resolve()
        if (this.#isClosed) return
        this.#reconnect = setTimeout(() => void this.#listen(), RECONNECT_MS)
      })
      stream.end()
    })
  }

  #readNotices(response: http.IncomingMessage): void {
    let rest = ''
    response.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > LINE_MAX) response.destroy()
      for (const line of lines) if (line !== '') this.#audience.hear(line)
    })
    response.on('error', () => undefined)
  }
}

/** What trying again does not mend. */
const LASTING: readonly ErrorCode[] = ['SKERRY_CLUSTER_MISMATCH', 'SKERRY_REGISTRY_ELSEWHERE']

function refusal(answer: unknown, status: number): Error {
  const { code, message } = (answer ?? {}) as { code?: unknown; message?: unknown }
  const said = typeof message === 'string' ? message : `HTTP ${status}`
  const isKnown = typeof code === 'string' && errorCodes.has(code as ErrorCode)
  return isKnown ? new SkerryError(code as ErrorCode, status, said) : new Error(said)
}

function pathOf(path: string, name: string): string {
  return `${path}?name=${encodeURIComponent(name)}`
}

/** Keys in requests of a bounded size, each as the pairs that travel. */
function* parts(
  keys: ReadonlyMap<number, readonly string[]>,
): Generator<[slot: number, names: readonly string[]][]> {
  let part: [number, readonly string[]][] = []
  let size = 0
  for (const [slot, names] of keys) {
    for (let at = 0; at < names.length; at += KEYS_BATCH) {
      const batch = names.slice(at, at + KEYS_BATCH)
      part.push([slot, batch])
      size += batch.length
      if (size < KEYS_BATCH) continue
      yield part
      part = []
      size = 0
    }
  }
  if (part.length > 0) yield part
}
