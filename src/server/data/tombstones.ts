import type { FastifyInstance } from 'fastify'
import type { Entry } from '../../core/entry.ts'
import { messageOf, skerryError } from '../../core/errors.ts'
import type { Store, Withheld } from '../../store/store.ts'
import { adminOnly } from '../access/access.ts'
import { bodyText, JSON_TYPE } from '../rest/body.ts'
import type { Links } from '../links.ts'

/** The most withheld versions that one answer lists, and that one request decides on. */
export const MAX_WITHHELD_PATHS = 1000

/**
 * The routes by which operators say what no node can know by itself:
 *
 * - `POST /_skerry/forget` `{"node":"north"}`: it won't come back, and no tombstone waits for it any more
 * - `GET /_skerry/withheld` versions that may undo a forgotten delete, in order of path
 * - `POST /_skerry/withheld` `{"release":[path, …]}` and `{"drop":[path, …]}` decide on them
 */
export function tombstoneRoutes(store: Store, links: Links) {
  return async function tombstones(app: FastifyInstance): Promise<void> {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.addHook('onRequest', adminOnly)
    app.post<{ Body: Buffer | undefined }>('/_skerry/forget', async ({ body }) => {
      const { node } = membersOf(body, ['node'])
      if (typeof node !== 'string') throw skerryError('REQUEST_INVALID', "'node' must be an id")
      await links.forget(node)
      return { node }
    })
    app.get('/_skerry/withheld', async (_request, reply) => {
      void reply.header('content-type', JSON_TYPE)
      const listed = (await store.withheld(MAX_WITHHELD_PATHS)).map(withheldJson).join(',')
      return `{"count":${store.withheldCount},"withheld":[${listed}]}`
    })
    app.post<{ Body: Buffer | undefined }>('/_skerry/withheld', async ({ body }) => {
      const { release, drop } = membersOf(body, ['release', 'drop'])
      const [released, dropped] = [pathsOf('release', release), pathsOf('drop', drop)]
      const both = released.find((path) => dropped.includes(path))
      if (both !== undefined) {
        throw skerryError('REQUEST_INVALID', `'${both}' can't be both released and dropped`)
      }
      return {
        released: await store.resolveWithheld(released, 'release'),
        dropped: await store.resolveWithheld(dropped, 'drop'),
      }
    })
  }
}

/** As text: parsed and printed again, a large number in the data would change. */
function withheldJson({ entry, peer }: Withheld): string {
  const { path, created, updated, origin, data }: Entry = entry
  return (
    `{"path":"${path}","created":${created},"updated":${updated},"origin":"${origin}",` +
    `"peer":"${peer}","data":${data}}`
  )
}

/** @throws SKERRY_JSON_INVALID, SKERRY_REQUEST_INVALID if it is no object or has other members */
function membersOf(body: Buffer | undefined, names: readonly string[]): Record<string, unknown> {
  const text = bodyText(body)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw skerryError('JSON_INVALID', messageOf(error))
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  const members = isObject ? Object.keys(value as object) : []
  if (members.length === 0 || members.some((name) => !names.includes(name))) {
    throw skerryError('REQUEST_INVALID', `send an object with ${names.join(' or ')}, nothing else`)
  }
  return value as Record<string, unknown>
}

function pathsOf(name: string, value: unknown = []): string[] {
  const holds =
    Array.isArray(value) &&
    value.length <= MAX_WITHHELD_PATHS &&
    value.every((path) => typeof path === 'string')
  if (holds) return [...new Set(value)]
  const why = `'${name}' must be a list of at most ${MAX_WITHHELD_PATHS} paths`
  throw skerryError('REQUEST_INVALID', why)
}
