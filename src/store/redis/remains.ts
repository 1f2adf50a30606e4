import { skerryError } from '../../core/errors.ts'
import type { Group } from '../group.ts'
import { Horizons, unpackHorizon } from '../horizons.ts'
import { prefixRange } from '../layout.ts'
import type { Withheld } from '../store.ts'
import { unpackWithheld } from '../withheld.ts'
import type { Keyspace } from './keyspace.ts'

/** How often what others change meanwhile is read, before it is given up. */
const MAX_READS = 64

/**
 * What is left of collected tombstones, and what is withheld because of that, as this server knows it. Each change
 * of it has a number in Redis: a commit that rests on an older one is refused, and decided again.
 */
export class Remains {
  readonly #keyspace: Keyspace
  #version = -1
  #horizons = new Horizons()
  #withheld = new Map<string, Withheld>()

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  /** The number of the last change that is known; -1 if nothing is. */
  get version(): number {
    return this.#version
  }

  get horizons(): Horizons {
    return this.#horizons
  }

  get count(): number {
    return this.#withheld.size
  }

  withheld(path: string): Withheld | undefined {
    return this.#withheld.get(path)
  }

  /** What was known may be gone. */
  forget(): void {
    this.#version = -1
  }

  /** @throws SKERRY_STORE_BUSY if it changes all the time */
  async load(): Promise<void> {
    let version = await this.#number()
    for (let read = 0; read < MAX_READS; read++) {
      const horizons = await Horizons.load(this.#keyspace)
      const withheld = new Map<string, Withheld>()
      for await (const chunk of this.#keyspace.scan(prefixRange('w'))) {
        for (const [key, value] of chunk) withheld.set(key.slice(1), unpackWithheld(value))
      }
      const after = await this.#number()
      if (after === version) {
        // This server has changed it since.
        if (version < this.#version) return
        this.#version = version
        this.#horizons = horizons
        this.#withheld = withheld
        return
      }
      version = after
    }
    throw skerryError('STORE_BUSY')
  }

  /** Follows a group of this server's that rested on change `version`. */
  apply(group: Group, version: number): void {
    const ops = group.ops().filter(({ key }) => key.startsWith('w') || key.startsWith('z'))
    // If it was read meanwhile, it has all this already.
    if (ops.length === 0 || version !== this.#version) return
    this.#version = version + 1
    for (const { key, value } of ops) {
      if (key.startsWith('z')) this.#horizons.set([unpackHorizon(key.slice(1), value!)])
      else if (value === undefined) this.#withheld.delete(key.slice(1))
      else this.#withheld.set(key.slice(1), unpackWithheld(value))
    }
  }

  async #number(): Promise<number> {
    return (await this.#keyspace.head())?.remains ?? 0
  }
}
