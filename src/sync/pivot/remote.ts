import type { Entry } from '../../core/entry.ts'
import { messageOf, skerryErrorFrom, skerryError } from '../../core/errors.ts'
import { stampOf } from '../../core/entry.ts'
import { parseInt64 } from '../../core/json.ts'
import {
  EXCHANGE_LIMIT_MS,
  type HttpAnswer,
  type HttpClient,
  type HttpRequest,
  MAX_ANSWER_BYTES,
  MAX_LIST_BYTES,
  ORIGINATOR_HEADER,
} from './http.ts'
import type { PivotKey } from './keys.ts'
import { type News, parseNews } from './news.ts'
import type { Pushed } from './outbox.ts'
import {
  type LeaderActivity,
  type Listed,
  parseActivity,
  parseList,
  parseVersion,
  type PeerVersion,
  PIVOT_ROUTE,
  pivotJson,
} from './wire.ts'

/** How peers say that a single entry, or one to delete, is not there: in words, under a 500. */
const MISSING = /\bnot found\b/i

/** Answers that may be better next time, though they blame the request. */
const TRANSIENT = new Set([408, 425, 429])

/** A leader as its node calls it. */
export class Remote {
  readonly url: string
  readonly #http: HttpClient
  readonly #own: () => string | undefined

  /** @param own this node's `host:port`, if it is known: the leader need not tell it of its own writes */
  constructor(http: HttpClient, url: string, own: () => string | undefined) {
    this.#http = http
    this.url = url
    this.#own = own
  }

  /**
   * What the peer is.
   * @throws SKERRY_PEER_UNREACHABLE, SKERRY_PEER_REFUSED
   */
  async version(): Promise<PeerVersion> {
    const answer = await this.#get(`${PIVOT_ROUTE}/version`, MAX_ANSWER_BYTES)
    return this.#read(answer, parseVersion)
  }

  /** @throws SKERRY_PEER_UNREACHABLE, SKERRY_PEER_REFUSED */
  async activity({ base }: PivotKey): Promise<LeaderActivity> {
    const answer = await this.#get(`${PIVOT_ROUTE}/activity/${base}`, MAX_ANSWER_BYTES)
    return this.#read(answer, parseActivity)
  }

  /**
   * What the leader holds of a key, or what is new there since a place in its feed, if it can tell. Only an answer
   * that says so counts as nothing there.
   * @throws SKERRY_PEER_UNREACHABLE, SKERRY_PEER_REFUSED
   */
  async list(key: PivotKey, since: string | undefined): Promise<Listed | News> {
    const query = since === undefined || !key.isGlob ? '' : `?since=${encodeURIComponent(since)}`
    const answer = await this.#get(`${PIVOT_ROUTE}/pivot/${key.path}${query}`, MAX_LIST_BYTES)
    if (!key.isGlob && isMissing(answer)) return { entries: new Map(), refused: 0 }
    if (query !== '') return this.#read(answer, (text) => parseNews(text, key))
    return this.#read(answer, (text) => parseList(key.isGlob ? text : `[${text}]`, key))
  }

  /**
   * Sends a version.
   * @throws SKERRY_PEER_UNREACHABLE, SKERRY_PEER_REFUSED if it is to be tried again
   */
  async push(entry: Entry): Promise<Pushed> {
    const own = this.#own()
    const isDelete = entry.data === null
    const suffix = isDelete ? `/${stampOf(entry)}` : ''
    const answer = await this.#request({
      method: isDelete ? 'DELETE' : 'POST',
      url: `${this.url}${PIVOT_ROUTE}/pivot/${entry.path}${suffix}`,
      headers: {
        ...(isDelete ? {} : { 'content-type': 'application/json' }),
        ...(own === undefined ? {} : { [ORIGINATOR_HEADER]: own }),
      },
      ...(isDelete ? {} : { body: pivotJson(entry) }),
      timeoutMs: EXCHANGE_LIMIT_MS,
      maxBytes: MAX_ANSWER_BYTES,
    })
    const { status, body } = answer
    if ((status >= 200 && status < 300) || (isDelete && isMissing(answer))) {
      if (!isDelete && body === '{"hidden":true}') return { status: 'hidden' }
      return { status: 'delivered', deleted: isDelete ? undefined : deletedAt(body) }
    }
    if (status >= 400 && status < 500 && !TRANSIENT.has(status)) {
      return { status: 'refused', http: status, reason: body.slice(0, 200) }
    }
    throw this.#refusal(answer)
  }

  async #get(route: string, maxBytes: number): Promise<HttpAnswer> {
    const url = this.url + route
    return this.#request({ method: 'GET', url, timeoutMs: EXCHANGE_LIMIT_MS, maxBytes })
  }

  async #request(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#http.request(request)
    } catch (error) {
      throw skerryErrorFrom(error, 'PEER_UNREACHABLE', this.url, messageOf(error))
    }
  }

  #read<T>(answer: HttpAnswer, parse: (text: string) => T): T {
    if (answer.status !== 200) throw this.#refusal(answer)
    try {
      return parse(answer.body)
    } catch (error) {
      throw skerryErrorFrom(error, 'PEER_REFUSED', this.url, messageOf(error))
    }
  }

  #refusal({ status, body }: HttpAnswer): Error {
    return skerryError('PEER_REFUSED', this.url, `it answers ${status} ${body.slice(0, 100)}`)
  }
}

function isMissing({ status, body }: HttpAnswer): boolean {
  return status === 500 && MISSING.test(body.slice(0, 200))
}

/** When the path was deleted, if a Skerry leader says that this stands. */
function deletedAt(body: string): bigint | undefined {
  const [, digits] = /^\{"deleted":(\d{1,19})\}$/.exec(body) ?? []
  return digits === undefined ? undefined : parseInt64(digits)
}
