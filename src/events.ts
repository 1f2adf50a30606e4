import { hostname } from 'node:os'
import { Coordinator } from './events/coordinator.ts'
import { createKeyGenerator } from './events/key.ts'
import { openEventLog as openLog, type EventLog, type EventLogOptions } from './events/log.ts'
import type { CoordinatorOptions } from './events/options.ts'
import type { EventStorage, ReplicaStore } from './events/storage.ts'
import { machineEnv } from './server/env.ts'
import type { Engine } from './store/engine.ts'

export { MemoryEngine } from './store/memory.ts'
export { openLevelEngine } from './store/level.ts'
export { AlldataPeerClient, AlldataPeerServer, AlldataServer } from './events/http/alldata.ts'
export { HttpTransport } from './events/http/transport.ts'
export { exportEvents, exportLines } from './events/export.ts'
export { keyTimeMs } from './events/key.ts'
export { place } from './events/placement.ts'
export { planRepair } from './events/repair.ts'
export { CommitTracker, requirements } from './events/commit.ts'
export { PutError } from './events/write.ts'
export { Tail, type TailOptions, type TailSource } from './events/tail.ts'
export { followMembers } from './events/members.ts'
export { eventRoutes } from './server/events/routes.ts'
export type { EventMember } from './events/members.ts'
export type { EventRoutesOptions } from './server/events/routes.ts'
export type { CommitLevel, Requirement, Verdict } from './events/commit.ts'
export type { Coordinator, CoordinatorEvents, CoordinatorStatus } from './events/coordinator.ts'
export type { ExportOptions, ExportReport } from './events/export.ts'
export type { AlldataClientOptions, AlldataServerOptions } from './events/http/alldata.ts'
export type { HttpTransportOptions } from './events/http/transport.ts'
export type { Interval, IntervalLength } from './events/interval.ts'
export type { EventLog, EventLogEvents, IntervalStatus } from './events/log.ts'
export type { Peer, PeerLocation } from './events/peers.ts'
export type { Placement, ReplicationStrategy } from './events/placement.ts'
export type { ScanOptions, StoredEvent, StoredText } from './events/reader.ts'
export type { RepairPlan, RepairReport } from './events/repair.ts'
export type { Shortfall } from './events/shortfalls.ts'
export type {
  Answer,
  EventStorage,
  ReplicaPage,
  ReplicaRange,
  ReplicaStore,
} from './events/storage.ts'
export type { RepairOptions } from './events/sweep.ts'
export type { PeerTransport, Replica } from './events/transport.ts'
export type { Outcome } from './events/attempt.ts'
export type { PutResult } from './events/write.ts'

/** Options of {@link createCoordinator}. */
export type { CoordinatorOptions }

/**
 * Makes a coordinator: it places replicas of immutable events on peers, counts who has them, and
 * sees to it that each event ends on as many nodes as it should.
 *
 * @param localStorage where the local copies go: anything with `put(key, event, callback)`, or a
 *   log made by {@link openEventLog}, which can be read back too
 * @throws SKERRY_OPTION_UNKNOWN, SKERRY_OPTION_INVALID
 * @example
 * const coordinator = createCoordinator(storage, { replicationFactor: 3 })
 * coordinator.addPeer({ id: 'n2', hostname: '10.0.0.2' }, { zone: 'b' })
 * coordinator.on('_put', (peer, key, event, callback) => client._put(peer, key, event, callback))
 * await coordinator.put(generateKey(), { hello: 'world' })
 */
export function createCoordinator(
  localStorage: EventStorage | ReplicaStore,
  options: Omit<CoordinatorOptions, 'env'> & Partial<Pick<CoordinatorOptions, 'env'>> = {},
): Coordinator {
  return new Coordinator(localStorage, { env: machineEnv, ...options })
}

/** Opens the event log that an engine holds, on the machine's clock. */
export function openEventLog(
  engine: Engine,
  options: Omit<EventLogOptions, 'env'> & Partial<Pick<EventLogOptions, 'env'>> = {},
): Promise<EventLog> {
  return openLog(engine, { env: machineEnv, ...options })
}

/**
 * A key for an event, in alldata's form: sortable by time, unique on this node.
 * @example
 * generateKey() // '20130927T005240652508858176'
 */
export const generateKey: () => string = createKeyGenerator({
  env: machineEnv,
  process: process.pid,
  node: hostname(),
})
