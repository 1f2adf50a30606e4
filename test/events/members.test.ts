import { expect, test } from 'vitest'
import { VirtualEnv } from '../../sim/events/env.ts'
import { Coordinator } from '../../src/events/coordinator.ts'
import { followMembers, type EventMember } from '../../src/events/members.ts'

function member(id: string, changes: Partial<EventMember> = {}): EventMember {
  const place = { address: '10.0.0.1', port: 8800, zone: 'z1', region: 'r1' }
  return { id, ...place, weight: 1, status: 'alive', ...changes }
}

test('peers, zones and regions come from the members by themselves', async () => {
  const coordinator = new Coordinator(
    { put: (_key, _event, callback) => callback() },
    {
      ...{ env: new VirtualEnv(), id: 'n1', replicationFactor: 3 },
      replicationStrategy: { otherZoneReplicas: 1, otherRegionReplicas: 1 },
    },
  )
  const asked: string[] = []
  coordinator.on('_put', (peer, _key, _event, callback) => {
    asked.push(`${peer.id} ${String(peer['url'])}`)
    callback()
  })
  const members = [
    member('n1'),
    member('near'),
    member('zone', { zone: 'z2', address: '::1' }),
    member('far', { region: 'r2', address: 'https://far.example' }),
  ]
  const follow = followMembers(coordinator, 'n1')
  const put = async () => {
    asked.length = 0
    await coordinator.put('key', {}, 'ALL')
    return asked.map((said) => said.split(' ')[0])
  }

  follow(members.slice(1))
  expect(coordinator.status().peers, 'nobody, before this node is a member').toBe(0)
  follow(members)
  expect((await put()).sort()).toEqual(['far', 'zone'])
  expect(asked.sort()).toEqual(['far https://far.example:8800', 'zone http://[::1]:8800'])

  const dead = members.map((other) =>
    other.id === 'far' ? { ...other, status: 'dead' as const } : other,
  )
  follow(dead)
  expect((await put()).sort(), 'the dead one is replaced unasked').toEqual(['near', 'zone'])
  await coordinator.settled()
  expect(coordinator.status().hints).toBe(1)

  follow(members)
  await coordinator.settled()
  expect(coordinator.status().hints, 'handed over when it is back').toBe(0)
  follow(members.filter(({ id }) => id !== 'zone'))
  expect(coordinator.status().peers).toBe(2)
})
