import { after } from './platform.ts'
import type { Storage } from './storage.ts'
import type { Subject } from './subject.ts'

/** How long changes of what is watched gather before they are kept: the whole is written each time. */
const KEEP_DELAY_MS = 500

/** Keeps what is watched in the storage, each copy together with its version. */
export class CopyKeeper {
  readonly #storage: Storage
  readonly #failed: (error: unknown) => void
  readonly #changed = new Set<Subject>()
  #cancel: (() => void) | undefined

  constructor(storage: Storage, failed: (error: unknown) => void) {
    this.#storage = storage
    this.#failed = failed
  }

  /** The node showed something new of it. */
  note(subject: Subject): void {
    this.#changed.add(subject)
    this.#cancel ??= after(KEEP_DELAY_MS, () => this.flush())
  }

  /** Keeps what has changed now. */
  flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    for (const { pattern, held } of this.#changed) {
      if (held !== undefined) this.#storage.keepCopy(pattern, held).catch(this.#failed)
    }
    this.#changed.clear()
  }
}
