import { skerryError } from '../core/errors.ts'
import { assertKey } from '../core/path.ts'
import { NODE_ID } from '../core/entry.ts'
import type { Store } from '../store/store.ts'
import { type Hello, OLDEST_PROTOCOL, PROTOCOL } from './messages.ts'

/** Bytes of changes that a peer may have on their way to this node, not yet merged. */
export const WINDOW_BYTES = 1024 * 1024

/** The most former epochs that a peer may name. */
const MAX_FORMERLY = 10

/** The most keys that a peer may offer to share. */
const MAX_KEYS = 1000

/** How this node introduces itself. */
export function greeting(store: Store, keys: readonly string[]): Hello {
  return {
    kind: 'hello',
    oldest: OLDEST_PROTOCOL,
    newest: PROTOCOL,
    nodeId: store.nodeId,
    epoch: store.epoch,
    run: store.run,
    durable: store.durable,
    keys,
    clock: store.time(),
    window: WINDOW_BYTES,
    formerly: store.formerly,
  }
}

/**
 * Checks how a peer introduces itself.
 * @throws SKERRY_LINK_VERSION, SKERRY_NODE_SELF, SKERRY_LINK_PROTOCOL, SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED
 */
export function checkGreeting(hello: Hello, nodeId: string): void {
  const { oldest, newest, keys } = hello
  if (newest < OLDEST_PROTOCOL || oldest > PROTOCOL) {
    throw skerryError('LINK_VERSION', `${oldest} to ${newest}`, `${OLDEST_PROTOCOL} to ${PROTOCOL}`)
  }
  if (!NODE_ID.test(hello.nodeId)) throw skerryError('LINK_PROTOCOL', 'its node id is not valid')
  if (hello.nodeId === nodeId) throw skerryError('NODE_SELF', nodeId)
  if (keys.length > MAX_KEYS) throw skerryError('LINK_PROTOCOL', `more than ${MAX_KEYS} keys`)
  if (hello.formerly.length > MAX_FORMERLY) {
    throw skerryError('LINK_PROTOCOL', `more than ${MAX_FORMERLY} former epochs`)
  }
  keys.forEach(assertKey)
}
