/** The main door: run a node in your own process. */
export { type ErrorCode, SkerryError, skerryError, skerryErrorFrom } from './core/errors.ts'
export type { Commitment, CommitLevel } from './core/commitment.ts'
export type { Entry } from './core/entry.ts'
export { jsonElements, jsonMembers } from './core/json.ts'
export type { Env } from './core/env.ts'
export type { StateEntry } from './core/value.ts'
export type { Watch } from './core/watch.ts'
export {
  CommitError,
  type CommitOptions,
  type Performed,
  type WriteOptions,
} from './state/commitment.ts'
export type { Filter, Filters, StateChange } from './state/filters.ts'
export type { HistoryCounts } from './state/keeping.ts'
export type { Limit } from './state/limit.ts'
export type { HistoryOptions, PathVersion, PathVersions } from './state/past.ts'
export type { Range } from './state/range.ts'
export type { FilterDescription, StateVerb } from './state/rules.ts'
export type { PatchOptions, State as TextState } from './state/state.ts'
export type {
  ValuePatchOptions,
  ValueResult,
  ValueState,
  ValueVersion,
  ValueVersions,
  ValueWrite,
  VersionedEntry,
} from './state/values.ts'
export type { Condition } from './state/version.ts'
export type { PatchForm, WriteRequest, WriteResult } from './state/writing.ts'
export type { StoreNode, StoreOpener } from './store/opener.ts'
export type { Store } from './store/store.ts'
export type { NodeStatus } from './server/health/health.ts'
export type { ServerClusterOptions } from './server/cluster/options.ts'
export type { ServerEventsOptions } from './server/events/options.ts'
export type { Logger } from './server/log.ts'
export type { ServerOptions } from './server/options.ts'
export type { KeyOptions, PivotOptions } from './server/pivot/options.ts'
export type { HttpAnswer, HttpClient, HttpRequest } from './sync/pivot/http.ts'
export type { Conflict } from './sync/options.ts'
export type { AttachOptions, Pivot, PivotStatus } from './sync/pivot/pivot.ts'
export { createServer } from './server/create.ts'
export type { Server } from './server/server.ts'
export {
  type BackupManifest,
  type BackupProgress,
  restingBackup,
  restoreBackup,
  writeBackup,
} from './server/data/backup.ts'
export { MAX_IMPORT_LINES, TOTAL_HEADER } from './server/data/transfer.ts'
