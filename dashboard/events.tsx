import { Facts, Failure, Panel, Table } from './parts.tsx'
import { useLoaded } from './poll.ts'
import { bodyOf, type Session } from './session.ts'
import type { EventsStatus } from './status.ts'
import { momentMs } from './time.ts'

/** So many of the events that lack replicas are shown. */
const MAX_SHORTFALLS = 100

/** An event that lacks replicas. */
interface Shortfall {
  readonly key: string
  readonly holders: readonly string[]
  readonly missing: number
  readonly reason: string
  readonly sinceMs: number
}

export interface EventsProps {
  readonly session: Session
  readonly events: EventsStatus
  /** Another one when it is time to look again. */
  readonly tick: unknown
}

/** How the events stand that this node puts. */
export function Events({ session, events, tick }: EventsProps) {
  return (
    <>
      <Panel title="Events">
        <Facts
          facts={[
            ['Peers', events.peers],
            ['On their way', events.inFlight],
            ['Copies kept for absent nodes', events.hints],
            ['Handed over', events.handedOff],
            ['Under-replicated', events.underReplicated],
            ['Conflicts', events.conflicts],
            ['Failures in the background', events.errors],
            ...counts('Puts', events.puts),
            ...counts('Repair', events.repair),
          ]}
        />
      </Panel>
      <UnderReplicated session={session} events={events} tick={tick} />
    </>
  )
}

function UnderReplicated({ session, events, tick }: EventsProps) {
  const { value, error } = useLoaded(() => shortfalls(session), [session, tick])
  return (
    <Panel title="Under-replicated">
      {error && <Failure error={error} />}
      {value?.length === 0 && <p class="quiet">Every event is on as many nodes as it should.</p>}
      {value !== undefined && value.length > 0 && (
        <Table label="Under-replicated" heads={['Event', 'On', 'Lacks', 'Reason', 'Since']}>
          {value.map(({ key, holders, missing, reason, sinceMs }) => (
            <tr key={key}>
              <th scope="row">
                <code>{key}</code>
              </th>
              <td>{holders.join(', ')}</td>
              <td>{missing}</td>
              <td class="wide">{reason}</td>
              <td>{momentMs(sinceMs)}</td>
            </tr>
          ))}
        </Table>
      )}
      {events.underReplicated > MAX_SHORTFALLS && (
        <p class="quiet">
          The first {MAX_SHORTFALLS} of {events.underReplicated}.
        </p>
      )}
    </Panel>
  )
}

function counts(name: string, record: Readonly<Record<string, number>>) {
  return Object.entries(record).map(([what, count]) => [`${name}: ${what}`, count] as const)
}

/** The first of the list, a line each; what comes behind them is not fetched. */
async function shortfalls(session: Session): Promise<readonly Shortfall[]> {
  const response = await session.request('_skerry/events/under-replicated')
  const lines = await bodyOf(response, () => firstLines(response, MAX_SHORTFALLS))
  return lines.map((line) => JSON.parse(line) as Shortfall)
}

async function firstLines(response: Response, limit: number): Promise<string[]> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  const lines: string[] = []
  let rest = ''
  while (lines.length < limit) {
    const { done, value = '' } = await reader.read()
    if (done) break
    const parts = (rest + value).split('\n')
    rest = parts.pop()!
    lines.push(...parts)
  }
  await reader.cancel()
  return lines.slice(0, limit)
}
