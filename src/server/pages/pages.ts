import { EVERYTHING, isGlob } from '../../core/path.ts'
import { skerryError } from '../../core/errors.ts'
import type { State } from '../../state/state.ts'
import { assertMay, type Principal } from '../access/access.ts'
import type { NodeStatus } from '../health/health.ts'

const DEFAULT_PAGE_KEYS = 50

/** The most keys of one page. */
const MAX_PAGE_KEYS = 500

/** The most subscribed patterns that are listed. */
const MAX_PATTERNS = 1000

/** What the pages of `GET /?api=` tell of. */
export interface PagesSource {
  readonly state: State
  status(): NodeStatus
}

type Page = (source: PagesSource, query: URLSearchParams, principal: Principal) => unknown

/** What a node tells of itself, by the parameter `api`; as ooo has it. */
const pages: Readonly<Record<string, Page>> = {
  keys: keysPage,
  info: (source, _query, principal) => {
    assertMay(principal, 'admin', EVERYTHING)
    const { id, url, ready, epoch, run, seq, durable, uptimeMs, sockets, watched } = source.status()
    return { id, url, ready, epoch, run, seq, durable, uptimeMs, sockets, watched }
  },
  filters: ({ state }, _query, principal) => {
    assertMay(principal, 'admin', EVERYTHING)
    return state.filters()
  },
  state: ({ state }, _query, principal) => {
    assertMay(principal, 'admin', EVERYTHING)
    return state.subscriptions(MAX_PATTERNS)
  },
  pivot: (source, _query, principal) => {
    assertMay(principal, 'admin', EVERYTHING)
    return source.status().sync
  },
}

/**
 * The page that `api` names; none of a static node, unless a filter opens `**` to reading.
 * @throws SKERRY_REQUEST_INVALID if there is no such page, SKERRY_FORBIDDEN, SKERRY_RANGE_INVALID,
 * SKERRY_ROUTE_CLOSED
 */
export function apiPage(
  source: PagesSource,
  query: URLSearchParams,
  principal: Principal,
): unknown {
  source.state.assertOpen(EVERYTHING, 'read')
  const name = query.get('api') ?? ''
  if (Object.hasOwn(pages, name)) return pages[name]!(source, query, principal)
  throw skerryError('REQUEST_INVALID', `'api' is one of ${Object.keys(pages).join(', ')}`)
}

/** The paths that the principal may read, in order, a page of them. */
async function keysPage({ state }: PagesSource, query: URLSearchParams, principal: Principal) {
  const page = numberOf(query, 'page', 1)
  const limit = Math.min(numberOf(query, 'limit', DEFAULT_PAGE_KEYS), MAX_PAGE_KEYS)
  const filter = query.get('filter') ?? ''
  const glob = isGlob(filter) ? filter : EVERYTHING
  const shown = await state.keys(glob)
  const keys = shown.filter(
    (path) => (glob !== EVERYTHING || path.includes(filter)) && principal.may('read', path),
  )
  if (principal.anonymous && keys.length === 0) assertMay(principal, 'read', glob)
  const first = (page - 1) * limit
  return { keys: keys.slice(first, first + limit), total: keys.length, page, limit, filter }
}

function numberOf(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name)
  if (text === null || text === '') return fallback
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw skerryError('RANGE_INVALID', name, text, 'use a whole number from 1 on')
}
