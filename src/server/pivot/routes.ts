import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isUtf8 } from 'node:buffer'
import { skerryError } from '../../core/errors.ts'
import { parseInt64 } from '../../core/json.ts'
import { EVERYTHING } from '../../core/path.ts'
import { ORIGINATOR_HEADER } from '../../sync/pivot/http.ts'
import type { Pivot } from '../../sync/pivot/pivot.ts'
import { PIVOT_PROTOCOL, PIVOT_ROUTE } from '../../sync/pivot/wire.ts'
import type { Verb } from '../access/access.ts'
import { targetPath, targetQuery } from '../address.ts'
import type { PivotGate } from './gate.ts'
import { nodesJson } from './status.ts'

/** What the routes of the pivot protocol serve. */
export interface PivotRoutesOptions {
  readonly pivot: Pivot
  readonly gate: PivotGate
  readonly nodeId: string
  /** Whether native links are taken. */
  readonly offersLink: boolean
}

const JSON_TYPE = 'application/json; charset=utf-8'
const TEXT_TYPE = 'text/plain; charset=utf-8'

/** A node that fetches for longer than this answers its leader, and fetches on: leaders wait for 5 s. */
const PULL_ANSWER_MS = 4000

/**
 * The routes below `/_pivot`, by which Go nodes and their leaders keep in step. Go nodes heed hardly more than the
 * status: 200 is fine, all else is not.
 */
export function pivotRoutes(options: PivotRoutesOptions) {
  return async function pivot(app: FastifyInstance): Promise<void> {
    const routes = new PivotRoutes(options)
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.addHook('onRequest', (request) => options.gate.enter(request))
    const open = { config: { open: true } }
    const known = { config: { open: options.gate.signed } }
    // Nothing is told and nothing is changed by these, so leaders and nodes need no credentials for them.
    app.get(`${PIVOT_ROUTE}/version`, open, () => routes.version())
    for (const route of ['/pivot', '/synchronize/pivot']) {
      app.get(PIVOT_ROUTE + route, open, (request, reply) => routes.pull(request, reply))
    }
    app.get(`${PIVOT_ROUTE}/synchronize/node`, open, (_request, reply) => routes.synchronize(reply))
    app.get(`${PIVOT_ROUTE}/health/nodes`, known, (request, reply) => routes.health(request, reply))
    app.get(`${PIVOT_ROUTE}/activity/*`, known, (request, reply) => routes.activity(request, reply))
    app.get(`${PIVOT_ROUTE}/pivot/*`, known, (request, reply) => routes.read(request, reply))
    app.post(`${PIVOT_ROUTE}/pivot/*`, known, (request, reply) => routes.post(request, reply))
    app.delete(`${PIVOT_ROUTE}/pivot/*`, known, (request, reply) => routes.delete(request, reply))
  }
}

class PivotRoutes {
  readonly #options: PivotRoutesOptions

  constructor(options: PivotRoutesOptions) {
    this.#options = options
  }

  async version(): Promise<unknown> {
    const { nodeId, offersLink } = this.#options
    const skerry = { node: nodeId, link: offersLink }
    return { protocol: PIVOT_PROTOCOL, package: 'skerry', skerry }
  }

  async pull(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const key = targetQuery(request.raw.url!).get('key') ?? undefined
    return this.#pulled(reply, this.#options.pivot.pull(key))
  }

  async synchronize(reply: FastifyReply): Promise<FastifyReply> {
    return this.#pulled(reply, this.#options.pivot.synchronize())
  }

  async health(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    await this.#admit(request, 'admin', EVERYTHING)
    return reply.type(JSON_TYPE).send(nodesJson(this.#options.pivot.status))
  }

  async activity(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const base = rest(request, '/activity/')
    await this.#admit(request, 'read', base)
    const { lastEntry, place } = await this.#options.pivot.activity(base)
    const told = place === undefined ? '' : `,"place":${JSON.stringify(place)}`
    return reply.type(JSON_TYPE).send(`{"lastEntry":${lastEntry}${told}}`)
  }

  async read(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const target = rest(request, '/pivot/')
    await this.#admit(request, 'read', this.#options.pivot.keyOf(target))
    const since = targetQuery(request.raw.url!).get('since') ?? undefined
    const json = await this.#options.pivot.read(target, request.headers[ORIGINATOR_HEADER], since)
    if (json === undefined) return reply.code(500).type(TEXT_TYPE).send('not found')
    return reply.type(JSON_TYPE).send(json)
  }

  async post(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const path = rest(request, '/pivot/')
    await this.#admit(request, 'write', path)
    const body = bodyText(request.body as Buffer | undefined)
    const originator = request.headers[ORIGINATOR_HEADER]
    const { deleted, hidden } = await this.#options.pivot.post(path, body, originator)
    // Go nodes read no more than the status. Skerry nodes need not infer anything from absence.
    if (deleted !== undefined) return reply.type(JSON_TYPE).send(`{"deleted":${deleted}}`)
    if (hidden) return reply.type(JSON_TYPE).send('{"hidden":true}')
    return reply.send()
  }

  async delete(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const target = rest(request, '/pivot/')
    const slash = target.lastIndexOf('/')
    const path = target.slice(0, Math.max(slash, 0))
    await this.#admit(request, 'delete', path)
    const time = parseInt64(target.slice(slash + 1))
    if (time < 0n) throw skerryError('REQUEST_INVALID', 'the time of a delete is negative')
    await this.#options.pivot.delete(path, time, request.headers[ORIGINATOR_HEADER])
    return reply.send()
  }

  #admit(request: FastifyRequest, verb: Verb, pattern: string): void | Promise<void> {
    return this.#options.gate.admit(request, verb, pattern)
  }

  async #pulled(reply: FastifyReply, pulled: Promise<boolean>): Promise<FastifyReply> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<true>((resolve) => {
      timer = setTimeout(() => resolve(true), PULL_ANSWER_MS)
    })
    const follows = await Promise.race([pulled, late]).finally(() => clearTimeout(timer))
    if (follows) return reply.send()
    return reply.code(400).type(TEXT_TYPE).send('no syncers configured')
  }
}

/** What of the target follows the prefix. */
function rest(request: FastifyRequest, prefix: string): string {
  return targetPath(request.raw.url!).slice(PIVOT_ROUTE.length - 1 + prefix.length)
}

function bodyText(body: Buffer | undefined): string {
  if (body === undefined) throw skerryError('JSON_INVALID', 'it is empty')
  if (!isUtf8(body)) throw skerryError('JSON_INVALID', 'it is not UTF-8')
  return body.toString('utf8')
}
