import { Facts, Failure, Panel, Pill, Table } from './parts.tsx'
import { useLoaded } from './poll.ts'
import type { Session } from './session.ts'
import { span } from './time.ts'
import { Value } from './value.tsx'

interface Limit {
  readonly count?: number
  readonly countOf?: true
  readonly maxAgeMs?: number
  readonly order?: string
  readonly cleanupIntervalMs?: number
}

/** A filter, as `GET /?api=filters` describes it. */
interface Filter {
  readonly pattern: string
  readonly verbs: readonly string[]
  readonly hooks: readonly string[]
  readonly schema?: unknown
  readonly limit?: Limit
  readonly ttlMs?: number
}

interface Subscription {
  readonly pattern: string
  readonly subscribers: number
}

/** What holds for which paths, and who watches them. @param tick another one when it is time to look again */
export function Rules({ session, tick }: { session: Session; tick: unknown }) {
  const filters = useLoaded<readonly Filter[]>(() => session.json('?api=filters'), [session])
  const state = useLoaded<readonly Subscription[]>(
    () => session.json('?api=state'),
    [session, tick],
  )
  return (
    <>
      {filters.error && <Failure error={filters.error} />}
      {filters.value?.length === 0 && (
        <Panel title="Filters">
          <p class="quiet">No filters: every path takes any JSON.</p>
        </Panel>
      )}
      {filters.value?.map((filter) => (
        <FilterPanel key={filter.pattern} filter={filter} />
      ))}
      <Panel title="Watched">
        {state.error && <Failure error={state.error} />}
        {state.value?.length === 0 && <p class="quiet">Nobody watches anything.</p>}
        {state.value !== undefined && state.value.length > 0 && (
          <Table label="Watched" heads={['Path or glob', 'Subscribers']}>
            {state.value.map(({ pattern, subscribers }) => (
              <tr key={pattern}>
                <th scope="row">
                  <code>{pattern}</code>
                </th>
                <td>{subscribers}</td>
              </tr>
            ))}
          </Table>
        )}
      </Panel>
    </>
  )
}

function FilterPanel({ filter }: { filter: Filter }) {
  const { pattern, verbs, hooks, limit, ttlMs, schema } = filter
  const functions = hooks.filter((hook) => hook !== 'schema')
  return (
    <section class="panel" aria-label={`Filter ${pattern}`}>
      <h2>
        <code>{pattern}</code>{' '}
        {verbs.map((verb) => (
          <Pill key={verb}>{verb}</Pill>
        ))}
      </h2>
      <Facts
        facts={[
          ['Functions', functions.length > 0 ? functions.join(', ') : undefined],
          ['Keeps at most', limit && countOf(limit)],
          ['For at most', limit?.maxAgeMs === undefined ? undefined : age(limit.maxAgeMs)],
          ['Order', limit?.order],
          ['Lives for', ttlMs === undefined ? undefined : age(ttlMs)],
        ]}
      />
      {schema !== undefined && (
        <details open>
          <summary>Schema</summary>
          <Value data={JSON.stringify(schema)} label={`Schema of ${pattern}`} />
        </details>
      )}
    </section>
  )
}

function countOf({ count, countOf }: Limit): string | undefined {
  if (countOf) return 'as many as a function says'
  return count === undefined ? undefined : `${count.toLocaleString()} entries`
}

function age(ms: number): string {
  return ms < 1000 ? `${ms} ms` : span(ms / 1000)
}
