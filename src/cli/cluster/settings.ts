import type { ServerOptions } from '../../index.ts'
import type { Setting, Settings } from '../setting.ts'

/** Options of `serve` for a node that is a member of a cluster. */
export const clusterSettings: readonly Setting[] = [
  {
    name: 'cluster',
    type: 'string',
    value: '<name>',
    description: 'be a member of the cluster of this name; my-cluster if only other options say so',
    expected: 'at most 100 of A-Z a-z 0-9 _ . -',
    limits: { pattern: '^[A-Za-z0-9_.-]{1,100}$' },
  },
  {
    name: 'registry',
    type: 'string',
    value: '<url>',
    description: 'where the members are kept: redis://…, or http://… of the node that keeps them',
    expected: 'redis://host:port, rediss://host:port or http(s)://host:port',
    limits: { pattern: '^(rediss?|https?)://\\S+$' },
  },
  {
    name: 'zone',
    type: 'string',
    value: '<name>',
    description: 'zone of this node in its region',
    expected: 'a name',
    limits: { minLength: 1, maxLength: 1_024 },
  },
  {
    name: 'region',
    type: 'string',
    value: '<name>',
    description: 'region of this node',
    expected: 'a name',
    limits: { minLength: 1, maxLength: 1_024 },
  },
  {
    name: 'weight',
    type: 'integer',
    value: '<number>',
    description: 'share of the work compared with the other members; 1 if not given',
    expected: 'a whole number from 1 to 1000',
    limits: { minimum: 1, maximum: 1_000 },
  },
  {
    name: 'slots',
    type: 'integer',
    value: '<number>',
    description: 'slots that keys are grouped into, the same for all members; 4096 if not given',
    expected: 'a whole number from 1 to 1048576',
    limits: { minimum: 1, maximum: 1_048_576 },
  },
  {
    name: 'heartbeatIntervalMs',
    type: 'integer',
    value: '<ms>',
    description: 'between two looks at each member; 30000 if not given',
    expected: 'a whole number of milliseconds, at least 1',
    limits: { minimum: 1, maximum: 86_400_000 },
  },
  {
    name: 'leaseMs',
    type: 'integer',
    value: '<ms>',
    description: 'how long a silent leader or worker keeps its right; 10000 if not given',
    expected: 'a whole number of milliseconds, at least 1',
    limits: { minimum: 1, maximum: 86_400_000 },
  },
]

/** Options of `serve` for a node that keeps events; the first one has it do so. */
export const eventSettings: readonly Setting[] = [
  {
    name: 'replicationFactor',
    type: 'integer',
    value: '<number>',
    description: 'keep events, so many copies of each in the cluster',
    expected: 'a whole number, at least 1',
    limits: { minimum: 1, maximum: 100 },
  },
  {
    name: 'commitLevel',
    type: 'string',
    value: '<level>',
    description: 'what a put waits for: ONE, QUORUM, ALL, LOCAL_QUORUM or EACH_QUORUM',
    expected: 'ONE, QUORUM, ALL, LOCAL_QUORUM or EACH_QUORUM',
    limits: { enum: ['ONE', 'QUORUM', 'ALL', 'LOCAL_QUORUM', 'EACH_QUORUM'] },
  },
  {
    name: 'otherZoneReplicas',
    type: 'integer',
    value: '<number>',
    description: 'copies of an event that go to other zones',
    expected: 'a whole number',
    limits: { minimum: 0, maximum: 100 },
  },
  {
    name: 'otherRegionReplicas',
    type: 'integer',
    value: '<number>',
    description: 'copies of an event that go to other regions',
    expected: 'a whole number',
    limits: { minimum: 0, maximum: 100 },
  },
  {
    name: 'eventInterval',
    type: 'string',
    value: '<duration>',
    description: 'length of an interval of the event log: P1D, PT3H, PT1H, PT15M or PT5M',
    expected: 'P1D, PT3H, PT1H, PT15M or PT5M',
    limits: { enum: ['P1D', 'PT3H', 'PT1H', 'PT15M', 'PT5M'] },
  },
]

/** What the settings say about cluster and events; undefined where they say nothing. */
export function clusterOptions(settings: Settings): Pick<ServerOptions, 'cluster' | 'events'> {
  const { cluster: name, registry, advertise, zone, region, weight, ...rest } = settings
  const { slots, heartbeatIntervalMs, leaseMs } = rest
  const cluster = {
    ...{ name, registry, zone, region, weight, slots, heartbeatIntervalMs, leaseMs },
  }
  const { replicationFactor, commitLevel, otherZoneReplicas, otherRegionReplicas } = settings
  const replicationStrategy = defined({ otherZoneReplicas, otherRegionReplicas })
  const events = defined({ replicationFactor, commitLevel, interval: settings.eventInterval })
  const hasStrategy = Object.keys(replicationStrategy).length > 0
  const hasEvents = Object.keys(events).length > 0 || hasStrategy
  const isMember = Object.keys(defined(cluster)).length > 0 || hasEvents
  return {
    ...(isMember && { cluster: defined({ ...cluster, advertise }) }),
    ...(hasEvents && { events: { ...events, ...(hasStrategy && { replicationStrategy }) } }),
  }
}

/** Without the members that are undefined. */
function defined<T extends object>(members: T): { [Name in keyof T]?: NonNullable<T[Name]> } {
  const given = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [Name in keyof T]?: NonNullable<T[Name]> }
}
