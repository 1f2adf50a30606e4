import type { FastifyInstance } from 'fastify'
import { type Answer, type Operation, operations } from './operations.ts'
import { ref, type Schema, schemas } from './schemas.ts'
import { webSockets } from './sockets.ts'

/** Errors that any route may answer with. */
const COMMON_ERRORS = [400, 401, 403, 429, 431, 500, 503]

/** The routes of an application, and the document that describes them. */
export class Routes {
  readonly #keys = new Set<string>()

  /** Follows the routes from now on, and adds the one of the document. */
  serve(app: FastifyInstance): void {
    app.addHook('onRoute', ({ method, url }) => {
      for (const name of [method].flat()) {
        // Fastify adds a HEAD to each GET.
        if (name !== 'HEAD') this.#keys.add(`${name} ${url}`)
      }
    })
    let text: string | undefined
    app.get('/openapi.json', { config: { open: true } }, async (_request, reply) => {
      // All routes are there by the time that anybody asks.
      text ??= JSON.stringify(this.document())
      return reply.type('application/json; charset=utf-8').send(text)
    })
  }

  /** Every route, as `GET /_skerry/status`. */
  get keys(): readonly string[] {
    return [...this.#keys]
  }

  /** The routes of the node, in OpenAPI 3.1; those that an application added are its own. */
  document(): Schema {
    const paths: Record<string, Record<string, unknown>> = {}
    for (const key of this.#keys) {
      const operation = operations[key]
      if (operation === undefined) continue
      const [method = '', url = ''] = key.split(' ')
      const path = openapiPath(url)
      paths[path] = { ...paths[path], [method.toLowerCase()]: describe(path, operation) }
    }
    return {
      openapi: '3.1.0',
      info: {
        title: 'Skerry',
        version: '1',
        description: 'JSON state by path. WebSockets are under x-websockets.',
      },
      security: [{ bearer: [] }, {}],
      paths,
      'x-websockets': webSockets,
      components: {
        schemas,
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      },
    }
  }
}

/** `/*` → `/{path}`, `/events/:key` → `/events/{key}`. */
export function openapiPath(url: string): string {
  return url.replace('*', '{path}').replace(/:(\w+)/g, '{$1}')
}

function describe(path: string, operation: Operation): Schema {
  const { summary, answers, errors = [], query = [], headers = [], body } = operation
  const named = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name!)
  const parameters = [
    ...named.map((name) => parameter(name, 'path')),
    ...query.map((name) => parameter(name, 'query')),
    ...headers.map((name) => parameter(name, 'header')),
  ]
  const errorStatuses = new Set([...COMMON_ERRORS, ...errors])
  const responses: Record<string, Schema> = {}
  for (const status of [...Object.keys(answers).map(Number), ...errorStatuses]) {
    const answer = status in answers ? [answers[status] ?? null].flat() : []
    responses[status] = response(errorStatuses.has(status) ? [...answer, ref('Error')] : answer)
  }
  return {
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { content: contentOf(body, ref('Any')) } }),
    responses,
  }
}

function parameter(name: string, place: 'path' | 'query' | 'header'): Schema {
  return { name, in: place, required: place === 'path', schema: { type: 'string' } }
}

/** What may be answered: JSON of a schema, or other types by name; null is nothing at all. */
function response(answers: readonly (Answer | null)[]): Schema {
  const given = answers.filter((answer) => answer !== null)
  if (given.length === 0) return { description: 'Nothing more.' }
  const contents = given.map((answer) =>
    typeof answer === 'string'
      ? contentOf([answer], { type: 'string' })
      : contentOf(['application/json'], answer),
  )
  const mayBeEmpty = given.length < answers.length && { 'x-may-be-empty': true }
  return {
    description: 'The answer.',
    ...mayBeEmpty,
    content: Object.assign({}, ...contents) as Schema,
  }
}

function contentOf(types: readonly string[], schema: Schema): Schema {
  return Object.fromEntries(types.map((type) => [type, { schema }]))
}
