import type { SyncEvent } from '../sync/event.ts'
import type { Logger } from './log.ts'

/** Logs how links with other nodes come and go. */
export function linkLog(logger: Logger): (event: SyncEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'linked': {
        const { peer, url, keys, clockOffsetMs } = event
        return logger.info({ peer, url, keys, clockOffsetMs }, 'linked')
      }
      case 'drifted': {
        const { peer, clockOffsetMs } = event
        return logger.warn(
          { peer, clockOffsetMs },
          'the clocks of this node and the peer are too far apart: set them right',
        )
      }
      case 'steadied': {
        const { peer, clockOffsetMs } = event
        return logger.info({ peer, clockOffsetMs }, 'the clocks are together again')
      }
      case 'unlinked': {
        const { peer, url, reason } = event
        return logger.warn({ peer, url, code: reason.code, reason: reason.message }, 'link lost')
      }
      case 'unreached':
        return logger.warn({ url: event.url, reason: event.reason }, 'no link, tried on')
      case 'cloned':
        return logger.error(
          { peer: event.peer },
          'somebody else says to be this peer, and is kept out: maybe a copied data directory',
        )
      case 'renewed':
        return logger.warn({ epoch: event.epoch }, 'a new epoch has begun')
    }
  }
}
