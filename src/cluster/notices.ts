import type { Notice } from './registry.ts'
import { readNotice } from './verbs.ts'

/** Who in this process hears what processes of a cluster tell each other. */
export class Audience {
  readonly #listeners = new Set<(notice: Notice) => void>()

  /** @param listener must not throw: what it throws comes out of {@link tell}. */
  subscribe(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  tell(notice: Notice): void {
    for (const listener of this.#listeners) listener(notice)
  }

  /**
   * Tells a notice that came as text from another process. What is none is nobody's: notices only
   * hasten what polls find anyway, and the other process may be of another version.
   */
  hear(text: string): void {
    const notice = noticeIn(text)
    if (notice) this.tell(notice)
  }
}

function noticeIn(text: string): Notice | undefined {
  try {
    return readNotice(JSON.parse(text))
  } catch {
    return undefined
  }
}
