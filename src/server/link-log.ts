import type { SyncEvent } from '../sync/event.ts'
import type { RepairProgress } from '../sync/repairs.ts'
import type { LinkStatus } from '../sync/status.ts'
import type { Logger } from './log.ts'

/** Logs how links with other nodes come and go, and how far repairs are that take a while, such as a first sync. */
export class LinkLog {
  readonly #logger: Logger
  /** The repairs as they were told last, by peer: a link has one at a time. */
  #repairs: ReadonlyMap<string, RepairProgress> = new Map()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Logs what happened. */
  tell(event: SyncEvent): void {
    const logger = this.#logger
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

  /** Logs how far repairs are; called from time to time with how the links are. */
  follow(links: readonly LinkStatus[]): void {
    const before = this.#repairs
    this.#repairs = new Map(links.flatMap(repairOf))
    for (const [peer, { key }] of before) {
      if (this.#repairs.get(peer)?.key === key) continue
      const repaired = links.some((link) => isRepaired(link, peer, key))
      this.#logger.info({ peer, key }, repaired ? 'repaired' : 'the repair was cut off')
    }
    for (const [peer, repair] of this.#repairs) {
      const { key, done, total } = repair
      const told = before.get(peer)
      if (told?.key === key && told.done === done && told.total === total) continue
      this.#logger.info({ peer, key, done, total }, 'repairing')
    }
  }
}

function repairOf({ peer, repairing }: LinkStatus): [string, RepairProgress][] {
  return peer === undefined || repairing === undefined ? [] : [[peer, repairing]]
}

/** True of the peer's link if it has the key in step; one that is still greeting has nothing. */
function isRepaired({ peer, open, unrepaired }: LinkStatus, of: string, key: string): boolean {
  return peer === of && open && !unrepaired.includes(key)
}
