import { Facts, Failure, Panel, Pill, Table } from './parts.tsx'
import { RequestError } from './session.ts'
import type { ClusterStatus, Member } from './status.ts'

/** The cluster that the node is in. */
export function Cluster({ cluster }: { cluster: ClusterStatus }) {
  const { name, registry, state, leader, term, recovering, members = [], lastError } = cluster
  return (
    <>
      <Panel title="Cluster">
        <Facts
          facts={[
            ['Name', name],
            ['This node', <Pill tone={state === 'joined' ? 'good' : 'warn'}>{state}</Pill>],
            ['Registry', registry],
            ['Led by', leader === undefined ? undefined : leader === '' ? 'nobody now' : leader],
            ['Term', term],
            ['Recovering', recovering === true ? 'yes: no new rights for one lease' : undefined],
          ]}
        />
        {lastError !== undefined && <Failure error={new RequestError('CLUSTER', 0, lastError)} />}
      </Panel>
      <Panel title="Members">
        <Table
          label="Members"
          heads={['Member', 'State', 'Address', 'Zone', 'Region', 'Weight', 'Slots', 'Misses']}
        >
          {members.map((member) => (
            <MemberRow key={member.id} member={member} />
          ))}
        </Table>
      </Panel>
    </>
  )
}

const TONES: Readonly<Record<string, 'good' | 'warn' | 'bad'>> = {
  alive: 'good',
  suspect: 'warn',
  dead: 'bad',
}

function MemberRow({ member }: { member: Member }) {
  const { id, status, ready, draining, address, port, zone, region } = member
  return (
    <tr>
      <th scope="row">
        <code>{id}</code>
      </th>
      <td>
        <Pill tone={TONES[status] ?? 'warn'}>{status}</Pill>{' '}
        {!ready && <Pill tone="warn">not ready</Pill>} {draining && <Pill>draining</Pill>}
      </td>
      <td>
        {address}:{port}
      </td>
      <td>{zone}</td>
      <td>{region}</td>
      <td>{member.weight}</td>
      <td>{member.slots}</td>
      <td>{member.failures}</td>
    </tr>
  )
}
