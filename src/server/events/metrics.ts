import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import type { Coordinator, CoordinatorStatus } from '../../events/coordinator.ts'

/** A number in the status of a coordinator, with its name and what it counts. */
type Told = readonly [name: string, help: string, read: (status: CoordinatorStatus) => number]

const GAUGES: readonly Told[] = [
  ['in_flight', 'Puts whose replicas have not all answered yet.', ({ inFlight }) => inFlight],
  ['hints', 'Copies kept for nodes that missed them.', ({ hints }) => hints],
  [
    'under_replicated',
    'Events that are listed because they lack replicas.',
    ({ underReplicated }) => underReplicated,
  ],
]

const COUNTERS: readonly Told[] = [
  ['handed_off', 'Kept copies that were handed over.', ({ handedOff }) => handedOff],
  ['sweeps', 'Sweeps of repair that came to their end.', ({ repair }) => repair.sweeps],
  ['repaired', 'Copies that sweeps made.', ({ repair }) => repair.copied],
  ['conflicts', 'Different contents found under one key.', ({ conflicts }) => conflicts],
  ['errors', 'Failures of work in the background; it is tried again.', ({ errors }) => errors],
]

/** Adds what a node knows of its events to its metrics; `docs/metrics.md` lists it. */
export function eventMetrics(registry: Registry, coordinator: Coordinator): void {
  const registers = [registry]
  putCounter(registers, coordinator)
  for (const [what, help, read] of GAUGES) {
    const collect = () => gauge.set(read(coordinator.status()))
    const gauge: Gauge = new Gauge({ name: `skerry_events_${what}`, help, registers, collect })
  }
  for (const [what, help, read] of COUNTERS) {
    const collect = () => {
      counter.reset()
      counter.inc(read(coordinator.status()))
    }
    const name = `skerry_events_${what}_total`
    const counter: Counter = new Counter({ name, help, registers, collect })
  }
}

function putCounter(registers: Registry[], coordinator: Coordinator): void {
  const counter: Counter<'level' | 'verdict'> = new Counter({
    name: 'skerry_events_puts_total',
    help: 'Puts of this node, by level and verdict.',
    labelNames: ['level', 'verdict'] as const,
    registers,
    collect: () => {
      counter.reset()
      for (const [level, counts] of coordinator.puts) {
        for (const [verdict, count] of Object.entries(counts)) {
          counter.inc({ level, verdict }, count)
        }
      }
    },
  })
}
