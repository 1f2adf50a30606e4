import type { Env } from '../core/env.ts'
import type { Contest, Store } from '../store/store.ts'
import type { Forget, Message } from './messages.ts'

/** What a session needs of its link. */
export interface SessionLink {
  readonly store: Store
  readonly env: Env
  /** True if this node opened the link, and so drives repair. */
  readonly dialed: boolean
  readonly repairIntervalMs: number
  /** True if an operator has said that the peer won't come back. */
  readonly forgotten: boolean
  /** Sends a message; returns its size in bytes. */
  send(message: Message): number
  /** Ends the link. */
  failed(error: unknown): void
  /** The store has begun a new epoch: this link and all others are to end. */
  renewed(): void
  /** Called once the streams flow both ways. */
  opened(): void
  /** The peer has acknowledged more. */
  acknowledged(): void
  /** Versions met of which neither writer can have known the other's, as far as this node can tell. */
  conflict(contest: Contest): void
  /** The peer tells of nodes that won't come back. */
  forget(nodes: Forget['nodes']): void
}
