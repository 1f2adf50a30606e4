import type { LinkStatus } from '../../sync/status.ts'
import type { Logger } from '../log.ts'

/** Tells the log how far repairs are that take a while, and so a first sync. */
export class RepairLog {
  readonly #logger: Logger
  /** What was told of last, by peer and key. */
  #told = new Map<string, string>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Takes how the links are now; called from time to time. */
  note(links: readonly LinkStatus[]): void {
    const now = new Map<string, string>()
    for (const { peer, repairing } of links) {
      if (peer === undefined || repairing === undefined) continue
      const { key, done, total } = repairing
      const name = `${peer} ${key}`
      const said = `${done} of ${total}`
      now.set(name, said)
      if (this.#told.get(name) !== said) this.#logger.info({ peer, key, done, total }, 'repairing')
    }
    for (const name of this.#told.keys()) {
      if (now.has(name)) continue
      const [peer, key] = name.split(' ')
      const link = links.find((one) => one.peer === peer)
      const repaired = link?.unrepaired.includes(key!) === false
      this.#logger.info({ peer, key }, repaired ? 'repaired' : 'the repair was cut off')
    }
    this.#told = now
  }
}
