import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { takesWork } from '../../cluster/member.ts'
import type { Member } from '../../cluster/member.ts'
import type { Membership } from './membership.ts'

/** How members are counted: each once, by what says most about it. */
const CONDITIONS = ['alive', 'unready', 'draining', 'suspect', 'dead'] as const
type Condition = (typeof CONDITIONS)[number]

/** Adds what a node knows of its cluster to its metrics; `docs/metrics.md` lists it. */
export function clusterMetrics(registry: Registry, membership: Membership): void {
  const registers = [registry]
  const gauge = (name: string, help: string, value: () => number): void => {
    const metric: Gauge = new Gauge({ name, help, registers, collect: () => metric.set(value()) })
  }
  const status = () => membership.status()
  const self = () => status().members?.find(({ id }) => id === status().id)
  gauge('skerry_cluster_joined', '1 while this node is a member of its cluster.', () =>
    status().state === 'joined' ? 1 : 0,
  )
  gauge('skerry_cluster_leads', '1 while this node leads the watch over the members.', () => {
    const { id, leader } = status()
    return id !== undefined && id === leader ? 1 : 0
  })
  gauge('skerry_cluster_recovering', '1 while the registry recovers and grants nothing.', () =>
    status().recovering ? 1 : 0,
  )
  gauge('skerry_cluster_slots', 'Slots that are assigned to this node.', () => self()?.slots ?? 0)
  memberGauge(registers, () => status().members ?? [])
  eventCounter(registers, membership)
}

function memberGauge(registers: Registry[], members: () => readonly Member[]): void {
  const gauge: Gauge<'condition'> = new Gauge({
    name: 'skerry_cluster_members',
    help: 'Members of the cluster.',
    labelNames: ['condition'] as const,
    registers,
    collect: () => {
      const counts = new Map<Condition, number>(CONDITIONS.map((condition) => [condition, 0]))
      for (const member of members()) {
        const condition = conditionOf(member)
        counts.set(condition, counts.get(condition)! + 1)
      }
      for (const [condition, count] of counts) gauge.set({ condition }, count)
    },
  })
}

function eventCounter(registers: Registry[], membership: Membership): void {
  const counter: Counter<'type'> = new Counter({
    name: 'skerry_cluster_events_total',
    help: 'What this node heard of its cluster since it joined.',
    labelNames: ['type'] as const,
    registers,
    collect: () => {
      counter.reset()
      for (const [type, count] of membership.heard) counter.inc({ type }, count)
    },
  })
}

function conditionOf(member: Member): Condition {
  if (member.status === 'dead') return 'dead'
  if (takesWork(member)) return member.status
  return member.draining ? 'draining' : 'unready'
}
