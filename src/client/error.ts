import { clientErrors } from '../core/errors/client.ts'

type Table = typeof clientErrors

/** What a node answers when it refuses something. */
export interface Refusal {
  readonly code: string
  readonly status: number
  readonly message: string
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

  constructor({ code, status, message }: Refusal, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
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
