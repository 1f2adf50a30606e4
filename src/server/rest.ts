import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isUtf8 } from 'node:buffer'
import { entryJson } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import { isGlob, lastSegment } from '../core/path.ts'
import type { PatchForm, State } from '../state/state.ts'
import { assertMay } from './access.ts'
import { targetPath } from './address.ts'

/** The methods of a path or glob. */
export const METHODS = 'GET, HEAD, POST, PATCH, DELETE'

const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * The routes of paths and globs. Answers are put together as text from the entries' own JSON, which is never
 * parsed: int64 stay exact, and it is fast.
 */
export function restRoutes(state: State) {
  return async function rest(app: FastifyInstance): Promise<void> {
    // Whatever the content type says: the body is checked as JSON and kept as it came.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.get('/*', (request, reply) => read(state, request, reply))
    app.post('/*', (request, reply) => write(state, request, reply))
    app.patch('/*', (request, reply) => patch(state, request, reply))
    app.delete('/*', (request, reply) => remove(state, request, reply))
  }
}

async function read(state: State, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const path = targetPath(request.raw.url!)
  assertMay(request.principal, 'read', path)
  void reply.header('content-type', JSON_TYPE)
  if (isGlob(path)) {
    const entries = await state.list(path)
    return `[${entries.map(entryJson).join(',')}]`
  }
  const entry = await state.get(path)
  if (entry === undefined) throw skerryError('NOT_FOUND', path)
  return entryJson(entry)
}

async function write(state: State, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const path = targetPath(request.raw.url!)
  assertMay(request.principal, 'write', path)
  const data = bodyText(request.body as Buffer | undefined)
  const entry = isGlob(path) ? await state.push(path, data) : await state.set(path, data)
  void reply.header('content-type', JSON_TYPE)
  return `{"index":"${lastSegment(entry.path)}"}`
}

/** How a PATCH is to be read, by its content type; merging is the way of every other one. */
const FORMS: Readonly<Record<string, PatchForm>> = {
  'application/json-patch+json': 'json-patch',
  'application/merge-patch+json': 'merge-patch',
}

async function patch(state: State, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const path = targetPath(request.raw.url!)
  assertMay(request.principal, 'write', path)
  const [type = ''] = (request.headers['content-type'] ?? '').split(';')
  const body = bodyText(request.body as Buffer | undefined)
  const entry = await state.patch(path, body, FORMS[type.trim().toLowerCase()] ?? 'merge')
  void reply.header('content-type', JSON_TYPE)
  return `{"index":"${lastSegment(entry.path)}"}`
}

async function remove(
  state: State,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const path = targetPath(request.raw.url!)
  assertMay(request.principal, 'delete', path)
  const deleted = await state.delete(path)
  if (deleted === 0 && !isGlob(path)) throw skerryError('NOT_FOUND', path)
  return reply.code(204).send()
}

/** The body as text, exactly: bytes that are not UTF-8 would be replaced in silence otherwise. */
function bodyText(body: Buffer | undefined): string {
  if (body === undefined) throw skerryError('JSON_INVALID', 'it is empty')
  if (!isUtf8(body)) throw skerryError('JSON_INVALID', 'it is not UTF-8')
  return body.toString('utf8')
}
