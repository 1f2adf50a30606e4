import { Facts, Panel, Pill } from './parts.tsx'
import type { Status } from './status.ts'
import { span } from './time.ts'

/** The node itself, and what somebody may have to look into. */
export function Node({ status }: { status: Status }) {
  const notices = noticesOf(status)
  return (
    <>
      <Panel title="To look into">
        {notices.length === 0 && <p class="quiet">Nothing: all is well.</p>}
        <ul class="notices">
          {notices.map(({ text, tab }) => (
            <li key={text}>
              <a href={`#${tab}`}>{text}</a>
            </li>
          ))}
        </ul>
      </Panel>
      <Panel title="Node">
        <Facts
          facts={[
            ['Id', <code>{status.id}</code>],
            ['Address', status.url],
            ['Ready', yesNo(status.ready)],
            ['Data', status.durable ? 'on disk' : <Pill tone="warn">in memory only</Pill>],
            ['Runs the links', status.leads ? 'yes' : 'no: another server of its store does'],
            ['Up', span(status.uptimeMs / 1000)],
            ['Changes so far', status.seq.toLocaleString()],
            ['Sockets', status.sockets],
            ['Watched', status.watched],
            ['Epoch', <code>{status.epoch}</code>],
            ['Run', <code>{status.run}</code>],
          ]}
        />
      </Panel>
    </>
  )
}

function yesNo(is: boolean) {
  return <Pill tone={is ? 'good' : 'bad'}>{is ? 'yes' : 'no'}</Pill>
}

interface Notice {
  readonly text: string
  /** Where there is more. */
  readonly tab: string
}

function noticesOf({ ready, sync, pivot, cluster, events }: Status): Notice[] {
  const { waiting, links, withheld, conflicts, collection } = sync
  const unlinked = waiting.filter(({ failures }) => failures > 0)
  const refused = links.reduce((sum, { refused: { count } }) => sum + count, 0)
  const unhealthy = pivot.nodes.filter(({ healthy }) => !healthy)
  const failing = pivot.leaders.filter(({ active, failures }) => active && failures > 0)
  const members = cluster?.members ?? []
  const away = members.filter(({ status }) => status !== 'alive')
  const found: [boolean, string, string][] = [
    [!ready, 'The node is not ready.', 'node'],
    [
      unlinked.length > 0,
      `${counted(unlinked.length, 'address', 'addresses')} can not be reached.`,
      'sync',
    ],
    [refused > 0, `${counted(refused, 'entry', 'entries')} of peers refused.`, 'sync'],
    [
      withheld > 0,
      `${counted(withheld, 'version', 'versions')} withheld: deletes may be undone.`,
      'sync',
    ],
    [
      conflicts > 0,
      `${counted(conflicts, 'version', 'versions')} overruled by writers who did not see it.`,
      'sync',
    ],
    [collection.lastError !== undefined, 'The collection of tombstones ended early.', 'sync'],
    [
      unhealthy.length > 0,
      `${counted(unhealthy.length, 'pivot node', 'pivot nodes')} not healthy.`,
      'sync',
    ],
    [
      failing.length > 0,
      `${counted(failing.length, 'pivot leader', 'pivot leaders')} can not be followed.`,
      'sync',
    ],
    [cluster !== undefined && cluster.state !== 'joined', 'The cluster is not joined.', 'cluster'],
    [
      away.length > 0,
      `${counted(away.length, 'member', 'members')} of the cluster not alive.`,
      'cluster',
    ],
    [(events?.underReplicated ?? 0) > 0, 'Events lack replicas.', 'events'],
  ]
  return found.filter(([is]) => is).map(([, text, tab]) => ({ text, tab }))
}

function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`
}
