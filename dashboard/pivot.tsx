import { Panel, Pill, Table } from './parts.tsx'
import type { PivotLeader, PivotNode, PivotStatus } from './status.ts'
import { Lags } from './sync.tsx'

/** Nodes and leaders of the pivot protocol; nothing where there are none. */
export function Pivot({ pivot }: { pivot: PivotStatus }) {
  const { nodes, leaders, ignoredNodes } = pivot
  return (
    <>
      {nodes.length > 0 && (
        <Panel title="Pivot nodes">
          <Table label="Pivot nodes" heads={['Node', 'Health', 'Protocol', 'Checked', 'Lacks']}>
            {nodes.map((node) => (
              <NodeRow key={node.address} node={node} />
            ))}
          </Table>
          {ignoredNodes > 0 && (
            <p class="failure">{ignoredNodes} more are registered, and told of nothing.</p>
          )}
        </Panel>
      )}
      {leaders.length > 0 && (
        <Panel title="Pivot leaders">
          <Table
            label="Pivot leaders"
            heads={['Leader', 'State', 'Checked', 'Lacks', 'Undeliverable', 'Last error']}
          >
            {leaders.map((leader) => (
              <LeaderRow key={leader.leader} leader={leader} />
            ))}
          </Table>
        </Panel>
      )}
    </>
  )
}

function NodeRow({ node }: { node: PivotNode }) {
  const { address, healthy, compatible, reason, protocol, lastCheck, lag } = node
  return (
    <tr>
      <th scope="row">
        <code>{address}</code>
      </th>
      <td>
        <Pill tone={healthy ? 'good' : 'bad'}>{healthy ? 'healthy' : 'unhealthy'}</Pill>{' '}
        {!compatible && <Pill tone="bad">incompatible</Pill>}
        {reason !== '' && <div class="quiet">{reason}</div>}
      </td>
      <td>{protocol === '' ? 'unknown' : protocol}</td>
      <td>{lastCheck === null ? 'never' : new Date(lastCheck).toLocaleTimeString()}</td>
      <td>{lag && <Lags lags={lag} />}</td>
    </tr>
  )
}

function LeaderRow({ leader: shown }: { leader: PivotLeader }) {
  const { leader, active, failures, lastError, lastCheck, keys } = shown
  const undeliverable = keys.reduce((sum, key) => sum + key.undeliverable.count, 0)
  const named = keys.flatMap((key) => key.undeliverable.named)
  return (
    <tr>
      <th scope="row">
        <code>{leader}</code>
      </th>
      <td>
        {active ? <Pill tone={failures > 0 ? 'bad' : 'good'}>active</Pill> : <Pill>by a link</Pill>}
        {failures > 0 && <span> {failures} failed</span>}
      </td>
      <td>{lastCheck ? new Date(lastCheck).toLocaleTimeString() : 'never'}</td>
      <td>
        <Lags lags={keys.flatMap(({ lag }) => (lag?.key === undefined ? [] : [lag]))} />
      </td>
      <td>
        {undeliverable}
        {named.map(({ path, reason }) => (
          <div key={path}>
            <code>{path}</code> <span class="quiet">{reason}</span>
          </div>
        ))}
      </td>
      <td class="wide">{lastError ?? ''}</td>
    </tr>
  )
}
