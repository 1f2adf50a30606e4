import type { Frame } from './subscription.ts'

/** The most patches that a view keeps for subscribers that come back. */
const MAX_PATCHES = 1000

/** The most characters that they hold together. */
const MAX_CHARACTERS = 1024 * 1024

interface Step {
  /** The version that the patch applies to. */
  readonly previous: string
  readonly patch: Frame
}

/**
 * The latest patches of a view, each following the one before it. Who has one of their versions needs only what
 * came after it.
 */
export class History {
  #steps: Step[] = []
  #characters = 0

  /**
   * Keeps a patch that turns `previous` into what comes next, and of those before it as many as the bounds allow.
   * @param worth the characters of a snapshot: who would get more than that gets a snapshot instead
   */
  add(previous: string, patch: Frame, worth: number): void {
    this.#steps.push({ previous, patch })
    this.#characters += patch.text.length
    const most = Math.min(worth, MAX_CHARACTERS)
    while (this.#steps.length > MAX_PATCHES || this.#characters > most) {
      this.#characters -= this.#steps.shift()!.patch.text.length
    }
  }

  /** Forgets everything: a snapshot was sent, which no patch leads to. */
  clear(): void {
    this.#steps = []
    this.#characters = 0
  }

  /**
   * The patches that lead from `version` to now.
   * @param worth the characters of a snapshot
   * @returns undefined if the version is unknown or too old, or if they hold more than a snapshot
   */
  since(version: string, worth: number): Frame[] | undefined {
    const patches: Frame[] = []
    let characters = 0
    for (let at = this.#steps.length - 1; at >= 0; at--) {
      const { previous, patch } = this.#steps[at]!
      characters += patch.text.length
      if (characters > worth) return undefined
      patches.push(patch)
      if (previous === version) return patches.reverse()
    }
    return undefined
  }
}
