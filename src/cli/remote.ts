import { type Command, Option } from 'commander'
import { SkerryError, skerryError } from '../index.ts'
import { linesOf } from './lines.ts'
import { addTlsFlags, type ClientTls, fetchOver, type TlsFlags, tlsOf } from './tls.ts'

/** The flags of every command that asks a node. */
export interface RemoteFlags extends TlsFlags {
  readonly url: string
  readonly token?: string
}

/** How a node is asked. */
export interface Asked {
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Waits for the answer however long it takes: for answers that are streams. Default false. */
  readonly unhurried?: boolean
  /** Aborted when nobody wants the answer any more. */
  readonly signal?: AbortSignal
}

/** A node that takes longer to answer is as good as gone. */
const PATIENCE_MS = 30_000

/** Adds the flags that say which node to ask, and as whom. */
export function addRemoteFlags(command: Command): Command {
  const url = new Option('--url <url>', 'the node to ask').env('SKERRY_URL')
  const token = new Option('--token <token>', 'who asks, where the node wants to know')
  command.addOption(url.default('http://127.0.0.1:8800')).addOption(token.env('SKERRY_TOKEN'))
  return addTlsFlags(command)
}

/** A node, as the commands ask it over HTTP. */
export class Remote {
  readonly url: string
  /** What is shown and trusted over TLS; undefined: nothing, and what Node trusts. */
  readonly tls: ClientTls | undefined
  readonly #authorization: Readonly<Record<string, string>>

  #fetch: Promise<typeof fetch> | undefined

  /** @throws SKERRY_OPTION_INVALID if the address is none, or what is to be shown over TLS can't be */
  constructor(flags: RemoteFlags) {
    const { url, token } = flags
    if (!URL.canParse('/', url) || !/^https?:/.test(url)) {
      throw skerryError('OPTION_INVALID', '--url', url, 'it must be an http:// or https:// address')
    }
    this.url = url
    this.tls = url.startsWith('https:') ? tlsOf(flags) : undefined
    this.#authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /**
   * Asks the node and waits for its answer.
   * @throws SKERRY_NODE_UNREACHABLE, or the error that the node answers
   */
  async ask(method: string, target: string, asked: Asked = {}): Promise<Response> {
    const { body, headers, unhurried = false, signal } = asked
    const ends = signal === undefined ? [] : [signal]
    if (!unhurried) ends.push(AbortSignal.timeout(PATIENCE_MS))
    this.#fetch ??= this.tls === undefined ? Promise.resolve(fetch) : fetchOver(this.tls)
    const fetched = await this.#fetch
    const response = await fetched(new URL(target, this.url), {
      method,
      headers: { ...this.#authorization, ...headers },
      ...(body !== undefined && { body }),
      signal: AbortSignal.any(ends),
    }).catch((error: Error) => {
      throw skerryError('NODE_UNREACHABLE', this.url, whyOf(error))
    })
    if (response.ok) return response
    throw refusalOf(this.url, target, { status: response.status, text: await response.text() })
  }

  /**
   * The bytes of an answer, as they come.
   * @throws SKERRY_NODE_UNREACHABLE if it is cut short
   */
  async *bodyOf(response: Response): AsyncGenerator<Uint8Array> {
    try {
      yield* response.body ?? []
    } catch (error) {
      throw skerryError('NODE_UNREACHABLE', this.url, `it was cut off: ${whyOf(error as Error)}`)
    }
  }
}

/**
 * Asks the node for NDJSON, however long that is.
 * @throws SKERRY_NODE_UNREACHABLE if it is cut short, or the error that the node answers
 */
export async function* answerLines(
  remote: Remote,
  method: string,
  target: string,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const asked = { unhurried: true, ...(signal !== undefined && { signal }) }
  const response = await remote.ask(method, target, asked)
  const decoder = new TextDecoder()
  async function* texts() {
    for await (const piece of remote.bodyOf(response)) yield decoder.decode(piece, { stream: true })
  }
  yield* linesOf(texts(), remote.url)
}

/** `users/42` → `/users/42`, whatever characters a mistyped path has. */
export function targetOf(path: string): string {
  return `/${path.split('/').map(encodeURIComponent).join('/').replaceAll('%2A', '*')}`
}

/** A target with a query, as far as it has values. */
export function withQuery(
  target: string,
  values: Readonly<Record<string, string | readonly string[] | undefined>>,
): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    for (const each of [value ?? []].flat()) query.append(name, each)
  }
  return query.size === 0 ? target : `${target}?${query.toString()}`
}

/** What a node must be started with to have the routes of a part. */
const PARTS = { cluster: '--cluster', events: '--replication-factor' } as const

/** What the node says it is, if it is a Skerry node that speaks. */
function refusalOf(
  url: string,
  target: string,
  { status, text }: { readonly status: number; readonly text: string },
): SkerryError {
  try {
    const { code, message } = JSON.parse(text) as { code?: unknown; message?: unknown }
    if (typeof code === 'string' && /^SKERRY_\w+$/.test(code)) {
      const part = /^\/_skerry\/(cluster|events)\b/.exec(target)?.[1] as
        keyof typeof PARTS | undefined
      // A node without the part takes its routes for paths, and no path begins like them.
      const lacks = part !== undefined && code.startsWith('SKERRY_PATH_')
      if (lacks) return skerryError('NODE_LACKS', url, part, PARTS[part])
      return new SkerryError(code as SkerryError['code'], status, String(message))
    }
  } catch {
    // Not one of ours: told as it came, below.
  }
  return skerryError('NODE_UNREACHABLE', url, `it answered ${status}: ${text.slice(0, 200)}`)
}

/** `fetch` says "fetch failed" and keeps the reason as its cause. */
function whyOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message
}
