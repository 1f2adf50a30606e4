import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { skerryError } from '../../core/errors.ts'
import { sendText } from '../rest/compression.ts'
import { conditionOf } from '../rest/conditions.ts'

/** Where the parts of the page lie. */
const PARTS_PATH = '/_skerry/dashboard'

/** Where the build puts the bundle: beside the built sources, `dist/src`. */
const BUNDLE = new URL('../../../dashboard/', import.meta.url)

const PAGE_FILE = 'index.html'

const TYPES: Readonly<Record<string, string>> = {
  'main.js': 'text/javascript; charset=utf-8',
  'main.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
}

/** The page runs its own script, speaks to this node, and does nothing else; nobody frames it. */
const POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  ...["require-trusted-types-for 'script'", "trusted-types 'none'"],
].join('; ')

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // A newer node has a newer page: browsers ask whether theirs still holds.
  'cache-control': 'no-cache',
}

interface Part {
  readonly type: string
  readonly text: string
  readonly version: string
}

/** The dashboard as it was built: a page, its script, its style. Kept in memory, a few ten kilobytes. */
export class Dashboard {
  readonly #page: string
  readonly #parts: ReadonlyMap<string, Part>

  /** Use {@link built}. */
  constructor(page: string, parts: ReadonlyMap<string, Part>) {
    this.#page = page
    this.#parts = parts
  }

  /** Reads the bundle; undefined if there is none, as when the sources run. */
  static built(bundle: URL = BUNDLE): Dashboard | undefined {
    const text = (file: string): string => readFileSync(new URL(file, bundle), 'utf8')
    try {
      const parts = Object.entries(TYPES).map(([file, type]) => [file, part(type, text(file))])
      return new Dashboard(text(PAGE_FILE), new Map(parts as [string, Part][]))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  /** Answers with the page. */
  sendPage(reply: FastifyReply): FastifyReply {
    return reply.headers(HEADERS).type('text/html; charset=utf-8').send(this.#page)
  }

  /** @throws SKERRY_NOT_FOUND */
  part(file: string): Part {
    const found = this.#parts.get(file)
    if (found === undefined) throw skerryError('NOT_FOUND', file)
    return found
  }
}

/** `GET /_skerry/dashboard/{file}`: the parts of the page, for anybody, as the page itself. */
export function dashboardRoutes(dashboard: Dashboard | undefined) {
  return async function parts(app: FastifyInstance): Promise<void> {
    app.get<{ Params: { file: string } }>(
      `${PARTS_PATH}/:file`,
      { config: { open: true } },
      async ({ params: { file }, headers }, reply) => {
        if (dashboard === undefined) throw skerryError('NOT_FOUND', file)
        const { type, text, version } = dashboard.part(file)
        void reply.headers(HEADERS).header('etag', `W/"${version}"`)
        const known = conditionOf(headers)?.ifNoneMatch
        if (known === '*' || known?.includes(version)) return reply.code(304).send()
        return sendText(reply.type(type), text)
      },
    )
  }
}

function part(type: string, text: string): Part {
  return { type, text, version: createHash('sha256').update(text).digest('base64url').slice(0, 27) }
}
