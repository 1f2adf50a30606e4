import type { FastifyInstance, FastifyRequest } from 'fastify'
import { skerryError } from '../../core/errors.ts'
import { jsonElements, jsonKind, splitElements, splitMembers } from '../../core/json.ts'
import { lastSegment } from '../../core/path.ts'
import { MAX_BATCH_WRITES, ofItem } from '../../state/batch.ts'
import type { State } from '../../state/state.ts'
import type { PatchForm, WriteRequest, WriteResult } from '../../state/writing.ts'
import { assertMay } from '../access/access.ts'
import { targetQuery } from '../address.ts'
import { turnEnd } from '../turn.ts'
import { bodyText, JSON_TYPE } from './body.ts'
import { commitOf, shortOf } from './commit.ts'

/** What a write of a batch may say, by what it does. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  set: ['op', 'path', 'data', 'ifMatch', 'ifNoneMatch'],
  push: ['op', 'path', 'data'],
  patch: ['op', 'path', 'data', 'form', 'ifMatch', 'ifNoneMatch'],
  delete: ['op', 'path', 'ifMatch', 'ifNoneMatch'],
}

const FORMS: readonly string[] = ['merge', 'merge-patch', 'json-patch'] satisfies PatchForm[]

/** The route of batches: several writes, all or none. */
export function batchRoute(app: FastifyInstance, state: State): void {
  app.post('/_skerry/batch', async (request, reply) => {
    const requests = readBatch(bodyText(request.body as Buffer | undefined))
    for (const [item, write] of requests.entries()) assertRight(request, write, item)
    const options = commitOf(targetQuery(request.raw.url!))
    await turnEnd()
    const done = await state.performAll(requests, options)
    const short = await shortOf(reply, done)
    void reply.header('content-type', JSON_TYPE)
    const results = done.result.map((result, item) => resultOf(state, result, requests[item]!))
    return JSON.stringify(short === undefined ? results : { results, ...short })
  })
}

function assertRight(request: FastifyRequest, { op, path }: WriteRequest, item: number): void {
  try {
    assertMay(request.principal, op === 'delete' ? 'delete' : 'write', path)
  } catch (error) {
    throw ofItem(item, error)
  }
}

function resultOf(state: State, result: WriteResult, { path }: WriteRequest): object {
  if ('deleted' in result) return { path, deleted: result.deleted }
  const { entry } = result
  const index = lastSegment(entry.path)
  return { index, path: entry.path, version: state.versionOf(entry) }
}

/**
 * Reads the body of a batch; data keeps the very text it came as.
 * @throws SKERRY_JSON_INVALID, SKERRY_BATCH_INVALID, SKERRY_BATCH_TOO_LARGE
 */
function readBatch(body: string): WriteRequest[] {
  const items = jsonElements(body)
  if (items.length > MAX_BATCH_WRITES) throw skerryError('BATCH_TOO_LARGE', MAX_BATCH_WRITES)
  return items.map((text, item) => {
    try {
      return readWrite(text)
    } catch (error) {
      throw ofItem(item, error)
    }
  })
}

function readWrite(text: string): WriteRequest {
  if (jsonKind(text) !== 'object') throw invalid('an object is expected')
  const members = splitMembers(text)
  const op = readString(members, 'op')
  const known = Object.hasOwn(MEMBERS, op) ? MEMBERS[op]! : undefined
  if (known === undefined) throw invalid("'op' must be set, push, patch or delete")
  for (const name of members.keys()) {
    if (!known.includes(name)) throw invalid(`'${name}' does not go with ${op}`)
  }
  const data = members.get('data')
  if (known.includes('data') && data === undefined) throw invalid("'data' is missing")
  const form = members.has('form') ? readString(members, 'form') : undefined
  if (form !== undefined && !FORMS.includes(form)) {
    throw invalid(`'form' must be one of ${FORMS.join(', ')}`)
  }
  const ifMatch = readVersions(members, 'ifMatch')
  const ifNoneMatch = readVersions(members, 'ifNoneMatch')
  return {
    op,
    path: readString(members, 'path'),
    ...(data !== undefined && { data }),
    ...(form !== undefined && { form }),
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
  } as WriteRequest
}

function readVersions(
  members: ReadonlyMap<string, string>,
  name: string,
): string | string[] | undefined {
  const text = members.get(name)
  if (text === undefined) return undefined
  const texts = jsonKind(text) === 'array' ? splitElements(text) : [text]
  if (texts.some((version) => jsonKind(version) !== 'string')) {
    throw invalid(`'${name}' must be *, a version or a list of versions`)
  }
  const versions = texts.map((version) => JSON.parse(version) as string)
  return jsonKind(text) === 'array' ? versions : versions[0]
}

function readString(members: ReadonlyMap<string, string>, name: string): string {
  const text = members.get(name)
  if (text === undefined || jsonKind(text) !== 'string') throw invalid(`'${name}' must be a string`)
  return JSON.parse(text) as string
}

function invalid(why: string): Error {
  return skerryError('BATCH_INVALID', why)
}
