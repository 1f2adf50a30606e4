import type { SecureContextOptions } from 'node:tls'
import { skerryError } from '../../core/errors.ts'
import type { Peer } from '../peers.ts'
import type { ReplicaPage, ReplicaRange, ReplicaRow } from '../storage.ts'
import type { PeerTransport, Replica } from '../transport.ts'
import { Agents, exchange, type Reply, type SignedRequest } from '../../cluster/http/exchange.ts'

/** How a transport reaches its peers: each carries `url`, the base address of its node. */
export interface HttpTransportOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number | undefined
  /** Headers for a request, for instance its signature. */
  readonly headers?: ((request: SignedRequest) => Readonly<Record<string, string>>) | undefined
  /** What is shown and trusted over TLS; default: nothing, and what Node trusts. */
  readonly tls?: (() => SecureContextOptions) | undefined
}

/** Replicas that one request carries at most, and their characters. */
const MAX_BATCH = 256
const MAX_BATCH_CHARACTERS = 1 << 20
/** Requests to one peer at a time; replicas that come meanwhile go together in the next one. */
const MAX_REQUESTS = 2
/** Replicas that wait for one peer at most. */
const MAX_QUEUED = 20_000
const MAX_REPLY_BYTES = 64 * 1024 * 1024

const PATH = '/_skerry/events/replicas'

interface Waiting {
  readonly replica: Replica
  resolve(): void
  reject(error: unknown): void
}

/** Carries replicas between Skerry nodes over HTTP, many at a time where many wait. */
export class HttpTransport implements PeerTransport {
  readonly #options: Required<Omit<HttpTransportOptions, 'tls'>>
  readonly #tls: HttpTransportOptions['tls']
  readonly #agents = new Agents()
  readonly #queues = new Map<string, { waiting: Waiting[]; requests: number }>()

  constructor(options: HttpTransportOptions = {}) {
    this.#tls = options.tls
    this.#options = {
      timeoutMs: options.timeoutMs ?? 5_000,
      headers: options.headers ?? (() => ({})),
    }
  }

  put(peer: Peer, replica: Replica): Promise<void> {
    const base = baseOf(peer)
    let queue = this.#queues.get(base)
    if (!queue) this.#queues.set(base, (queue = { waiting: [], requests: 0 }))
    const { waiting } = queue
    if (waiting.length >= MAX_QUEUED) throw skerryError('EVENTS_OVERLOADED', waiting.length, 0)
    return new Promise((resolve, reject) => {
      waiting.push({ replica, resolve, reject })
      // Whatever else is put in this turn goes along.
      if (waiting.length === 1) queueMicrotask(() => this.#flush(base))
    })
  }

  async get(peer: Peer, key: string): Promise<string | undefined> {
    const { status, body } = await this.#ask(
      baseOf(peer),
      'GET',
      `${PATH}/${encodeURIComponent(key)}`,
    )
    if (status === 404) return undefined
    return bodyOf(status, body)
  }

  async range(peer: Peer, range: ReplicaRange): Promise<ReplicaPage> {
    const { from, below, limit, digests } = range
    const query = new URLSearchParams({ from, limit: String(limit) })
    if (below !== undefined) query.set('below', below)
    if (digests) query.set('digests', '1')
    const { status, body } = await this.#ask(baseOf(peer), 'GET', `${PATH}?${query.toString()}`)
    return readPage(JSON.parse(bodyOf(status, body)))
  }

  /** Closes idle connections. */
  close(): void {
    this.#agents.destroy()
  }

  #flush(base: string): void {
    const queue = this.#queues.get(base)
    while (queue && queue.waiting.length > 0 && queue.requests < MAX_REQUESTS) {
      let characters = 0
      let size = 0
      while (size < MAX_BATCH && size < queue.waiting.length && characters < MAX_BATCH_CHARACTERS) {
        characters += queue.waiting[size++]?.replica.text.length ?? 0
      }
      const batch = queue.waiting.splice(0, size)
      queue.requests++
      void this.#send(base, batch).finally(() => {
        queue.requests--
        if (queue.waiting.length > 0) this.#flush(base)
        else if (queue.requests === 0) this.#queues.delete(base)
      })
    }
  }

  async #send(base: string, batch: readonly Waiting[]): Promise<void> {
    try {
      const rows = batch.map(({ replica: { key, text, onBehalfOf } }) =>
        onBehalfOf === undefined ? [key, text] : [key, text, onBehalfOf],
      )
      const { status, body } = await this.#ask(base, 'POST', PATH, JSON.stringify(rows))
      const answers: unknown = JSON.parse(bodyOf(status, body))
      if (!Array.isArray(answers) || answers.length !== batch.length) {
        throw skerryError('JSON_INVALID', 'one answer for each replica is expected')
      }
      batch.forEach((waiting, index) => settle(waiting, answers[index]))
    } catch (error) {
      for (const waiting of batch) waiting.reject(error)
    }
  }

  #ask(base: string, method: string, path: string, body = ''): Promise<Reply> {
    const { timeoutMs, headers } = this.#options
    return exchange({
      ...{ url: new URL(path, base), method, timeoutMs, agents: this.#agents },
      headers: headers({ method, path, body }),
      tls: this.#tls?.(),
      body: method === 'GET' ? undefined : body,
      maxBytes: MAX_REPLY_BYTES,
    })
  }
}

function settle(waiting: Waiting, code: unknown): void {
  const { key } = waiting.replica
  if (code === null) waiting.resolve()
  else if (code === 'SKERRY_EVENTS_CONFLICT') waiting.reject(skerryError('EVENTS_CONFLICT', key))
  else waiting.reject(new Error(`the peer refused: ${JSON.stringify(code)}`))
}

function baseOf(peer: Peer): string {
  const url = peer['url']
  if (typeof url === 'string') return url
  throw skerryError('EVENTS_PEER_INVALID', `'${peer.id}' has no url`)
}

function bodyOf(status: number, body: string): string {
  if (status === 200 || status === 201) return body
  const code = /"code":"(\w+)"/.exec(body)?.[1] ?? `HTTP ${status}`
  throw new Error(`the peer answered ${code}`)
}

/** What a peer says is checked before anything is built on it. */
function readPage(value: unknown): ReplicaPage {
  const { rows, more } = (value ?? {}) as { rows?: unknown; more?: unknown }
  const isRow = (row: unknown): row is ReplicaRow =>
    Array.isArray(row) && typeof row[0] === 'string' && typeof row[1] === 'string'
  if (!Array.isArray(rows) || !rows.every(isRow) || typeof more !== 'boolean') {
    throw skerryError('JSON_INVALID', 'a page of replicas is expected')
  }
  return { rows, more }
}
