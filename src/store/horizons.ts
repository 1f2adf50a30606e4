import { pack, readCount, readStamp, readTuple, unpack } from '../core/codec.ts'
import { matches } from '../core/path.ts'
import type { Engine, EngineOp } from './engine.ts'
import { horizonKey, prefixRange } from './layout.ts'
import type { Horizon } from './store.ts'

/** What is left of collected tombstones, by key path, in memory. */
export class Horizons {
  readonly #horizons = new Map<string, Horizon>()
  #list: readonly Horizon[] | undefined

  static async load(engine: Pick<Engine, 'scan'>): Promise<Horizons> {
    const horizons = new Horizons()
    for await (const chunk of engine.scan(prefixRange('z'))) {
      for (const [key, value] of chunk) horizons.set([unpackHorizon(key.slice(1), value)])
    }
    return horizons
  }

  /** All of them; the same list as long as none has risen. */
  list(): readonly Horizon[] {
    return (this.#list ??= [...this.#horizons.values()])
  }

  /** What at the path is stamped above was never collected; 0 if nothing was. */
  at(path: string): bigint {
    let highest = 0n
    for (const { key, stamp } of this.#horizons.values()) {
      if (stamp > highest && matches(key, path)) highest = stamp
    }
    return highest
  }

  /** The horizon of a key raised to a stamp and sequence number; undefined if it is there already. */
  raised(key: string, stamp: bigint, seq: number): Horizon | undefined {
    const known = this.#horizons.get(key)
    if (known === undefined) return { key, stamp, seq }
    if (stamp <= known.stamp && seq <= known.seq) return undefined
    return {
      key,
      stamp: stamp > known.stamp ? stamp : known.stamp,
      seq: Math.max(seq, known.seq),
    }
  }

  /** Takes horizons over, once the ops for them are durable. */
  set(horizons: readonly Horizon[]): void {
    if (horizons.length > 0) this.#list = undefined
    for (const { key, stamp, seq } of horizons) {
      this.#horizons.set(key, this.raised(key, stamp, seq) ?? this.#horizons.get(key)!)
    }
  }
}

export function horizonOp({ key, stamp, seq }: Horizon): EngineOp {
  return { key: horizonKey(key), value: pack([stamp, seq]) }
}

export function unpackHorizon(key: string, value: Uint8Array): Horizon {
  const [stamp, seq] = readTuple(unpack(value), 'horizon')
  return { key, stamp: readStamp(stamp, 'stamp'), seq: readCount(seq, 'sequence') }
}
