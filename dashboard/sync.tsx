import { Facts, Failure, Keys, Panel, Pill, Table } from './parts.tsx'
import { RequestError } from './session.ts'
import type { KeyLag, LinkStatus, PeerStatus, SyncStatus, WaitingStatus } from './status.ts'
import { bytes, momentMs, span } from './time.ts'

/** How the node stands to others. */
export function Sync({ sync }: { sync: SyncStatus }) {
  return (
    <>
      <Links sync={sync} />
      {sync.peers.length > 0 && <Peers peers={sync.peers} />}
      <Decisions sync={sync} />
    </>
  )
}

function Links({ sync: { links, waiting } }: { sync: SyncStatus }) {
  return (
    <Panel title="Links">
      {links.length + waiting.length === 0 && <p class="quiet">This node is linked with nobody.</p>}
      {links.length > 0 && (
        <Table label="Links" heads={['Peer', 'State', 'Shares', 'Clock', 'Sent', 'Received']}>
          {links.map((link, at) => (
            <LinkRow key={link.peer ?? at} link={link} />
          ))}
        </Table>
      )}
      {waiting.length > 0 && (
        <Table label="Addresses without a link" heads={['Address', 'Attempts', 'Last error']}>
          {waiting.map((address) => (
            <WaitingRow key={address.url} waiting={address} />
          ))}
        </Table>
      )}
      {links.map(({ peer, refused }) =>
        refused.named.map(({ path, why }) => (
          <p class="failure" key={`${peer} ${path}`}>
            Not taken from {peer}: <code>{path}</code>: {why}
          </p>
        )),
      )}
    </Panel>
  )
}

function Decisions({ sync }: { sync: SyncStatus }) {
  const { keys, collection, withheld, conflicts, waitingCommits } = sync
  return (
    <Panel title="Deletes and decisions">
      <Facts
        facts={[
          ['Shared keys', <Keys keys={keys} />],
          ['Tombstones collected', collection.collected.toLocaleString()],
          ['Withheld versions', withheld.toLocaleString()],
          ['Conflicts', conflicts.toLocaleString()],
          ['Writes waiting for nodes', waitingCommits?.toLocaleString()],
        ]}
      />
      {withheld > 0 && (
        <p>
          They may undo deletes: look with <code>skerry withheld</code> and decide.
        </p>
      )}
      {collection.lastError !== undefined && (
        <Failure error={new RequestError('COLLECTION', 0, collection.lastError)} />
      )}
    </Panel>
  )
}

function LinkRow({ link }: { link: LinkStatus }) {
  const { peer, url, keys, clockOffsetMs, bytesSent, bytesReceived } = link
  return (
    <tr>
      <th scope="row">
        <code>{peer ?? 'unknown'}</code>
        {url !== undefined && <div class="quiet">{url}</div>}
      </th>
      <td>
        <LinkState link={link} />
      </td>
      <td>
        <Keys keys={keys} />
      </td>
      <td>{clockOffsetMs === undefined ? '' : offset(clockOffsetMs)}</td>
      <td>{bytes(bytesSent)}</td>
      <td>{bytes(bytesReceived)}</td>
    </tr>
  )
}

function LinkState({ link }: { link: LinkStatus }) {
  const { leads, open, unrepaired, repairing, doubted, refused } = link
  return (
    <>
      <div>
        {open ? <Pill tone="good">open</Pill> : <Pill tone="warn">greeting</Pill>}{' '}
        {leads && <Pill>leader</Pill>}{' '}
        {refused.count > 0 && <Pill tone="bad">{refused.count} refused</Pill>}
      </div>
      {repairing !== undefined && (
        <div>
          repairing <code>{repairing.key}</code>
          <progress value={repairing.done} max={Math.max(1, repairing.total)} />
          <span class="quiet">
            {repairing.done.toLocaleString()} of {repairing.total.toLocaleString()}
          </span>
        </div>
      )}
      {repairing === undefined && unrepaired.length > 0 && (
        <div>
          to be compared: <Keys keys={unrepaired} />
        </div>
      )}
      {doubted.length > 0 && (
        <div
          class="quiet"
          title="The peer holds back what this node has from before the link: it may undo deletes."
        >
          in doubt there: <Keys keys={doubted} />
        </div>
      )}
    </>
  )
}

function WaitingRow({ waiting: { url, leads, failures, lastError } }: { waiting: WaitingStatus }) {
  return (
    <tr>
      <th scope="row">
        <code>{url}</code> {leads && <Pill>leader</Pill>}
      </th>
      <td>
        <Pill tone={failures > 0 ? 'bad' : 'warn'}>{failures} failed</Pill>
      </td>
      <td class="wide">{lastError ?? 'none yet'}</td>
    </tr>
  )
}

function Peers({ peers }: { peers: readonly PeerStatus[] }) {
  return (
    <Panel title="Known nodes">
      <Table label="Known nodes" heads={['Node', 'State', 'Shares', 'Lacks']}>
        {peers.map((known) => (
          <tr key={known.peer}>
            <th scope="row">
              <code>{known.peer}</code>
            </th>
            <td>
              <PeerState known={known} />
            </td>
            <td>
              <Keys keys={known.keys} />
            </td>
            <td>{known.lag && <Lags lags={known.lag} />}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  )
}

function PeerState({ known: { linked, forgotten, durable, sinceMs } }: { known: PeerStatus }) {
  const since = momentMs(sinceMs)
  return (
    <>
      {linked && <Pill tone="good">linked</Pill>}
      {!linked && forgotten && <Pill>forgotten</Pill>}
      {!linked && !forgotten && <Pill tone="warn">away</Pill>}{' '}
      <span class="quiet">since {since}</span>
      {!durable && <div class="quiet">in memory only</div>}
    </>
  )
}

/** How far somebody is behind, key by key; only where they are. */
export function Lags({ lags }: { lags: readonly KeyLag[] }) {
  const behind = lags.filter(({ entries, seconds, more }) => entries > 0 || seconds > 0 || more)
  if (behind.length === 0) return <span class="quiet">nothing</span>
  return (
    <ul class="lags">
      {behind.map(({ key, entries, seconds, more = false }) => (
        <li key={key}>
          <code>{key}</code> {more && 'at least '}
          {entries.toLocaleString()} · {span(seconds)}
        </li>
      ))}
    </ul>
  )
}

function offset(ms: number): string {
  return `${ms > 0 ? '+' : ''}${Math.round(ms).toLocaleString()} ms`
}
