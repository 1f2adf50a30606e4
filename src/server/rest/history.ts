import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { skerryError } from '../../core/errors.ts'
import { jsonMembers } from '../../core/json.ts'
import { isGlob, lastSegment } from '../../core/path.ts'
import type { HistoryOptions, PathVersion, PathVersions } from '../../state/past.ts'
import type { State } from '../../state/state.ts'
import { adminOnly, assertMay } from '../access/access.ts'
import { targetPath, targetQuery } from '../address.ts'
import { bodyText, JSON_TYPE } from './body.ts'
import { commitOf, shortOf } from './commit.ts'
import { sendText } from './compression.ts'
import { conditionOf, etagOf } from './conditions.ts'

/** Where the history of a path lies: here, and behind it the path. */
const HISTORY_PATH = '_skerry/history/'

const WHOLE = /^\d{1,15}$/

/**
 * The routes of what paths held before:
 *
 * - `GET /_skerry/history/{path}?limit=&before=` the versions of a path, newest first
 * - `POST /_skerry/history/{path}` `{"restore":"<version>"}` writes the data of one again
 * - `DELETE /_skerry/history/{path or glob}` lets go of what is kept, for operators
 */
export function historyRoutes(app: FastifyInstance, state: State): void {
  app.get('/_skerry/history/*', async (request, reply) => {
    const path = pathOf(request)
    assertMay(request.principal, 'read', path)
    const page = await state.history(path, rangeOf(targetQuery(request.raw.url!)))
    void reply.header('content-type', JSON_TYPE)
    return sendText(reply, pageJson(path, page))
  })
  app.post('/_skerry/history/*', (request, reply) => restore(state, request, reply))
  // Whoever may delete must not be able to wipe out the traces of it.
  app.delete('/_skerry/history/*', { onRequest: adminOnly }, async (request) => {
    return { cleared: await state.clearHistory(pathOf(request)) }
  })
}

/** Who restores must be able to see what is written, and to write it. */
async function restore(
  state: State,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<string> {
  const path = pathOf(request)
  assertMay(request.principal, 'write', path)
  assertMay(request.principal, 'read', path)
  if (isGlob(path)) throw skerryError('PATH_INVALID', path, 'a glob names many; name one of them')
  const version = versionIn(bodyText(request.body as Buffer | undefined))
  const asked = { ...conditionOf(request.headers), op: 'set' as const, path }
  const commit = commitOf(targetQuery(request.raw.url!))
  const data = await state.versionData(path, version)
  const done = await state.perform({ ...asked, data }, commit)
  const { entry } = done.result as { entry: Parameters<State['versionOf']>[0] }
  const short = await shortOf(reply, done)
  void reply.header('content-type', JSON_TYPE).header('etag', etagOf(state.versionOf(entry)))
  return JSON.stringify({ index: lastSegment(path), ...short })
}

function pathOf({ raw }: FastifyRequest): string {
  return targetPath(raw.url!).slice(HISTORY_PATH.length)
}

/** @throws SKERRY_JSON_INVALID, SKERRY_REQUEST_INVALID */
function versionIn(body: string): string {
  const members = jsonMembers(body)
  const version: unknown = JSON.parse(members.get('restore') ?? 'null')
  if (members.size === 1 && typeof version === 'string') return version
  throw skerryError('REQUEST_INVALID', 'send {"restore":"<version>"}, nothing else')
}

/** @throws SKERRY_RANGE_INVALID */
function rangeOf(query: URLSearchParams): HistoryOptions {
  const limit = whole(query, 'limit')
  const before = whole(query, 'before')
  return { ...(limit !== undefined && { limit }), ...(before !== undefined && { before }) }
}

function whole(query: URLSearchParams, name: string): number | undefined {
  const values = query.getAll(name)
  const [value] = values
  if (value === undefined) return undefined
  if (values.length > 1) throw skerryError('RANGE_INVALID', name, values.join(), 'give it once')
  // What is no number is refused where the range is checked.
  return WHOLE.test(value) ? Number(value) : NaN
}

/** As text: parsed and printed again, a large number in the data would change. */
function pageJson(path: string, { versions, next }: PathVersions): string {
  const more = next === undefined ? '' : `,"next":${next}`
  return `{"path":"${path}","versions":[${versions.map(versionJson).join(',')}]${more}}`
}

function versionJson({ version, kind, entry, writer, keptAt }: PathVersion): string {
  const { created, updated, data } = entry
  const kept = keptAt === undefined ? '' : `,"keptAt":${keptAt}`
  return (
    `{"version":"${version}","kind":"${kind}","created":${created},"updated":${updated}` +
    `,"origin":${JSON.stringify(writer)}${kept},"deleted":${data === null},"data":${data}}`
  )
}
