import { clientErrors } from '../core/errors/client.ts'

type Table = typeof clientErrors

/** What a node answers when it refuses something. */
export interface Refusal {
  readonly code: string
  readonly status: number
  readonly message: string
  /** With SKERRY_COMMIT_UNREACHED: where it was written; left out for a delete. */
  readonly path?: string
  /** With SKERRY_COMMIT_UNREACHED: ids of nodes that have the write. */
  readonly committed?: readonly string[]
  /** With SKERRY_COMMIT_UNREACHED: nodes that count, and are not known to have it. */
  readonly missing?: readonly string[]
}

/**
 * Every error that a client reports, its own or the node's. The codes are those of docs/errors.md; a node may be
 * newer than its clients and so have codes that they don't know, which is why `code` is any text.
 *
 * @example
 * try {
 *   await client.set('users/ada', { name: 'Ada' })
 * } catch (error) {
 *   if (error instanceof ClientError && error.code === 'SKERRY_OFFLINE') …
 * }
 */
export class ClientError extends Error {
  /** Stable code, `SKERRY_…`. */
  readonly code: string
  /** The HTTP status that goes with it. */
  readonly status: number
  /** All that is known of it: with SKERRY_COMMIT_UNREACHED, which nodes have the write. */
  readonly refusal: Refusal

  constructor(refusal: Refusal, cause?: unknown) {
    const { code, status, message } = refusal
    super(message, cause === undefined ? undefined : { cause })
    this.refusal = refusal
    this.name = 'ClientError'
    this.code = code
    this.status = status
  }
}

/** Makes (does not throw) one of the client's own errors. */
export function clientError<N extends keyof Table>(
  name: N,
  ...given: Parameters<Table[N]['message']>
): ClientError {
  const { status, message } = clientErrors[name]
  const text = (message as (...args: unknown[]) => string)(...given)
  return new ClientError({ code: `SKERRY_${name}`, status, message: text })
}
