/**
 * What adapters and embedders test their own code with: virtual time, and the conformance suites that
 * every adapter of a port passes.
 *
 * @module
 */
export { VirtualEnv } from './testing/env.ts'
export { engineSuite } from './testing/engine.ts'
export type { EnginePlace, EngineSuiteOptions } from './testing/engine.ts'
export { storeSuite } from './testing/store.ts'
export type { OpenOptions, StorePlace, StoreSuiteOptions } from './testing/store/scene.ts'
export type { Engine, EngineItem, EngineOp, EngineRange } from './store/engine.ts'
export type {
  Acknowledgement,
  Change,
  Checkpoint,
  CollectionRule,
  Commit,
  Contest,
  Decide,
  FeedPage,
  HashedEntry,
  HashedPage,
  Horizon,
  Listing,
  Merged,
  MergeSource,
  Position,
  Store,
  Withheld,
  Write,
  Written,
} from './store/store.ts'
