import { EventsScenario } from './scenario.ts'

// npx tsx sim/events/main.ts [runs] [first seed]

const runs = Number(process.argv[2] ?? 100)
const first = Number(process.argv[3] ?? 1)
const totals = { runs: 0, puts: 0, acknowledged: 0, faults: 0, scans: 0, lost: 0 }
for (let seed = first; seed < first + runs; seed++) {
  const report = await new EventsScenario(seed).run()
  totals.runs++
  for (const name of ['puts', 'acknowledged', 'faults', 'scans', 'lost'] as const) {
    totals[name] += report[name]
  }
}
console.log(JSON.stringify(totals))
