import type { FastifyInstance } from 'fastify'
import { entryJson } from '../../core/entry.ts'
import { assertPattern, EVERYTHING } from '../../core/path.ts'
import type { Pivot } from '../../sync/pivot/pivot.ts'
import { adminOnly } from '../access/access.ts'
import { targetQuery } from '../address.ts'
import { timeText } from './status.ts'

/** The most removed entries that one answer lists. */
const MAX_LISTED = 10_000

/**
 * What operators can do about leaders of the pivot protocol:
 *
 * - `GET /_skerry/pivot/removed?path=` what was removed because a leader no longer listed it
 * - `POST /_skerry/pivot/restore?path=` brings one of these back
 * - `POST /_skerry/pivot/retry` tries once more what leaders refused
 */
export async function pivotOperatorRoutes(app: FastifyInstance, pivot: Pivot): Promise<void> {
  const admin = { onRequest: adminOnly }
  app.get('/_skerry/pivot/removed', admin, async (request, reply) => {
    const pattern = targetQuery(request.raw.url!).get('path') ?? EVERYTHING
    if (pattern !== EVERYTHING) assertPattern(pattern)
    const removed = await pivot.removed(pattern, MAX_LISTED)
    const rows = removed.map(
      ({ entry, removedAt }) =>
        `{"removedAt":${JSON.stringify(timeText(removedAt))},"entry":${entryJson(entry)}}`,
    )
    return reply.type('application/json; charset=utf-8').send(`[${rows.join(',')}]`)
  })
  app.post('/_skerry/pivot/restore', admin, async (request, reply) => {
    const path = targetQuery(request.raw.url!).get('path') ?? ''
    assertPattern(path)
    const entry = await pivot.restore(path)
    return reply.type('application/json; charset=utf-8').send(entryJson(entry))
  })
  app.post('/_skerry/pivot/retry', admin, async (_request, reply) => {
    pivot.retry()
    return reply.code(204).send()
  })
}
