import { entryTuple, pack, readEntry, readText, readTuple, unpack } from '../core/codec.ts'
import type { Engine, EngineOp } from './engine.ts'
import { prefixRange, withheldKey } from './layout.ts'
import type { Withheld } from './store.ts'

/** Versions that may undo a forgotten delete, one a path: neither merged nor lost until somebody decides. */
export class WithheldShelf {
  readonly #engine: Engine
  #count: number

  static async load(engine: Engine): Promise<WithheldShelf> {
    let count = 0
    for await (const chunk of engine.scan(prefixRange('w'))) count += chunk.length
    return new WithheldShelf(engine, count)
  }

  /** Use {@link WithheldShelf.load}. */
  constructor(engine: Engine, count: number) {
    this.#engine = engine
    this.#count = count
  }

  get count(): number {
    return this.#count
  }

  at(path: string): Withheld | undefined {
    if (this.#count === 0) return undefined
    const bytes = this.#engine.get(withheldKey(path))
    return bytes === undefined ? undefined : unpackWithheld(bytes)
  }

  async list(limit: number): Promise<Withheld[]> {
    const withheld: Withheld[] = []
    for await (const chunk of this.#engine.scan({ ...prefixRange('w'), limit })) {
      for (const [, value] of chunk) withheld.push(unpackWithheld(value))
    }
    return withheld
  }

  /** Follows a group that has become durable. */
  changed(by: number): void {
    this.#count += by
  }
}

export function withheldOp({ entry, peer }: Withheld): EngineOp {
  return { key: withheldKey(entry.path), value: pack([entryTuple(entry), peer]) }
}

export function unpackWithheld(bytes: Uint8Array): Withheld {
  const [entry, peer] = readTuple(unpack(bytes), 'withheld version')
  return { entry: readEntry(entry), peer: readText(peer, 'peer') }
}
