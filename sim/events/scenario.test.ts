import { env } from 'node:process'
import { expect, test } from 'vitest'
import { EventsScenario } from './scenario.ts'

// A share for every day. All of it: EVENTS_SEEDS=2000 npx vitest run sim/events
// One seed again: EVENTS_FIRST_SEED=1234 EVENTS_SEEDS=1 npx vitest run sim/events

const seeds = Number(env['EVENTS_SEEDS'] ?? 60)
const first = Number(env['EVENTS_FIRST_SEED'] ?? 1)

test('events survive crashes, partitions, silence, joins and a drop', async () => {
  const totals = { puts: 0, acknowledged: 0, faults: 0, scans: 0, promises: 0, singleCopiesLost: 0 }
  for (let seed = first; seed < first + seeds; seed++) {
    const report = await new EventsScenario(seed).run()
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += report[name]
  }
  console.log(JSON.stringify({ seeds, first, ...totals }))
  expect(totals.acknowledged).toBeGreaterThan(10 * seeds)
  if (seeds >= 60) expect(totals.promises).toBeGreaterThan(seeds)
}, 1_200_000)

test('one seed, one course of events', async () => {
  const report = await new EventsScenario(7).run()
  expect(await new EventsScenario(7).run()).toEqual(report)
})
