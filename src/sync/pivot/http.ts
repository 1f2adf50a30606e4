/** One request to a peer. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Absolute, `http:` or `https:`. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The whole exchange may take so long. */
  readonly timeoutMs: number
  /** Where a longer answer is cut off, as a failure. */
  readonly maxBytes: number
}

/** What a peer answered, whatever its status. */
export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

/** The port to HTTP. No redirect is ever followed. */
export interface HttpClient {
  /** Rejects if no whole answer comes. */
  request(request: HttpRequest): Promise<HttpAnswer>
  /** Ends what is under way; nothing is requested after it. */
  close(): Promise<void>
}

/** How long most exchanges may take: what pivot's own client allows. */
export const EXCHANGE_LIMIT_MS = 30_000

/** How long a node may take to answer a trigger or a ping. */
export const TRIGGER_LIMIT_MS = 5000

/** The longest answer that holds a list of entries. */
export const MAX_LIST_BYTES = 256 * 1024 * 1024

/** The longest answer of any other kind. */
export const MAX_ANSWER_BYTES = 64 * 1024

/** Says which node a write comes from, as `host:port`. */
export const ORIGINATOR_HEADER = 'x-pivot-originator'
