import { fingerprint } from '../src/core/entry.ts'
import { decodeFrame } from '../src/sync/frame.ts'
import { sha256 } from './env.ts'
import type { Network } from './network.ts'

/** Counts how often each version crosses each link, either way, from the frames themselves. */
export class Crossings {
  /** Link → version → how often. */
  readonly #links = new Map<string, Map<string, number>>()

  /** Counts from now on. Frames must not be sealed. */
  constructor(network: Network) {
    network.tap = (from, to, frame) => this.#count([from, to].sort().join('–'), frame)
  }

  /** The version that crossed a link most often, and how often that was. */
  get most(): { readonly link: string; readonly times: number } {
    let most = { link: '', times: 0 }
    for (const [link, versions] of this.#links) {
      for (const times of versions.values()) if (times > most.times) most = { link, times }
    }
    return most
  }

  /** How many versions crossed any link. */
  get versions(): number {
    return new Set([...this.#links.values()].flatMap((versions) => [...versions.keys()])).size
  }

  /** How often versions crossed links, all together. */
  get total(): number {
    const counts = [...this.#links.values()].flatMap((versions) => [...versions.values()])
    return counts.reduce((sum, times) => sum + times, 0)
  }

  #count(link: string, frame: Uint8Array): void {
    const { message } = decodeFrame(frame)
    if (!('entries' in message)) return
    const versions = this.#links.get(link) ?? new Map<string, number>()
    this.#links.set(link, versions)
    for (const entry of message.entries) {
      const print = fingerprint(entry, sha256)
      versions.set(print, (versions.get(print) ?? 0) + 1)
    }
  }
}
