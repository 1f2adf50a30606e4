import { collectionSuite } from './store/collection.ts'
import { driftSuite } from './store/drift.ts'
import { feedSuite } from './store/feed.ts'
import { historySuite } from './store/history.ts'
import { mergingSuite } from './store/merging.ts'
import type { StoreSuiteOptions } from './store/scene.ts'
import { restampingSuite } from './store/restamping.ts'
import { writesSuite } from './store/writes.ts'

/**
 * The conformance suite of the `Store` port: what state, sync and the rest rely on. It runs in any
 * test framework and passes no time, so it never sleeps.
 *
 * @example
 * import { test } from 'node:test'
 * import { storeSuite } from 'skerry/testing'
 *
 * storeSuite({ test, place: async () => makeAnEmptyPlaceForMyStore() })
 */
export function storeSuite(options: StoreSuiteOptions): void {
  writesSuite(options)
  mergingSuite(options)
  feedSuite(options)
  historySuite(options)
  driftSuite(options)
  restampingSuite(options)
  collectionSuite(options)
}
