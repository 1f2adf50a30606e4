import { type Entry, entryJson } from '../../core/entry.ts'
import type { State } from '../../state/state.ts'
import { GenerationCache } from '../../store/cache.ts'
import { etagOf } from './conditions.ts'

/** The most characters of answers that are kept. */
const MAX_CHARACTERS = 8 * 1024 * 1024

/** What an entry is answered with. */
export interface Answer {
  readonly entry: Entry
  readonly etag: string
  readonly text: string
}

/**
 * The answers that entries were read with lately: writing times in digits and putting the text together is half of what
 * a read does for itself, and what is read is mostly read again.
 */
export class Answers {
  readonly state: State
  readonly #kept = new GenerationCache<Answer>(MAX_CHARACTERS)

  constructor(state: State) {
    this.state = state
  }

  /** The answer that shows an entry; made anew unless it was made of this very version. */
  of(entry: Entry): Answer {
    const kept = this.#kept.get(entry.path)
    if (kept?.entry === entry) return kept
    const answer = { entry, etag: etagOf(this.state.versionOf(entry)), text: entryJson(entry) }
    this.#kept.set(entry.path, answer, entry.path.length + answer.text.length)
    return answer
  }
}
