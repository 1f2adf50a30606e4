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
            ['Version', status.version],
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

type Found = readonly [boolean, string, string]

function noticesOf(status: Status): Notice[] {
  const { ready, cluster, events } = status
  const away = (cluster?.members ?? []).filter(({ status: state }) => state !== 'alive').length
  const found: Found[] = [
    [!ready, 'The node is not ready.', 'node'],
    ...syncNotices(status),
    [cluster !== undefined && cluster.state !== 'joined', 'The cluster is not joined.', 'cluster'],
    [away > 0, `${counted(away, 'member', 'members')} of the cluster not alive.`, 'cluster'],
    [(events?.underReplicated ?? 0) > 0, 'Events lack replicas.', 'events'],
  ]
  return found.filter(([is]) => is).map(([, text, tab]) => ({ text, tab }))
}

function syncNotices({ sync, pivot }: Status): Found[] {
  const { withheld, conflicts, collection } = sync
  const unlinked = sync.waiting.filter(({ failures }) => failures > 0).length
  const refused = sync.links.reduce((sum, link) => sum + link.refused.count, 0)
  const unhealthy = pivot.nodes.filter(({ healthy }) => !healthy).length
  const failing = pivot.leaders.filter(({ active, failures }) => active && failures > 0).length
  const found: [boolean, string][] = [
    [unlinked > 0, `${counted(unlinked, 'address', 'addresses')} can not be reached.`],
    [refused > 0, `${counted(refused, 'entry', 'entries')} of peers refused.`],
    [withheld > 0, `${counted(withheld, 'version', 'versions')} withheld: deletes may be undone.`],
    [conflicts > 0, `${counted(conflicts, 'version', 'versions')} overruled unseen.`],
    [collection.lastError !== undefined, 'The collection of tombstones ended early.'],
    [unhealthy > 0, `${counted(unhealthy, 'pivot node', 'pivot nodes')} not healthy.`],
    [failing > 0, `${counted(failing, 'pivot leader', 'pivot leaders')} can not be followed.`],
  ]
  return found.map(([is, text]) => [is, text, 'sync'])
}

function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`
}
