import { SkerryError } from '../core/errors.ts'
import type { PlacedPeer } from './peers.ts'

/** This node, in the same terms as its peers. */
export type LocalNode = {
  readonly id: string
  readonly zone: undefined
  readonly region: undefined
  readonly available: true
}

/** A node that a replica is sent to; without `peer` it is this one. */
export type WriteNode = PlacedPeer | LocalNode

/**
 * How a node answered. `down`: it was never asked. `conflict`: it holds another event under that
 * key.
 */
export type Outcome = 'pending' | 'ok' | 'failed' | 'conflict' | 'silent' | 'down'

/** Who is told what a node answered. */
export interface AttemptHost {
  take(attempt: Attempt, error: unknown): void
}

/**
 * One node asked to take one replica. An object of its own in the place of a closure for each
 * answer: a put makes three of them, and they are most of what it costs.
 */
export class Attempt {
  readonly node: WriteNode
  /** The attempt at the node that the replica was meant for: this one, but for a substitute. */
  readonly original: Attempt
  readonly startedMs: number
  outcome: Outcome = 'pending'
  /** Whether somebody has the replica; only the original knows. */
  isFilled = false
  readonly #host: AttemptHost

  /** @param original left out, if the replica is meant for `node` */
  constructor(host: AttemptHost, node: WriteNode, startedMs: number, original?: Attempt) {
    this.#host = host
    this.node = node
    this.startedMs = startedMs
    this.original = original ?? this
  }

  /** The node this one stands in for, if it is a substitute. */
  get onBehalfOf(): string | undefined {
    return this.original === this ? undefined : this.original.node.id
  }

  get isSubstitute(): boolean {
    return this.original !== this
  }

  /** Whether the node was meant to have the event and is not known to. */
  get isMissed(): boolean {
    const { outcome } = this
    const isGivenUp = outcome === 'failed' || outcome === 'silent' || outcome === 'down'
    return isGivenUp && !this.isSubstitute
  }

  /** The node's answer: nothing or an error, now or later, maybe twice. */
  answer(error?: unknown): void {
    this.#host.take(this, error)
  }
}

/** The error of a node that is not asked, because it is known to be down. */
export const DOWN = Symbol('down')

/** What an error says about the node that answered it. */
export function outcomeOf(error: unknown): Outcome {
  if (error === DOWN) return 'down'
  return isConflict(error) ? 'conflict' : 'failed'
}

/** Whether a node refused because it holds another event under the same key. */
export function isConflict(error: unknown): boolean {
  return error instanceof SkerryError && error.code === 'SKERRY_EVENTS_CONFLICT'
}
