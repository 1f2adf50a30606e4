import { pack } from '../core/codec.ts'
import type { Hash } from '../core/entry.ts'
import type { Store } from '../store/store.ts'

/** Where addresses that were reached lie among a store's notes. */
const NOTES = 'reached/'

/**
 * The addresses to link with at which some node was found once, durably. As long as there was none, nobody knows
 * which node is there, or what it shares.
 */
export class ReachedAddresses {
  readonly #store: Store
  readonly #hash: Hash
  /** The names of their notes: whatever characters an address has, its hash can name one. */
  readonly #names = new Set<string>()
  #loaded: Promise<void> | undefined

  constructor(store: Store, hash: Hash) {
    this.#store = store
    this.#hash = hash
  }

  /**
   * Reads them from the store; once that has worked, does nothing.
   * @param configured the addresses that there are to link with; others are forgotten
   */
  load(configured: readonly string[]): Promise<void> {
    this.#loaded ??= this.#load(new Set(configured.map((url) => this.#nameOf(url)))).catch(
      (error: unknown) => {
        this.#loaded = undefined
        throw error
      },
    )
    return this.#loaded
  }

  has(url: string): boolean {
    return this.#names.has(this.#nameOf(url))
  }

  /** A node has introduced itself there. */
  async note(url: string): Promise<void> {
    const name = this.#nameOf(url)
    if (this.#names.has(name)) return
    await this.#store.saveNotes([{ name, value: pack(true) }])
    this.#names.add(name)
  }

  async #load(configured: ReadonlySet<string>): Promise<void> {
    const gone: { name: string }[] = []
    for (const { name } of await this.#store.notes(NOTES)) {
      if (configured.has(name)) this.#names.add(name)
      else gone.push({ name })
    }
    if (gone.length > 0) await this.#store.saveNotes(gone)
  }

  #nameOf(url: string): string {
    return NOTES + this.#hash(url)
  }
}
