import { stat } from 'node:fs/promises'
import type { CancelTimer, Env } from '../../core/env.ts'

/** How often files are looked at. */
const LOOK_INTERVAL_MS = 1000

/**
 * Notices when one of some files changes. It asks for their state by name, again and again: so it sees files
 * that are replaced, renamed into place, or reached through links that move, as secrets in Kubernetes are.
 */
export class FileWatch {
  readonly #paths: readonly string[]
  readonly #env: Env
  readonly #changed: () => Promise<void>
  #seen = ''
  #cancel: CancelTimer | undefined
  #closed = false

  /** @param changed called when a file changed, and not again before it is done; must not reject */
  constructor(paths: readonly string[], env: Env, changed: () => Promise<void>) {
    this.#paths = paths
    this.#env = env
    this.#changed = changed
  }

  /** Begins; to be awaited before the files are first read, so that no change in between is missed. */
  async start(): Promise<void> {
    this.#seen = await this.#look()
    this.#schedule()
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
  }

  #schedule(): void {
    if (this.#closed) return
    this.#cancel = this.#env.setTimer(LOOK_INTERVAL_MS, () => void this.#check())
  }

  async #check(): Promise<void> {
    const seen = await this.#look()
    if (seen !== this.#seen && !this.#closed) {
      this.#seen = seen
      await this.#changed()
    }
    this.#schedule()
  }

  async #look(): Promise<string> {
    const states = this.#paths.map(async (path) => {
      // A file that is gone for a moment is being replaced.
      const found = await stat(path, { bigint: true }).catch(() => undefined)
      return found && [found.ino, found.size, found.mtimeNs, found.ctimeNs].join()
    })
    return (await Promise.all(states)).join(';')
  }
}
