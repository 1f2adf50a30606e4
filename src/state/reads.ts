import type { Entry } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import { assertPattern, EVERYTHING, isGlob } from '../core/path.ts'
import type { Store } from '../store/store.ts'
import { assertRange, type Range, Selection } from './range.ts'
import type { Rules } from './rules.ts'
import { newestFirst } from './timeline.ts'

/** Reads a store as the filters show it. */
export class Reads {
  readonly #store: Store
  readonly #rules: Rules

  constructor(store: Store, rules: Rules) {
    this.#store = store
    this.#rules = rules
  }

  /** See `State.keys`. */
  async keys(glob: string): Promise<string[]> {
    if (glob !== EVERYTHING) assertPattern(glob)
    this.#rules.assertOpen(glob, 'read')
    const paths: string[] = []
    await this.#visit(glob, ({ path }) => paths.push(path))
    return paths.sort()
  }

  /** See `State.read`. */
  one(path: string): Entry | undefined | Promise<Entry | undefined> {
    assertPattern(path)
    if (isGlob(path)) throw skerryError('PATH_INVALID', path, 'a glob names many; list it instead')
    this.#rules.assertOpen(path, 'read')
    if (this.#rules.delaysReads || this.#store.readNow === undefined) return this.#later(path)
    return this.#shown(path, this.#store.readNow(path))
  }

  /** See `State.list`. */
  async list(glob: string, range: Range): Promise<Entry[]> {
    assertPattern(glob)
    assertRange(range)
    this.#rules.assertOpen(glob, 'read')
    if (this.#rules.delaysReads) await this.#rules.beforeRead(glob)
    const selection = new Selection(range)
    await this.#visit(glob, (entry) => selection.add(entry))
    return selection.take()
  }

  /** Goes through what readers of the pattern see; only filters that compare entries need all of them at once. */
  async #visit(pattern: string, visitor: (entry: Entry) => void): Promise<void> {
    const reader = this.#rules.reader(pattern)
    if (reader?.comparesEntries === true) {
      const { entries } = await this.#store.list(pattern)
      reader.all(entries.sort(newestFirst)).forEach(visitor)
      return
    }
    await this.#store.visit(pattern, (entry) => {
      const shown = reader === undefined ? entry : reader.one(entry)
      if (shown !== undefined) visitor(shown)
    })
  }

  async #later(path: string): Promise<Entry | undefined> {
    if (this.#rules.delaysReads) await this.#rules.beforeRead(path)
    return this.#shown(path, await this.#store.read(path))
  }

  /** What the filters show of an entry. */
  #shown(path: string, entry: Entry | undefined): Entry | undefined {
    if (entry === undefined) return undefined
    const reader = this.#rules.reader(path)
    return reader === undefined ? entry : reader.all([entry])[0]
  }
}
