import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { assertJson } from '../../core/json.ts'
import { messageOf, skerryError, SkerryError } from '../../core/errors.ts'
import { isCommitLevel } from '../../events/commit.ts'
import type { Coordinator } from '../../events/coordinator.ts'
import { eventLine } from '../../events/export.ts'
import type { KeyGenerator } from '../../events/key.ts'
import type { EventLog } from '../../events/log.ts'
import type { RepairOptions } from '../../events/sweep.ts'
import type { ReplicaPage } from '../../events/storage.ts'

/** What the routes of events serve. */
export interface EventRoutesOptions {
  readonly coordinator: Coordinator
  readonly log: EventLog
  readonly generateKey: KeyGenerator
}

/** Rows of replicas that one page holds at most. */
const MAX_PAGE_ROWS = 5_000
/** Between two lines about the progress of a repair. */
const PROGRESS_MS = 500
/** Bytes of one request with replicas: more than a transport puts into one. */
const REPLICAS_BODY_LIMIT = 32 * 1024 * 1024

/**
 * The routes of the event coordinator, as a Fastify plugin:
 *
 * - `POST /_skerry/events?level=&key=` stores the JSON posted: 201 `{"key","replicas","hinted"}`
 * - `GET /_skerry/events/{key}` one event; 404
 * - `GET /_skerry/events?from=&to=` the events of the cluster in key order, NDJSON
 * - `GET /_skerry/events/intervals`, `…/status`, `…/under-replicated`
 * - `POST /_skerry/events/repair?from=&to=` a sweep, and what it found; with `progress=1` as NDJSON,
 *   how far it is first
 * - `…/replicas` what nodes say to each other
 */
export function eventRoutes(app: FastifyInstance, options: EventRoutesOptions): void {
  void app.register(
    (routes, _options, done) => {
      routes.removeAllContentTypeParsers()
      routes.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, next) => {
        next(null, body)
      })
      routes.setErrorHandler((error, request, reply) => answerError(error, request, reply))
      publicRoutes(routes, options)
      operatorRoutes(routes, options)
      replicaRoutes(routes, options)
      done()
    },
    { prefix: '/_skerry/events' },
  )
}

type Query = Readonly<Record<string, string | undefined>>

function publicRoutes(app: FastifyInstance, options: EventRoutesOptions): void {
  const { coordinator, generateKey } = options
  app.post<{ Querystring: Query; Body: string }>('/', async (request, reply) => {
    const { level, key = generateKey() } = request.query
    if (level !== undefined && !isCommitLevel(level))
      throw skerryError('EVENTS_LEVEL_INVALID', level)
    const text = jsonLine(request.body)
    const { replicas, hinted } = await coordinator.putText(key, text, level)
    return reply.code(201).send({ key, replicas, hinted })
  })
  app.get<{ Params: { key: string } }>('/:key', async (request, reply) => {
    const { key } = request.params
    const text = await coordinator.getText(key)
    if (text === undefined) throw skerryError('NOT_FOUND', key)
    return reply.type('application/json').send(text)
  })
  app.get<{ Querystring: Query }>('/', async (request, reply) => {
    const { from, to } = request.query
    return ndjson(reply, scanLines(coordinator, from, to))
  })
}

function operatorRoutes(app: FastifyInstance, { coordinator, log }: EventRoutesOptions): void {
  app.get('/intervals', async () => {
    const intervals = []
    for await (const interval of log.intervals()) intervals.push(interval)
    return intervals
  })
  app.get('/status', async () => coordinator.status())
  app.get('/under-replicated', async (_request, reply) =>
    ndjson(reply, shortfallLines(coordinator)),
  )
  app.post<{ Querystring: Query }>('/repair', async (request, reply) => {
    const { from, to, progress } = request.query
    if (progress !== '1') return coordinator.repair({ from, to })
    return ndjson(reply, repairLines(coordinator, { from, to }))
  })
}

function replicaRoutes(app: FastifyInstance, { log }: EventRoutesOptions): void {
  app.post<{ Body: string }>('/replicas', { bodyLimit: REPLICAS_BODY_LIMIT }, async (request) => {
    const rows = readReplicas(request.body)
    return Promise.all(
      rows.map(async ([key, text]) => {
        try {
          await log.writeReplica(key, jsonLine(text))
          return null
        } catch (error) {
          return codeOf(error)
        }
      }),
    )
  })
  app.get<{ Params: { key: string } }>('/replicas/:key', async (request, reply) => {
    const text = await log.readReplica(request.params.key)
    if (text === undefined) throw skerryError('NOT_FOUND', request.params.key)
    return reply.type('application/json').send(text)
  })
  app.get<{ Querystring: Query }>('/replicas', async (request): Promise<ReplicaPage> => {
    const { from = '', below, digests } = request.query
    const limit = Math.min(Number(request.query['limit']) || MAX_PAGE_ROWS, MAX_PAGE_ROWS)
    return log.rangeReplicas({ from, below, limit, digests: digests === '1' })
  })
}

async function* scanLines(coordinator: Coordinator, from?: string, to?: string) {
  for await (const batch of coordinator.scanTexts({ from, to })) {
    yield batch.map(eventLine).join('')
  }
}

/** How far it is, each second at most; last its report, or why it failed. */
async function* repairLines(coordinator: Coordinator, range: RepairOptions) {
  let seen = 0
  let last = ''
  let isOver = false
  const report = coordinator
    .repair({ ...range, onProgress: (events, key) => ([seen, last] = [events, key]) })
    .then(
      (found) => ({ report: found }),
      (error: unknown) => ({ code: codeOf(error), message: messageOf(error) }),
    )
    .finally(() => (isOver = true))
  const pause = () => Promise.race([report, sleep(PROGRESS_MS, undefined, { ref: false })])
  for (await pause(); !isOver; await pause()) {
    if (last !== '') yield `${JSON.stringify({ seen, key: last })}\n`
  }
  yield `${JSON.stringify(await report)}\n`
}

async function* shortfallLines(coordinator: Coordinator) {
  for await (const shortfall of coordinator.underReplicated()) {
    yield `${JSON.stringify(shortfall)}\n`
  }
}

function ndjson(reply: FastifyReply, lines: AsyncIterable<string>): FastifyReply {
  return reply.type('application/x-ndjson').send(Readable.from(lines))
}

/** JSON text on one line: a line break can only stand between its tokens. */
function jsonLine(text: unknown): string {
  if (typeof text !== 'string') throw skerryError('JSON_INVALID', 'a body is expected')
  assertJson(text)
  return text.replace(/[\r\n]+/g, ' ')
}

function readReplicas(body: string): readonly (readonly [key: string, text: string])[] {
  const rows: unknown = JSON.parse(jsonLine(body))
  const isReplica = (row: unknown): row is readonly [string, string] =>
    Array.isArray(row) && typeof row[0] === 'string' && typeof row[1] === 'string'
  if (Array.isArray(rows) && rows.every(isReplica)) return rows
  throw skerryError('JSON_INVALID', 'an array of [key, text] is expected')
}

/** What a program goes by. */
function codeOf(error: unknown): string {
  return error instanceof SkerryError ? error.code : messageOf(error)
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof SkerryError) {
    return reply.code(error.status).send({ code: error.code, message: error.message })
  }
  const { statusCode = 500, code = 'INTERNAL' } = error as { statusCode?: number; code?: string }
  if (statusCode >= 500) request.log.error(error)
  return reply.code(statusCode).send({ code, message: messageOf(error) })
}
