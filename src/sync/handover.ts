import type { Horizon, Store } from '../store/store.ts'
import { collectedTo, type Doubt, Doubts, horizonOf } from './doubt.ts'

/** The horizon of a shared key, which is named by its place in the list. */
export interface Raised {
  readonly key: number
  readonly stamp: bigint
}

/** Each side of a link takes over the horizons of the other one, where it may lack what was collected there. */
export class Handover {
  /** Keys under which this node doubts what the peer offers. */
  readonly doubts = new Doubts()
  /** Keys under which the peer doubts what this node offers. */
  readonly doubted = new Doubts()
  readonly #store: Store
  readonly #keys: readonly string[]
  /** For each shared key the horizon that the peer takes over; below 0 if it takes none. */
  #told: bigint[] = []
  /** The horizons as they were looked at last. */
  #looked: readonly Horizon[] = []
  /** For each shared key the horizon of the peer. */
  #theirs: bigint[] = []

  constructor(store: Store, keys: readonly string[]) {
    this.#store = store
    this.#keys = keys
  }

  /**
   * The stream to the peer begins: returns what it says of the horizons.
   * @param resumed which keys it takes up where it left off; the peer takes no horizon over for them
   */
  begin(resumed: readonly boolean[], doubts: readonly (Doubt | undefined)[]): bigint[] {
    this.#looked = this.#store.horizons()
    const horizons = this.#keys.map((key) => horizonOf(this.#looked, key))
    this.#told = horizons.map((stamp, i) => (resumed[i] ? -1n : stamp))
    this.#keys.forEach((key, i) => {
      const doubt = doubts[i]
      if (doubt !== undefined) this.doubts.begin(key, doubt, horizons[i])
    })
    return horizons
  }

  /** What the peer says as its stream begins. */
  hear(horizons: readonly bigint[], doubted: readonly boolean[]): void {
    this.#theirs = [...horizons]
    for (const key of this.#keys.filter((_, i) => doubted[i])) this.doubted.begin(key)
  }

  /** The peer's horizon has risen. */
  raise({ key, stamp }: Raised): void {
    if (stamp > this.#theirs[key]!) this.#theirs[key] = stamp
    this.doubted.begin(this.#keys[key]!)
  }

  /** Takes over the peer's horizon of a shared key, of which the peer need not be told: returns it. */
  take(key: string): bigint {
    const place = this.#keys.indexOf(key)
    const stamp = this.#theirs[place] ?? 0n
    if (stamp > this.#told[place]!) this.#told[place] = stamp
    return stamp
  }

  /**
   * Horizons that rose since the peer was told, by what it may lack: it is doubted until it holds against them what
   * it takes in.
   * @param has up to where it has this store's feed under a key; undefined while a repair is to find out
   */
  due(has: (key: string) => number | undefined): Raised[] {
    const horizons = this.#store.horizons()
    // They are looked at for each message.
    if (horizons === this.#looked) return []
    this.#looked = horizons
    const due: Raised[] = []
    for (const [i, key] of this.#keys.entries()) {
      const stamp = horizonOf(horizons, key)
      const at = has(key)
      if (stamp === 0n || stamp <= this.#told[i]!) continue
      if (at !== undefined && at >= collectedTo(horizons, key)) continue
      this.#told[i] = stamp
      this.doubts.begin(key, this.doubts.of(key) ?? 'fenced', stamp)
      due.push({ key: i, stamp })
    }
    return due
  }
}
