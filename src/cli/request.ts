import { type Command, Option } from 'commander'
import { type ErrorCode, SkerryError, skerryError } from '../index.ts'

/** The flags of every command that asks a node. */
export interface NodeFlags {
  readonly url: string
  readonly token?: string
  readonly json?: true
}

/** A question to a node. */
export interface Question {
  readonly method?: 'GET' | 'POST'
  readonly body?: string
  /** The node must begin to answer by then, in milliseconds. Default 10,000. */
  readonly patienceMs?: number
  readonly signal?: AbortSignal
}

const PATIENCE_MS = 10_000

/** A line of NDJSON that never ends. */
const LINE_MAX = 64 * 1024 * 1024

/** Adds `--url`, `--token` and `--json`. */
export function addNodeFlags(command: Command): Command {
  const url = new Option('--url <url>', 'the node to ask').env('SKERRY_URL')
  return command
    .addOption(url.default('http://127.0.0.1:8800'))
    .addOption(new Option('--token <token>', 'the token to show it').env('SKERRY_TOKEN'))
    .option('--json', 'print JSON')
}

/**
 * Asks a node.
 * @returns its answer, if it did what was asked
 * @throws what the node answered with; SKERRY_NODE_UNREACHABLE if it did not answer
 */
export async function ask(
  { url, token }: Pick<NodeFlags, 'url' | 'token'>,
  path: string,
  question: Question = {},
): Promise<Response> {
  if (!URL.canParse(path, url) || !/^https?:$/.test(new URL(path, url).protocol)) {
    throw skerryError('OPTION_INVALID', '--url', url, 'it must be an http:// or https:// address')
  }
  const { method = 'GET', body, patienceMs = PATIENCE_MS, signal } = question
  const abort = new AbortController()
  const late = setTimeout(() => abort.abort(new Error('it does not answer')), patienceMs)
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
  if (body !== undefined) headers['content-type'] = 'application/json'
  const init = {
    ...{ method, headers, ...(body !== undefined && { body }) },
    signal: signal ? AbortSignal.any([signal, abort.signal]) : abort.signal,
  }
  let response: Response
  try {
    response = await fetch(new URL(path, url), init)
  } catch (error) {
    throw skerryError('NODE_UNREACHABLE', url, whyOf(error))
  } finally {
    clearTimeout(late)
  }
  if (response.ok) return response
  throw refusal(url, response.status, await response.text())
}

/** The lines of an answer, without those that are empty. */
export async function* linesOf(response: Response, url: string): AsyncGenerator<string, void> {
  if (response.body === null) return
  let rest = ''
  try {
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > LINE_MAX) throw new Error('a line never ends')
      for (const line of lines) if (line !== '') yield line
    }
  } catch (error) {
    throw skerryError('NODE_UNREACHABLE', url, `the answer broke off: ${whyOf(error)}`)
  }
  if (rest !== '') throw skerryError('NODE_UNREACHABLE', url, 'the answer broke off')
}

/** What the node said was wrong, as if it had happened here. */
function refusal(url: string, status: number, text: string): SkerryError {
  try {
    const { code, message } = JSON.parse(text) as { code: ErrorCode; message: string }
    if (/^SKERRY_\w+$/.test(code)) return new SkerryError(code, status, message)
  } catch {
    // Not a node of ours, or a proxy before it.
  }
  return skerryError('NODE_UNREACHABLE', url, `it answered ${status}: ${text.slice(0, 200)}`)
}

/** `fetch` says "fetch failed" and keeps the reason as its cause. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message
}
