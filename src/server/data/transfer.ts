import { realpath } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { entryFault } from '../../core/codec.ts'
import { type Entry, parseEntry } from '../../core/entry.ts'
import { messageOf, skerryError } from '../../core/errors.ts'
import { jsonMembers } from '../../core/json.ts'
import { assertKey, EVERYTHING, matches } from '../../core/path.ts'
import { joinedBackup } from '../../store/backup.ts'
import type { Store } from '../../store/store.ts'
import { adminOnly } from '../access/access.ts'
import type { BackupPart } from './backup.ts'
import { bodyText } from '../rest/body.ts'

/** Entries that the export reads at once. */
const EXPORT_PAGE = 1000

/** The most entries in one request to import. */
export const MAX_IMPORT_LINES = 10_000

/** Below and above every hash of a path. */
const FIRST_HASH = '0'
const AFTER_LAST_HASH = 'g'

/** Tells how many entries an export will have, at most: deleted ones are counted and not sent. */
export const TOTAL_HEADER = 'x-skerry-total'

interface ImportRoute {
  Querystring: { key?: string | string[] }
  Body: Buffer | undefined
}

/** What is carried: the entries, and what the node keeps besides them. */
export interface Transferred {
  readonly store: Store
  /** Directory of the node's data; undefined: in memory, or in another system. */
  readonly data: string | undefined
  /** What lies beside the store, in the order in which it is to be read. */
  readonly besides: () => readonly BackupPart[]
}

/**
 * The routes that carry entries out of a node and into it, with their times and origins, as NDJSON:
 *
 * - `GET /_skerry/export?key=users/*` what readers see; without a key, everything
 * - `POST /_skerry/import?key=users/*` merges what is posted, last write wins; all of the body or nothing
 * - `GET /_skerry/backup?data=DIR` all that the node keeps, as it is now, for `writeBackup`; with `data`, only if
 *   it keeps its data there
 *
 * Lines come in order of the hash of their path: an entry that is there throughout is sent once, in one
 * of the versions that it had meanwhile.
 */
export function transferRoutes({ store, data, besides }: Transferred) {
  return async function transfer(app: FastifyInstance): Promise<void> {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.addHook('onRequest', adminOnly)
    app.get<{ Querystring: { key?: string } }>('/_skerry/export', async (request, reply) => {
      const { key = EVERYTHING } = request.query
      assertKey(key)
      const digest = await store.digest(key)
      void reply.header(TOTAL_HEADER, digest.count(0, 0))
      return reply.type('application/x-ndjson').send(Readable.from(exportLines(store, key)))
    })
    app.get<{ Querystring: { data?: string } }>('/_skerry/backup', async (request, reply) => {
      await assertSameData(request.query.data, data)
      if (store.backup === undefined) throw skerryError('BACKUP_UNAVAILABLE')
      const bytes = joinedBackup([...besides(), ['store', store.backup()]])
      return reply.type('application/octet-stream').send(Readable.from(bytes))
    })
    app.post<ImportRoute>('/_skerry/import', async (request) => {
      const keys = [request.query.key ?? EVERYTHING].flat()
      keys.forEach(assertKey)
      const posted = importedEntries(bodyText(request.body))
      const entries = posted.filter(({ path }) => keys.some((key) => matches(key, path)))
      const { changed } = await store.merge(entries, { peer: '' })
      return { entries: entries.length, changed }
    })
  }
}

async function* exportLines(store: Store, key: string): AsyncGenerator<string> {
  for (let from = FIRST_HASH; from !== AFTER_LAST_HASH;) {
    const page = await store.hashed(key, from, AFTER_LAST_HASH, EXPORT_PAGE)
    const lines: string[] = []
    for (const { entry } of page.entries) {
      // The newest version may be a tombstone, or kept aside for its stamp.
      const seen = await store.read(entry.path)
      if (seen !== undefined) lines.push(exportLine(seen))
    }
    if (lines.length > 0) yield lines.join('')
    from = page.upTo
  }
}

function exportLine({ path, created, updated, origin, data }: Entry): string {
  return `{"path":"${path}","created":${created},"updated":${updated},"origin":"${origin}","data":${oneLine(data!)}}\n`
}

/** Between the tokens of JSON a line may end; within its texts it may not. */
function oneLine(data: string): string {
  return /[\r\n]/.test(data) ? data.replace(/[\r\n]/g, ' ') : data
}

/** @throws SKERRY_IMPORT_INVALID naming the line */
function importedEntries(text: string): Entry[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (lines.length > MAX_IMPORT_LINES) {
    throw skerryError('IMPORT_INVALID', lines.length, `a request has at most ${MAX_IMPORT_LINES}`)
  }
  return lines.map((line, at) => {
    try {
      return importedEntry(line)
    } catch (error) {
      throw skerryError('IMPORT_INVALID', at + 1, messageOf(error))
    }
  })
}

function importedEntry(line: string): Entry {
  const members = jsonMembers(line)
  const origin: unknown = JSON.parse(members.get('origin') ?? '""')
  if (typeof origin !== 'string') throw skerryError('JSON_INVALID', 'the origin should be text')
  const entry = parseEntry(line, undefined, origin)
  const fault = entryFault(entry) ?? (entry.created > 0n ? undefined : 'it needs a created time')
  if (fault !== undefined) throw skerryError('PATH_INVALID', entry.path, fault)
  return entry
}

/** Who names a data directory must not be handed the data of another node. */
async function assertSameData(named: string | undefined, data: string | undefined): Promise<void> {
  if (named === undefined) return
  const [theirs, ours] = await Promise.all([named, data ?? ''].map(realPath))
  if (theirs === undefined || theirs !== ours) throw skerryError('BACKUP_ELSEWHERE', named)
}

function realPath(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined)
}
