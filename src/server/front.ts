import type { FastifyInstance } from 'fastify'
import { EVERYTHING } from '../core/path.ts'
import type { Store } from '../store/store.ts'
import { assertMay, type Authenticator } from './access.ts'
import { PAGE } from './page.ts'

/**
 * `GET /`: a page, with status 200 for anybody, since Go nodes ask it whether this one lives. Who asks for JSON
 * and not for HTML, as ooo-client does, gets the paths of all entries instead, if they may read everything.
 */
export function frontRoute(app: FastifyInstance, store: Store, authenticator: Authenticator): void {
  app.get('/', { config: { open: true } }, async (request, reply) => {
    const { headers } = request
    void reply.header('vary', 'accept')
    if (!asksForJson(headers.accept)) return reply.type('text/html; charset=utf-8').send(PAGE)
    assertMay(await authenticator.principalOf(headers), 'read', EVERYTHING)
    const { entries } = await store.list(EVERYTHING)
    return { keys: entries.map(({ path }) => path).sort() }
  })
}

function asksForJson(accept: string | undefined): boolean {
  return (
    accept !== undefined && accept.includes('application/json') && !accept.includes('text/html')
  )
}
