import type { Env } from '../../core/env.ts'
import type { PivotKey } from './keys.ts'

/** How long a hold lasts at most, however long the node takes: it asks before it lists anything. */
export const HOLD_LIMIT_MS = 5000

interface Hold {
  holders: number
  hasRefused: boolean
}

/**
 * Keys whose news nobody is told for a moment, because a node that came back is being read. A Go node that is asked
 * for its list first looks for news itself, and then deletes what its leader lacks: the very entries that it
 * is asked for. While it can't learn that there is news, it lists everything. A Go peer that is refused
 * skips the look and changes nothing; who was refused is told again once the hold is over.
 */
export class Holds {
  readonly #env: Env
  readonly #tellAgain: (key: PivotKey) => void
  readonly #held = new Map<PivotKey, Hold>()

  /** @param tellAgain brings every node to look at the key */
  constructor(env: Env, tellAgain: (key: PivotKey) => void) {
    this.#env = env
    this.#tellAgain = tellAgain
  }

  /** Holds a key; returns what ends that, which {@link HOLD_LIMIT_MS} does too. */
  begin(key: PivotKey): () => void {
    const hold = this.#held.get(key) ?? { holders: 0, hasRefused: false }
    hold.holders++
    this.#held.set(key, hold)
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      cancel()
      this.#release(key, hold)
    }
    const cancel = this.#env.setTimer(HOLD_LIMIT_MS, end)
    return end
  }

  /** True if whoever asks for the key's news has to be refused; it is remembered that somebody was. */
  refuses(key: PivotKey): boolean {
    const hold = this.#held.get(key)
    if (hold === undefined) return false
    hold.hasRefused = true
    return true
  }

  #release(key: PivotKey, hold: Hold): void {
    hold.holders--
    if (hold.holders > 0) return
    this.#held.delete(key)
    if (hold.hasRefused) this.#tellAgain(key)
  }
}
