import { expect, test } from 'vitest'
import { EventsScenario } from './scenario.ts'

// A share of what `npx tsx sim/events/main.ts 2000` runs.

test('events survive crashes, partitions, silence, joins and a drop: seeds 1 to 60', async () => {
  let acknowledged = 0
  let scans = 0
  for (let seed = 1; seed <= 60; seed++) {
    const report = await new EventsScenario(seed).run()
    acknowledged += report.acknowledged
    scans += report.scans
  }
  expect(acknowledged).toBeGreaterThan(1_000)
  expect(scans).toBeGreaterThan(50)
})

test('one seed, one course of events', async () => {
  const first = await new EventsScenario(7).run()
  expect(await new EventsScenario(7).run()).toEqual(first)
})
