import type { ClientError } from './error.ts'
import type { RefusedWrite } from './storage.ts'

/** How a client stands to its node. Each change makes a new, frozen one. */
export interface SyncState {
  /** True while there is a connection. */
  readonly online: boolean
  /** Writes that wait to be delivered; 0 without offline mode. */
  readonly pending: number
  /** Writes that a node refused, oldest first, at most 100; until {@link SyncStatus.dismiss}. */
  readonly refused: readonly RefusedWrite[]
  /** What last went wrong: a connection that could not be had, a full storage, a refused write; undefined once things go well again. */
  readonly lastError: ClientError | undefined
}

/** The sync state, and whom to tell of its changes. */
export class SyncStatus {
  #state: SyncState = Object.freeze({
    online: false,
    pending: 0,
    refused: [],
    lastError: undefined,
  })
  readonly #listeners = new Set<(state: SyncState) => void>()
  readonly #dismiss: () => Promise<void>

  constructor(dismiss: () => Promise<void>) {
    this.#dismiss = dismiss
  }

  get state(): SyncState {
    return this.#state
  }

  /** Calls back after each change. Returns how to stop that. */
  subscribe(listener: (state: SyncState) => void): () => void {
    const own = (state: SyncState): void => listener(state)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  /** Forgets the refused writes, once somebody has seen them. */
  dismiss(): Promise<void> {
    return this.#dismiss()
  }

  /** Used by the client. */
  change(changes: Partial<SyncState>): void {
    this.#state = Object.freeze({ ...this.#state, ...changes })
    for (const listener of this.#listeners) listener(this.#state)
  }
}
