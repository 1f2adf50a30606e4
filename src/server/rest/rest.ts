import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Entry, entryJson } from '../../core/entry.ts'
import { skerryError } from '../../core/errors.ts'
import { isGlob, lastSegment, STATUS_PATH } from '../../core/path.ts'
import type { State } from '../../state/state.ts'
import type { Performed } from '../../state/commitment.ts'
import type { PatchForm, WriteRequest, WriteResult } from '../../state/writing.ts'
import { assertMay } from '../access/access.ts'
import { targetPath, targetQuery } from '../address.ts'
import { turnEnd } from '../turn.ts'
import { Answers } from './answers.ts'
import { batchRoute } from './batch.ts'
import { bodyReader, bodyText, JSON_TYPE } from './body.ts'
import { commitOf, shortOf } from './commit.ts'
import { sendText } from './compression.ts'
import { conditionOf, etagOf } from './conditions.ts'
import { historyRoutes } from './history.ts'
import { rangeOf } from './query.ts'

/** The methods of a path or glob. */
export const METHODS = 'GET, HEAD, POST, PATCH, DELETE'

/** What the routes have beside the state. */
export interface RestParts {
  /** Where {@link STATUS_PATH} lies. */
  readonly status: State
  /** Called before a path or glob is read; nobody waits for it. */
  readonly beforeRead: (pattern: string) => void
}

/**
 * The routes of paths and globs. Answers are put together as text from the entries' own JSON, which is never
 * parsed: int64 stay exact, and it is fast.
 */
export function restRoutes(state: State, { status, beforeRead }: RestParts) {
  return async function rest(app: FastifyInstance): Promise<void> {
    // Whatever the content type says: the body is checked as JSON and kept as it came.
    app.removeAllContentTypeParsers()
    const reader = bodyReader(app.initialConfig.bodyLimit!)
    // Named, the usual type is found at once.
    for (const type of ['application/json', '*']) app.addContentTypeParser(type, reader)
    const [ofState, ofStatus] = [new Answers(state), new Answers(status)]
    app.get('/*', (request, reply) => {
      const path = targetPath(request.raw.url!)
      assertMay(request.principal, 'read', path)
      beforeRead(path)
      const from = path === STATUS_PATH ? ofStatus : ofState
      void reply.header('content-type', JSON_TYPE)
      return turnEnd().then(() =>
        isGlob(path) ? list(from.state, path, request, reply) : read(from, path, request, reply),
      )
    })
    app.post('/*', (request, reply) => write(state, request, reply))
    app.patch('/*', (request, reply) => patch(state, request, reply))
    app.delete('/*', (request, reply) => remove(state, request, reply))
    batchRoute(app, state)
    historyRoutes(app, state)
  }
}

async function list(
  state: State,
  glob: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const entries = await state.list(glob, rangeOf(targetQuery(request.raw.url!)))
  return sendText(reply, `[${entries.map(entryJson).join(',')}]`)
}

/** Most reads find what they look for in memory, and wait for no promise of their own. */
function read(
  answers: Answers,
  path: string,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | Promise<FastifyReply> {
  const found = answers.state.read(path)
  if (found instanceof Promise) return found.then((entry) => show(answers, entry, request, reply))
  return show(answers, found, request, reply)
}

function show(
  answers: Answers,
  entry: Entry | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  if (entry === undefined) throw skerryError('NOT_FOUND', targetPath(request.raw.url!))
  const { etag, text } = answers.of(entry)
  void reply.header('etag', etag)
  const ifNoneMatch = conditionOf(request.headers)?.ifNoneMatch
  if (ifNoneMatch !== undefined && answers.state.isVersion(entry, ifNoneMatch))
    return reply.code(304).send()
  return sendText(reply, text)
}

function write(state: State, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const path = targetPath(request.raw.url!)
  assertMay(request.principal, 'write', path)
  const data = bodyText(request.body as Buffer | undefined)
  const condition = conditionOf(request.headers)
  const glob = isGlob(path)
  if (glob && condition?.ifMatch !== undefined) {
    throw skerryError('CONDITION_INVALID', 'a push makes a new entry; leave If-Match out')
  }
  const op = glob ? 'push' : 'set'
  // A spread costs as much as checking the data.
  const asked: WriteRequest =
    condition === undefined ? { op, path, data } : { ...condition, op, path, data }
  // A function that waits costs a promise more, and so does one that returns what another waits for.
  return performed(state, request, asked).then((done) => written(state, reply, done))
}

function performed(
  state: State,
  { raw }: FastifyRequest,
  asked: WriteRequest,
): Promise<Performed<WriteResult>> {
  const target = raw.url!
  const options = target.includes('?') ? commitOf(targetQuery(target)) : undefined
  return turnEnd().then(() => state.perform(asked, options))
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
  const form = FORMS[type.trim().toLowerCase()] ?? 'merge'
  const body = bodyText(request.body as Buffer | undefined)
  const asked = { ...conditionOf(request.headers), op: 'patch' as const, path, data: body, form }
  return written(state, reply, await performed(state, request, asked))
}

function written(
  state: State,
  reply: FastifyReply,
  done: Performed<WriteResult>,
): string | Promise<string> {
  const { entry } = done.result as { entry: Entry }
  const index = lastSegment(entry.path)
  void reply.header('content-type', JSON_TYPE).header('etag', etagOf(state.versionOf(entry)))
  if (done.commitment === undefined) return JSON.stringify({ index })
  return shortOf(reply, done).then((short) => JSON.stringify({ index, ...short }))
}

async function remove(
  state: State,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const path = targetPath(request.raw.url!)
  assertMay(request.principal, 'delete', path)
  const asked = { ...conditionOf(request.headers), op: 'delete' as const, path }
  const done = await performed(state, request, asked)
  const { deleted } = done.result as { deleted: number }
  if (deleted === 0 && !isGlob(path)) throw skerryError('NOT_FOUND', path)
  const short = await shortOf(reply, done)
  if (short === undefined) return reply.code(204).send()
  const body = JSON.stringify({ index: lastSegment(path), ...short })
  return reply.header('content-type', JSON_TYPE).send(body)
}
