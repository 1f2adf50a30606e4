import type { Held } from '../layout.ts'
import type { Keyspace } from './keyspace.ts'

/** Records by path, as they were when they were read. */
export type Records = ReadonlyMap<string, Held | undefined>

/** Reads records for all who ask in the same turn in one round trip. */
export class Loader {
  readonly #keyspace: Keyspace
  #paths = new Set<string>()
  #next: Promise<Records> | undefined

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  /** Resolves to the records of these paths and perhaps others; in the order of the calls. */
  load(paths: readonly string[]): Promise<Records> {
    for (const path of paths) this.#paths.add(path)
    this.#next ??= Promise.resolve().then(() => this.#read())
    return this.#next
  }

  async #read(): Promise<Records> {
    const paths = [...this.#paths]
    this.#paths = new Set()
    this.#next = undefined
    const records = paths.length === 0 ? [] : await this.#keyspace.heldMany(paths)
    return new Map(paths.map((path, i) => [path, records[i]]))
  }
}
