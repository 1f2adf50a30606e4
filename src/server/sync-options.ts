import type { Env } from '../core/env.ts'
import type { Store } from '../store/store.ts'
import type { SyncOptions } from '../sync/options.ts'
import type { PeerHeaders } from './access/credentials.ts'
import type { Perimeter } from './access/perimeter.ts'
import { conflictHook } from './conflict.ts'
import type { LinkLog } from './link-log.ts'
import type { ResolvedOptions } from './options.ts'
import type { PivotSide } from './pivot/side.ts'
import { socketTransport } from './sockets/transport.ts'

interface SyncParts {
  readonly side: PivotSide
  readonly perimeter: Perimeter
  readonly headers: PeerHeaders
  readonly log: LinkLog
}

/** How the store of a server is kept in step by links with other nodes. */
export function syncOptions(
  store: Store,
  env: Env,
  options: ResolvedOptions,
  { side, perimeter, headers, log }: SyncParts,
): SyncOptions {
  const { keys, leader, peers, tombstoneTtlMs, maxClockDriftMs } = options
  const { secrets } = perimeter
  return {
    store,
    env,
    transport: side.choosing(socketTransport(headers, perimeter.peerTls)),
    keys,
    peers,
    tombstoneTtlMs,
    maxClockDriftMs,
    pivotPeers: side.peers,
    onConflict: conflictHook(options),
    onEvent: (event) => {
      log.tell(event)
      side.board.changed()
    },
    ...side.links(leader),
    ...(secrets !== undefined && { secrets: () => secrets.current() }),
  }
}
