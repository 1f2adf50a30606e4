import type { Hash } from '../core/entry.ts'
import { EVERYTHING, matches } from '../core/path.ts'
import { Digest } from './digest.ts'
import type { Engine } from './engine.ts'
import type { Group } from './group.ts'
import { patternRange, unpackHeld } from './layout.ts'

/**
 * The digests of a store, one a key, each built on first use from what the engine holds. While that
 * scan runs, commits change the digest already: sums don't mind the order. Digests live in memory; they are
 * built anew after a restart, which also catches what a disk may have lost in silence.
 */
export class Digests {
  readonly #engine: Engine
  readonly #hash: Hash
  readonly #digests = new Map<string, { digest: Digest; ready: Promise<Digest> }>()

  constructor(engine: Engine, hash: Hash) {
    this.#engine = engine
    this.#hash = hash
  }

  of(key: string): Promise<Digest> {
    let known = this.#digests.get(key)
    if (known === undefined) {
      const digest = new Digest(this.#hash)
      known = { digest, ready: this.#build(key, digest) }
      this.#digests.set(key, known)
      known.ready.catch(() => this.#digests.delete(key))
    }
    return known.ready
  }

  /** Follows a group that has become durable. */
  apply(group: Group): void {
    if (this.#digests.size === 0) return
    for (const [path, { entry }] of group.collected) {
      for (const [key, { digest }] of this.#digests) if (matches(key, path)) digest.remove(entry)
    }
    for (const [path, record] of group.records) {
      const old = group.replaced(path)
      for (const [key, { digest }] of this.#digests) {
        if (!matches(key, path)) continue
        if (old !== undefined) digest.remove(old.entry)
        digest.add(record.entry)
      }
    }
  }

  async #build(key: string, digest: Digest): Promise<Digest> {
    for await (const chunk of this.#engine.scan(patternRange(key))) {
      for (const [, value] of chunk) {
        const { entry } = unpackHeld(value)
        if (key === EVERYTHING || matches(key, entry.path)) digest.add(entry)
      }
    }
    return digest
  }
}
