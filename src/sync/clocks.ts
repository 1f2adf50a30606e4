import { DEFAULT_MAX_CLOCK_DRIFT_MS } from '../core/hlc.ts'
import { NS_PER_MS } from '../core/env.ts'
import type { Store } from '../store/store.ts'
import type { SyncEvent } from './event.ts'
import type { Link } from './link.ts'
import { ClockOffsets } from './offsets.ts'
import type { SyncOptions } from './options.ts'

/** A clock found wrong is right again once it is off by less than this share of what it may be. */
const STEADY_SHARE = 0.5

/** The clocks of the peers: they correct that of this node, and whoever runs it is told which are off. */
export class PeerClocks {
  readonly #store: Store
  readonly #maxDriftMs: number
  readonly #tell: (event: SyncEvent) => void
  readonly #offsets = new ClockOffsets()
  /** Peers whose clocks were found off by more than clocks may be. */
  readonly #drifted = new Set<string>()
  #restamping: Promise<unknown> | undefined

  constructor(options: SyncOptions, tell: (event: SyncEvent) => void) {
    this.#store = options.store
    this.#maxDriftMs = options.maxClockDriftMs ?? DEFAULT_MAX_CLOCK_DRIFT_MS
    this.#tell = tell
  }

  /** Takes what a link measured, and corrects the clock of the store by all that is known. */
  note({ peer, leads, clockOffsetNs }: Pick<Link, 'peer' | 'leads' | 'clockOffsetNs'>): void {
    if (peer === undefined || clockOffsetNs === undefined) return
    this.#offsets.note(peer.nodeId, clockOffsetNs, leads)
    this.#store.correctClock(this.#offsets.correction())
    this.#judge(peer.nodeId, offsetMs(clockOffsetNs))
  }

  /** Stamps anew what this node stamped while its clock was wrong, if it was. */
  async restamp(): Promise<void> {
    // Each round reads the whole store: one for all links that measured at once.
    this.#restamping ??= this.#store.restamp().finally(() => (this.#restamping = undefined))
    await this.#restamping
  }

  #judge(peer: string, clockOffsetMs: number): void {
    const offMs = Math.abs(clockOffsetMs)
    const drifted = this.#drifted.has(peer)
    if (!drifted && offMs > this.#maxDriftMs) {
      this.#drifted.add(peer)
      this.#tell({ type: 'drifted', peer, clockOffsetMs })
    } else if (drifted && offMs < this.#maxDriftMs * STEADY_SHARE) {
      this.#drifted.delete(peer)
      this.#tell({ type: 'steadied', peer, clockOffsetMs })
    }
  }
}

/** In milliseconds, for people. */
export function offsetMs(offsetNs: bigint): number {
  return Number(offsetNs / NS_PER_MS)
}
