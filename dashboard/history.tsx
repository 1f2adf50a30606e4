import { useEffect, useState } from 'preact/hooks'
import { elementsOf, glimpse, membersOf } from './json.ts'
import { Failure, Pill } from './parts.tsx'
import { addressed, bodyOf, type RequestError, requestErrorOf, type Session } from './session.ts'
import { moment } from './time.ts'
import { Value } from './value.tsx'

/** Versions that are asked for at once. */
const PAGE_VERSIONS = 20

const GLIMPSE_CHARACTERS = 80

/** What a path holds or held. */
interface Version {
  readonly version: string
  /** `current`, `superseded` or `overruled`. */
  readonly kind: string
  readonly time: bigint
  readonly origin: string
  readonly deleted: boolean
  /** Exact to the digit. */
  readonly data: string
}

interface Page {
  readonly versions: readonly Version[]
  /** Where the older ones begin. */
  readonly next: string | undefined
}

export interface HistoryProps {
  readonly session: Session
  readonly path: string
  /** What the path holds now; undefined: nothing. */
  readonly current: string | undefined
  /** Called once a version was restored. */
  readonly restored: () => void
}

/** What a path held before, for who wants to see it. */
export function History(props: HistoryProps) {
  const [open, setOpen] = useState(false)
  return (
    <details class="history" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>History</summary>
      {open && <Versions key={props.current} {...props} />}
    </details>
  )
}

function Versions(props: HistoryProps) {
  const { versions, next, error, older, restore } = useVersions(props)
  return (
    <>
      {error && <Failure error={error} />}
      {versions?.every(({ kind }) => kind === 'current') && (
        <p class="quiet">Nothing from before is kept; the option history says what is.</p>
      )}
      <ol class="versions">
        {versions?.map((one) => (
          <VersionItem key={one.version} one={one} restore={restore} />
        ))}
      </ol>
      {next !== undefined && (
        <button type="button" onClick={() => void older()}>
          Older
        </button>
      )}
    </>
  )
}

function useVersions({ session, path, current, restored }: HistoryProps) {
  const [pages, setPages] = useState<readonly Page[]>([])
  const [error, setError] = useState<RequestError>()
  const attempt = async (act: () => Promise<void>): Promise<void> => {
    setError(undefined)
    try {
      await act()
    } catch (thrown) {
      setError(requestErrorOf(thrown))
    }
  }
  const next = pages.at(-1)?.next
  const older = (): Promise<void> =>
    attempt(async () => {
      const page = await versionsOf(session, path, next)
      setPages((last) => [...last, page])
    })
  const restore = (version: string): Promise<void> =>
    attempt(async () => {
      await restoreVersion(session, path, { version, current })
      restored()
    })
  useEffect(() => void older(), [session, path])
  const versions = pages.length === 0 ? undefined : pages.flatMap((page) => page.versions)
  return { versions, next, error, older, restore }
}

interface VersionItemProps {
  readonly one: Version
  readonly restore: (version: string) => Promise<void>
}

function VersionItem({ one, restore }: VersionItemProps) {
  const { version, kind, time, origin, deleted, data } = one
  const [open, setOpen] = useState(false)
  const tone = kind === 'current' ? 'good' : kind === 'overruled' ? 'warn' : 'plain'
  return (
    <li>
      <p class="times">
        <Pill tone={tone}>{kind}</Pill>
        <span>{moment(time)}</span>
        {origin !== '' && <span>by {origin}</span>}
      </p>
      {deleted && <p class="quiet">deleted</p>}
      {!deleted && !open && (
        <button type="button" class="glimpse" aria-label="Show" onClick={() => setOpen(true)}>
          {glimpse(JSON.parse(data), GLIMPSE_CHARACTERS)}
        </button>
      )}
      {!deleted && open && <Value data={data} label={`Version ${version}`} />}
      {!deleted && kind !== 'current' && (
        <button type="button" onClick={() => void restore(version)}>
          Restore
        </button>
      )}
    </li>
  )
}

/** @throws RequestError */
async function versionsOf(session: Session, path: string, before?: string): Promise<Page> {
  const from = before === undefined ? '' : `&before=${before}`
  const response = await session.request(
    `_skerry/history/${addressed(path)}?limit=${PAGE_VERSIONS}${from}`,
  )
  const page = membersOf(await bodyOf(response, () => response.text()))
  const versions = elementsOf(page.get('versions') ?? '[]').map(versionIn)
  return { versions, next: page.get('next') }
}

function versionIn(text: string): Version {
  const members = membersOf(text)
  const [created, updated] = ['created', 'updated'].map((name) => BigInt(members.get(name) ?? 0))
  return {
    version: JSON.parse(members.get('version')!) as string,
    kind: JSON.parse(members.get('kind')!) as string,
    time: created! > updated! ? created! : updated!,
    origin: JSON.parse(members.get('origin') ?? '""') as string,
    deleted: members.get('deleted') === 'true',
    data: members.get('data') ?? 'null',
  }
}

/** Over what is shown, and over nothing else. @throws RequestError */
async function restoreVersion(
  session: Session,
  path: string,
  { version, current }: { version: string; current: string | undefined },
): Promise<void> {
  const condition = current === undefined ? ['if-none-match', '*'] : ['if-match', `"${current}"`]
  await session.request(`_skerry/history/${addressed(path)}`, {
    method: 'POST',
    headers: [['content-type', 'application/json'], condition as [string, string]],
    body: JSON.stringify({ restore: version }),
  })
}
