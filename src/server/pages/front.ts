import type { FastifyInstance } from 'fastify'
import { EVERYTHING } from '../../core/path.ts'
import { assertMay, type Authenticator } from '../access/access.ts'
import { targetQuery } from '../address.ts'
import { type Dashboard, dashboardRoutes } from './dashboard.ts'
import { apiPage, type PagesSource } from './pages.ts'
import { PAGE } from './page.ts'

/** What stands behind the front: what its pages tell of, and who asks. */
export interface Front {
  readonly source: PagesSource
  readonly authenticator: Authenticator
  /** Undefined: a plain page stands in for it. */
  readonly dashboard: Dashboard | undefined
}

/**
 * `GET /`: with the parameter `api` one of the pages of {@link apiPage}; else the dashboard, with status 200 for
 * anybody, since Go nodes ask it whether this one lives. Who asks for JSON and not for HTML, as ooo-client does, gets
 * the paths of all entries instead, if they may read everything.
 */
export function frontRoute(
  app: FastifyInstance,
  { source, authenticator, dashboard }: Front,
): void {
  void app.register(dashboardRoutes(dashboard))
  app.get('/', { config: { open: true } }, async (request, reply) => {
    const { headers } = request
    const query = targetQuery(request.raw.url!)
    if (query.has('api')) {
      return apiPage(source, query, await authenticator.principalOf(request.raw))
    }
    void reply.header('vary', 'accept')
    if (!asksForJson(headers.accept)) {
      return dashboard?.sendPage(reply) ?? reply.type('text/html; charset=utf-8').send(PAGE)
    }
    assertMay(await authenticator.principalOf(request.raw), 'read', EVERYTHING)
    return { keys: await source.state.keys() }
  })
}

function asksForJson(accept: string | undefined): boolean {
  return (
    accept !== undefined && accept.includes('application/json') && !accept.includes('text/html')
  )
}
