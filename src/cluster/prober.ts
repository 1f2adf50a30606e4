import type { ProbeOutcome } from './detector.ts'

export interface ProbeResult {
  readonly outcome: ProbeOutcome
  /** Status of the answer; undefined if there was none. */
  readonly status?: number
  /** Milliseconds until the answer or the failure. */
  readonly tookMs: number
  /** Why it is `missed`. */
  readonly reason?: string
}

/** Asks members how they are. `http.ts` does it over the network. */
export interface Prober {
  /** Never rejects; settles within `timeoutMs`, or at once with `missed` when the prober closes. */
  probe(url: string, timeoutMs: number): Promise<ProbeResult>
  close(): void
}
