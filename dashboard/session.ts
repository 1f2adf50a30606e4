import { type Client, connect } from '../src/client.ts'

/** Where a tab keeps its token: gone with the tab, and never in an address. */
const TOKEN_ITEM = 'skerry token'

/** How long an answer may take before it is given up. */
const ANSWER_TIMEOUT_MS = 15_000

/** What headers can carry. */
const TOKEN = /^[\x21-\x7e]+$/

/** Why something could not be had or done. */
export class RequestError extends Error {
  /** `SKERRY_…`, as the node says; `UNREACHED` without an answer. */
  readonly code: string
  /** The HTTP status; 0 without an answer. */
  readonly status: number

  constructor(code: string, status: number, message: string) {
    super(message)
    this.name = 'RequestError'
    this.code = code
    this.status = status
  }
}

/** A page's dealings with its node, under one token or none. */
export class Session {
  readonly token: string | undefined
  #client: Client | undefined
  #unauthenticated: () => void

  /** @param unauthenticated called when the node asks for a token, or for another one */
  constructor(token: string | undefined, unauthenticated: () => void) {
    this.token = token
    this.#unauthenticated = unauthenticated
  }

  /** The live connection, made when it is first needed. */
  get client(): Client {
    const { token } = this
    this.#client ??= connect(nodeUrl(), token === undefined ? {} : { token })
    return this.#client
  }

  /**
   * Asks the node.
   * @param path from the root of the node, without the slash
   * @throws RequestError
   */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.token !== undefined) headers.set('authorization', `Bearer ${this.token}`)
    const response = await answerOf(new URL(`./${path}`, document.baseURI), { ...init, headers })
    if (response.ok || response.status === 304) return response
    if (response.status === 401) this.#unauthenticated()
    throw await refusalOf(response)
  }

  /** @throws RequestError */
  async json<T>(path: string): Promise<T> {
    const response = await this.request(path, { headers: { accept: 'application/json' } })
    return (await bodyOf(response, () => response.json())) as T
  }

  close(): void {
    this.#client?.close()
  }
}

/** The token of this tab. */
export function keptToken(): string | undefined {
  return sessionStorage.getItem(TOKEN_ITEM) ?? undefined
}

/** Keeps a token for this tab, or forgets it. @returns false if it can't be one */
export function keepToken(token: string | undefined): boolean {
  if (token === undefined) sessionStorage.removeItem(TOKEN_ITEM)
  else if (TOKEN.test(token)) sessionStorage.setItem(TOKEN_ITEM, token)
  else return false
  return true
}

/**
 * A path as it stands in an address.
 * @throws RequestError for one that an address would lead elsewhere
 */
export function addressed(path: string): string {
  if (/(^|\/)\.{0,2}(\/|$)/.test(path)) {
    throw new RequestError('PATH_INVALID', 0, `'${path}' is no path.`)
  }
  return path.split('/').map(encodeURIComponent).join('/')
}

/** Whatever was thrown, as people are told it. */
export function requestErrorOf(thrown: unknown): RequestError {
  if (thrown instanceof RequestError) return thrown
  const { code, status, message } = thrown as Partial<RequestError>
  return new RequestError(code ?? 'UNREACHED', status ?? 0, message ?? String(thrown))
}

function nodeUrl(): string {
  return new URL('.', document.baseURI).href
}

async function answerOf(url: URL, init: RequestInit): Promise<Response> {
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout
  try {
    return await fetch(url, { ...init, signal, cache: 'no-store', credentials: 'same-origin' })
  } catch (error) {
    throw unreached(error)
  }
}

/** An answer may break off half way. */
export async function bodyOf<T>(response: Response, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new RequestError('ANSWER_INVALID', response.status, 'The answer is not JSON.')
    }
    throw unreached(error)
  }
}

function unreached(error: unknown): RequestError {
  const slow = error instanceof DOMException && error.name === 'TimeoutError'
  const why = slow
    ? `no answer within ${ANSWER_TIMEOUT_MS / 1000} s`
    : 'the node can not be reached'
  return new RequestError('UNREACHED', 0, `Not known to be done: ${why}.`)
}

/** What the node says; in front of it there may be others, who say it in their own way. */
async function refusalOf(response: Response): Promise<RequestError> {
  const { status, statusText } = response
  try {
    const { code, message } = (await response.json()) as { code?: unknown; message?: unknown }
    if (typeof code === 'string' && typeof message === 'string') {
      return new RequestError(code, status, message)
    }
  } catch {
    // It is no JSON: the status says it all.
  }
  return new RequestError(`HTTP ${status}`, status, statusText || 'The request was refused.')
}
