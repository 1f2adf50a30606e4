import { useEffect, useState } from 'preact/hooks'
import type { Entry } from '../src/client.ts'
import { type Loaded, useLoaded } from './poll.ts'
import { type RequestError, requestErrorOf, type Session } from './session.ts'

/** Rows of a page. */
export const PAGE_ROWS = 50

/** A list with more entries is not watched by itself: all of them would have to be sent. */
const MAX_WATCHED_ENTRIES = 2000

/** With more keys than that, they are looked through again when somebody asks, and not with each change. */
const MAX_RELOADED_KEYS = 10_000

/** A page of keys, as `GET /?api=keys` answers. */
export interface KeyPage {
  readonly keys: readonly string[]
  readonly total: number
}

/** What a search finds. */
export interface Found {
  readonly page: Loaded<KeyPage>
  /** All entries of a glob as they change, newest first; undefined where they are not watched. */
  readonly list: readonly Entry[] | undefined
  /** True if the list is not watched because it is long. */
  readonly long: boolean
  readonly error: RequestError | undefined
  /** There were changes that the keys don't show. */
  readonly stale: boolean
  reload(): void
}

export function isGlob(filter: string): boolean {
  return filter.includes('*')
}

/**
 * The paths that a text or glob finds.
 * @param change anything that is another one once the data have changed
 */
export function useKeys(
  session: Session,
  { filter, page }: { filter: string; page: number },
  change: unknown,
): Found {
  const [asked, setAsked] = useState({ turn: 0, change })
  const loaded = useLoaded<KeyPage>(() => {
    const query = new URLSearchParams({ api: 'keys', filter, page: String(page) })
    return session.json(`?${query.toString()}&limit=${PAGE_ROWS}`)
  }, [session, filter, page, asked])
  const total = loaded.value?.total
  const reload = (): void => setAsked(({ turn }) => ({ turn: turn + 1, change }))
  const stale = asked.change !== change
  const small = total === undefined || total <= MAX_RELOADED_KEYS
  useEffect(() => {
    if (stale && small) reload()
  }, [change, small])
  const long = isGlob(filter) && total !== undefined && total > MAX_WATCHED_ENTRIES
  const watched = isGlob(filter) && total !== undefined && !long
  const { list, error } = useList(session, watched ? filter : undefined)
  return { page: loaded, list, long, error: loaded.error ?? error, stale: stale && !small, reload }
}

interface Listed {
  readonly glob: string | undefined
  readonly list: readonly Entry[] | undefined
  readonly error: RequestError | undefined
}

const NOTHING: Listed = { glob: undefined, list: undefined, error: undefined }

/** All entries of a glob, as they change. */
function useList(session: Session, glob: string | undefined): Listed {
  const [listed, setListed] = useState<Listed>(NOTHING)
  useEffect(() => {
    if (glob === undefined) return undefined
    const watch = session.client.watch(
      glob as `${string}*`,
      (list) => setListed({ glob, list, error: undefined }),
      (error) => setListed({ glob, list: undefined, error: requestErrorOf(error) }),
    )
    return () => watch.close()
  }, [session, glob])
  return listed.glob === glob ? listed : NOTHING
}
