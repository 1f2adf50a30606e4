import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Access } from './access.tsx'
import { Cluster } from './cluster.tsx'
import { Data } from './data.tsx'
import { Events } from './events.tsx'
import { Node } from './node.tsx'
import { Failure, Pill } from './parts.tsx'
import { Pivot } from './pivot.tsx'
import { type Place, usePlace } from './place.ts'
import { type Loaded, usePolled } from './poll.ts'
import { Rules } from './rules.tsx'
import { keptToken, RequestError, Session } from './session.ts'
import type { Status } from './status.ts'
import { Sync } from './sync.tsx'
import { momentMs } from './time.ts'

/** How often is asked how the node is, while somebody looks. */
const STATUS_INTERVAL_MS = 2000

/** Who may not see the status is told of changes by nobody: so many times as long is waited. */
const BLIND_INTERVALS = 5

/** What is known of the node; who has few rights learns only that it answers. */
interface Look {
  readonly status: Status | undefined
  /** Why there is no status. */
  readonly refused: RequestError | undefined
  readonly turn: number
}

/** The page. Another token is another session: nothing of the one before stays on the screen. */
export function App() {
  const [turn, setTurn] = useState(0)
  return <Sitting key={turn} changed={() => setTurn(turn + 1)} />
}

function Sitting({ changed }: { readonly changed: () => void }) {
  const [asked, setAsked] = useState(false)
  const session = useMemo(() => new Session(keptToken(), () => setAsked(true)), [])
  useEffect(() => () => session.close(), [session])
  const loaded = usePolled(useLook(session), STATUS_INTERVAL_MS)
  const place = usePlace()
  useRecovery(loaded.error !== undefined)
  const status = loaded.value?.status
  const tabs = tabsOf(status)
  const tab = tabs.includes(place.tab) ? place.tab : tabs[0]!
  return (
    <>
      <header class="top">
        <h1>
          <img src="_skerry/dashboard/icon.svg" alt="" width={28} height={28} /> Skerry
        </h1>
        <Standing loaded={loaded} />
        <Access held={session.token !== undefined} asked={asked} changed={changed} />
      </header>
      <Tabs tabs={tabs} tab={tab} />
      <Unreached loaded={loaded} />
      <main>
        <Tab tab={tab} session={session} place={place} look={loaded.value} />
      </main>
    </>
  )
}

/** Once the node answers again, the client need not wait for its next try: it is told what a browser would tell it. */
function useRecovery(failing: boolean): void {
  const failed = useRef(false)
  useEffect(() => {
    if (failed.current && !failing) dispatchEvent(new Event('online'))
    failed.current = failing
  }, [failing])
}

/** Asks for the status, or only whether the node is there, once it is known that the status is refused. */
function useLook(session: Session): () => Promise<Look> {
  return useMemo(() => {
    let refused: RequestError | undefined
    let turn = 0
    return async () => {
      turn++
      if (refused !== undefined) {
        await readiness(session)
        return { status: undefined, refused, turn }
      }
      try {
        return { status: await session.json<Status>('_skerry/status'), refused, turn }
      } catch (error) {
        if (!(error instanceof RequestError) || ![401, 403].includes(error.status)) throw error
        refused = error
        return { status: undefined, refused, turn }
      }
    }
  }, [session])
}

async function readiness(session: Session): Promise<void> {
  await session.request('readyz')
}

/** The data first where nothing else may be seen. */
function tabsOf(status: Status | undefined): string[] {
  if (status === undefined) return ['data']
  const own = ['node', 'data', 'sync', 'rules']
  if (status.cluster !== undefined) own.push('cluster')
  if (status.events !== undefined) own.push('events')
  return own
}

const TITLES: Readonly<Record<string, string>> = {
  node: 'Node',
  data: 'Data',
  sync: 'Sync',
  rules: 'Rules',
  cluster: 'Cluster',
  events: 'Events',
}

function Tabs({ tabs, tab }: { tabs: readonly string[]; tab: string }) {
  return (
    <nav class="tabs" aria-label="Sections">
      {tabs.map((name) => (
        <a key={name} href={`#${name}`} aria-current={name === tab ? 'page' : undefined}>
          {TITLES[name]}
        </a>
      ))}
    </nav>
  )
}

function Standing({ loaded: { value, error } }: { loaded: Loaded<Look> }) {
  const status = value?.status
  return (
    <p class="standing">
      {status && (
        <>
          <code>{status.id}</code> <span class="quiet">{status.url}</span>{' '}
        </>
      )}
      {error && <Pill tone="bad">{error.status === 0 ? 'out of reach' : 'failing'}</Pill>}
      {!error && status && (
        <Pill tone={status.ready ? 'good' : 'bad'}>{status.ready ? 'ready' : 'not ready'}</Pill>
      )}
      {!error && value && !status && <Pill tone="good">answers</Pill>}
    </p>
  )
}

function Unreached({ loaded: { value, error, failingSinceMs } }: { loaded: Loaded<Look> }) {
  if (error === undefined || failingSinceMs === undefined) return null
  return (
    <div class="banner" role="alert">
      <strong>
        {error.status === 0
          ? 'The node can not be reached'
          : 'The node does not answer as it should'}{' '}
        since {momentMs(failingSinceMs)}.
      </strong>{' '}
      {error.status !== 0 && <span>{error.message} </span>}
      {value && 'What is shown is what was last known. '}It is tried again every{' '}
      {STATUS_INTERVAL_MS / 1000} s.
    </div>
  )
}

interface TabProps {
  readonly tab: string
  readonly session: Session
  readonly place: Place
  readonly look: Look | undefined
}

function Tab({ tab, session, place, look }: TabProps) {
  if (look === undefined) return <p class="quiet">Asking the node…</p>
  const { status, refused, turn } = look
  if (tab === 'data' || status === undefined) {
    const change = status?.seq ?? Math.floor(turn / BLIND_INTERVALS)
    return (
      <>
        {refused?.status === 403 && <Failure error={refused} />}
        <Data session={session} place={place} change={change} />
      </>
    )
  }
  switch (tab) {
    case 'sync':
      return (
        <>
          <Sync sync={status.sync} />
          <Pivot pivot={status.pivot} />
        </>
      )
    case 'rules':
      return <Rules session={session} tick={turn} />
    case 'cluster':
      return <Cluster cluster={status.cluster!} />
    case 'events':
      return <Events session={session} events={status.events!} tick={turn} />
    default:
      return <Node status={status} />
  }
}
