import { expect, test } from 'vitest'
import { Ledger } from '../../src/cluster/ledger.ts'
import { Fleet, LEASE_MS } from '../../sim/cluster/fleet.ts'
import { RegistryServer } from '../../sim/cluster/registry.ts'
import { World } from '../../sim/cluster/world.ts'

const SLOTS = 16
const MONITORS = ['m1', 'm2', 'm3']

/** Three monitors that have agreed on a leader, in virtual time. */
async function monitors(seed: number): Promise<{ world: World; fleet: Fleet; leader: string }> {
  const world = new World(seed)
  const server = new RegistryServer(world, SLOTS, 50, Ledger)
  const fleet = new Fleet(world, server, SLOTS)
  const starting = Promise.all(MONITORS.map((name) => fleet.start(name, 'monitor')))
  await world.run(LEASE_MS * 4)
  await starting
  return { world, fleet, leader: leaderOf(fleet) }
}

const leaderOf = ({ server }: Fleet) => server.ledger.head().leadership.monitor

test('a leader that is gone or stands still is followed within two leases', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, fleet, leader } = await monitors(seed)
    expect(MONITORS).toContain(leader)
    const { term } = fleet.server.ledger.head().leadership
    const { host } = fleet.named(leader)!
    if (seed % 2 === 0) host.crash()
    else host.pause(LEASE_MS * 3)
    await world.run(world.now + LEASE_MS * 2)
    const next = leaderOf(fleet)
    expect(MONITORS.filter((name) => name !== leader)).toContain(next)
    // Who stood still finds itself deposed, and leaves the new leader alone.
    await world.run(world.now + LEASE_MS * 3)
    expect(fleet.server.ledger.head().leadership).toMatchObject({ monitor: next, term: term + 1 })
  }
})

test('a leader that resigns is followed at the next look of another', async () => {
  const { world, fleet, leader } = await monitors(7)
  void fleet.named(leader)!.cluster.destroy()
  await world.run(world.now + LEASE_MS)
  expect(MONITORS.filter((name) => name !== leader)).toContain(leaderOf(fleet))
})
