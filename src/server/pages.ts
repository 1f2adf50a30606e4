import { assertPattern, EVERYTHING, isGlob, matches } from '../core/path.ts'
import { skerryError } from '../core/errors.ts'
import type { State } from '../state/state.ts'
import type { Store } from '../store/store.ts'
import { assertMay, type Principal } from './access.ts'
import type { NodeStatus } from './health.ts'

const DEFAULT_PAGE_KEYS = 50

/** The most keys of one page. */
const MAX_PAGE_KEYS = 500

/** The most subscribed patterns that are listed. */
const MAX_PATTERNS = 1000

/** What the pages of `GET /?api=` tell of. */
export interface PagesSource {
  readonly store: Store
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
 * The page that `api` names.
 * @throws SKERRY_REQUEST_INVALID if there is no such page, SKERRY_FORBIDDEN, SKERRY_RANGE_INVALID
 */
export function apiPage(
  source: PagesSource,
  query: URLSearchParams,
  principal: Principal,
): unknown {
  const name = query.get('api') ?? ''
  if (Object.hasOwn(pages, name)) return pages[name]!(source, query, principal)
  throw skerryError('REQUEST_INVALID', `'api' is one of ${Object.keys(pages).join(', ')}`)
}

/** The paths that the principal may read, in order, a page of them. */
async function keysPage({ store }: PagesSource, query: URLSearchParams, principal: Principal) {
  const page = numberOf(query, 'page', 1)
  const limit = Math.min(numberOf(query, 'limit', DEFAULT_PAGE_KEYS), MAX_PAGE_KEYS)
  const filter = query.get('filter') ?? ''
  const glob = isGlob(filter) ? filter : EVERYTHING
  if (glob !== EVERYTHING) assertPattern(glob)
  const keys: string[] = []
  await store.visit(glob, ({ path }) => {
    const wanted = glob === EVERYTHING ? path.includes(filter) : matches(glob, path)
    if (wanted && principal.may('read', path)) keys.push(path)
  })
  if (principal.anonymous && keys.length === 0) assertMay(principal, 'read', glob)
  keys.sort()
  const first = (page - 1) * limit
  return { keys: keys.slice(first, first + limit), total: keys.length, page, limit, filter }
}

function numberOf(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name)
  if (text === null || text === '') return fallback
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw skerryError('RANGE_INVALID', name, text, 'use a whole number from 1 on')
}
