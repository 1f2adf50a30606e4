import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { STATUS_CODES } from 'node:http'
import { SkerryError, skerryError, skerryErrorFrom } from '../core/errors.ts'
import { BatchError } from '../state/batch.ts'
import type { Logger } from './log.ts'

/** What a 401 asks for. */
const CHALLENGE = 'Bearer realm="skerry"'

/** When to come again who asked too often, if nothing is known better. */
const RETRY_AFTER_SECONDS = 60

/** The body of every answer that is an error. */
export function failureJson(failure: SkerryError): string {
  const { code, message } = failure
  return JSON.stringify({
    code,
    message,
    ...(failure instanceof BatchError && { item: failure.item }),
  })
}

/** Turns what a route or Fastify threw into the error that the client is told. */
export function failureOf(thrown: unknown, bodyLimitBytes: number): SkerryError {
  if (thrown instanceof SkerryError) return thrown
  const { code, statusCode, message } = thrown as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return skerryError('BODY_TOO_LARGE', bodyLimitBytes)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return skerryError('CONTENT_TYPE_INVALID')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return skerryErrorFrom(thrown, 'REQUEST_INVALID', message ?? 'it is malformed')
  }
  return skerryErrorFrom(thrown, 'INTERNAL')
}

/** Answers a failed request. */
export function answerFailure(
  failure: SkerryError,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): void {
  if (failure.status >= 500) {
    const { method, url } = request
    logger.error({ err: failure, method, url }, 'a request failed')
  }
  if (failure.status === 401) void reply.header('www-authenticate', CHALLENGE)
  void reply
    .code(failure.status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(failureJson(failure))
}

const clientFailures: Record<string, () => SkerryError> = {
  ERR_HTTP_REQUEST_TIMEOUT: () => skerryError('REQUEST_TIMEOUT'),
  HPE_HEADER_OVERFLOW: () => skerryError('HEADERS_TOO_LARGE'),
}

/** Answers what Node could not even read as HTTP. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const known = clientFailures[error.code ?? '']
  answerRaw(socket, known?.() ?? skerryError('REQUEST_INVALID', error.message))
}

/** Answers on the bare socket, where no HTTP response is to be had, and closes it. */
export function answerRaw(socket: Duplex, failure: SkerryError): void {
  const body = failureJson(failure)
  const head = [
    `HTTP/1.1 ${failure.status} ${STATUS_CODES[failure.status]}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    ...(failure.status === 401 ? [`www-authenticate: ${CHALLENGE}`] : []),
    ...(failure.status === 429 ? [`retry-after: ${RETRY_AFTER_SECONDS}`] : []),
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
