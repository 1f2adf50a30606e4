import { SkerryError, skerryErrorFrom } from '../core/errors.ts'
import { CommitTracker, type Requirement } from './commit.ts'
import type { PlacedPeer } from './peers.ts'
import { substituteFor, type Placement } from './placement.ts'
import type { Answer } from './storage.ts'

/** This node, in the same terms as its peers. */
export type LocalNode = {
  readonly id: string
  readonly zone: undefined
  readonly region: undefined
}

/** A node that a replica is sent to; without `peer` it is this one. */
export type WriteNode = PlacedPeer | LocalNode

/**
 * How a node answered. `down`: it was never asked. `conflict`: it holds another event under that
 * key.
 */
export type Outcome = 'pending' | 'ok' | 'failed' | 'conflict' | 'silent' | 'down'

/** What became of an acknowledged put. */
export interface PutResult {
  readonly acknowledged: true
  /** Ids of the nodes that have the event by now; the rest follows in the background. */
  readonly replicas: readonly string[]
  /** Ids of the peers that failed so far and for which a copy is kept until they return. */
  readonly hinted: readonly string[]
}

/** A put that was refused, with what each node made of it. */
export class PutError extends SkerryError {
  readonly outcomes: ReadonlyMap<string, Outcome>

  constructor(base: SkerryError, outcomes: ReadonlyMap<string, Outcome>) {
    super(base.code, base.status, base.message, base.cause)
    this.name = 'PutError'
    this.outcomes = outcomes
  }
}

/** What a write asks of the coordinator around it. */
export interface WriteHost {
  nowMs(): number
  /** Carries the event to the node; must call `answer`, now or later, and may do so twice. */
  send(write: Write, node: WriteNode, onBehalfOf: string | undefined, answer: Answer): void
  /** An intended node failed or is silent: a copy is to be kept for it. */
  missed(write: Write, node: WriteNode): void
  /** A node that had been given up has the event after all. */
  late(write: Write, node: WriteNode): void
  /** A node holds something else under this key. */
  conflict(write: Write, node: WriteNode): void
  decided(verdict: 'acknowledged' | 'failed' | 'timeout'): void
  /** Every node has answered or was given up. */
  finished(write: Write): void
}

/** One replica's place: it is filled by the node it was meant for, or by a substitute. */
interface Slot {
  readonly intended: WriteNode
  filled: boolean
}

interface Attempt {
  readonly node: WriteNode
  readonly slot: Slot
  readonly startedMs: number
  outcome: Outcome
}

interface GivenAnswer {
  readonly attempt: Attempt
  readonly error: unknown
}

/** What a put needs to know when it starts. */
export interface WritePlan {
  readonly key: string
  readonly text: string
  readonly local: LocalNode
  readonly placement: Placement
  readonly requirements: readonly Requirement[]
  readonly replicationFactor: number
  /** Called once, with the verdict. Must not throw. */
  readonly done: (outcome: PutResult | SkerryError) => void
}

/**
 * One put on its way to its replicas, until each of them has answered or was given up.
 *
 * Answers only enter a queue, which is worked off in a loop: however many peers fail in the very
 * call that asks them, the stack stays flat and no answer overtakes another.
 */
export class Write {
  readonly key: string
  readonly text: string
  readonly replicationFactor: number
  readonly startedMs: number
  readonly #host: WriteHost
  readonly #done: WritePlan['done']
  readonly #tracker: CommitTracker
  readonly #untried: PlacedPeer[]
  readonly #attempts: Attempt[] = []
  /** Replicas that nobody is left for. */
  readonly #vacant: Slot[] = []
  readonly #answers: GivenAnswer[] = []
  #firstError: unknown
  #working = true
  #pending = 0
  #acked = 0
  #decided = false
  #finished = false
  #over = false

  constructor(plan: WritePlan, host: WriteHost) {
    const { local, placement } = plan
    this.key = plan.key
    this.text = plan.text
    this.replicationFactor = plan.replicationFactor
    this.startedMs = host.nowMs()
    this.#host = host
    this.#done = plan.done
    this.#untried = placement.spares.filter(({ available }) => available)
    const candidates = [local, ...placement.replicas, ...this.#untried]
    this.#tracker = new CommitTracker(plan.requirements, candidates)
    this.#begin(local)
    for (const peer of placement.replicas) this.#begin(peer)
    this.#working = false
    this.#work()
  }

  /** Ids of the nodes that have the event. */
  get replicas(): string[] {
    const ids: string[] = []
    for (const { node, outcome } of this.#attempts) if (outcome === 'ok') ids.push(node.id)
    return ids
  }

  /** Ids of the nodes that were meant to have the event and don't, as far as is known. */
  get hinted(): string[] {
    const ids: string[] = []
    for (const attempt of this.#attempts) {
      const { node, slot } = attempt
      if (isGivenUp(attempt) && slot.intended === node) ids.push(node.id)
    }
    return ids
  }

  get outcomes(): Map<string, Outcome> {
    return new Map(this.#attempts.map(({ node, outcome }) => [node.id, outcome]))
  }

  /** Whether every node has answered or was given up, and the verdict is known. */
  get isFinished(): boolean {
    return this.#finished
  }

  /** What kept the event from having all its replicas. */
  get whyShort(): string {
    const bad = [...this.outcomes].filter(([, outcome]) => outcome !== 'ok')
    return bad.map(([id, outcome]) => `${id} ${outcome}`).join(', ') || 'too few nodes'
  }

  get isWhole(): boolean {
    return this.#acked >= this.replicationFactor
  }

  /** A peer joined, or came back: it may stand in for one that fails. */
  join(peer: PlacedPeer): void {
    if (this.#attempts.some(({ node }) => node.id === peer.id)) return
    this.leave(peer.id)
    this.#tracker.joined(peer)
    const slot = this.#over ? undefined : this.#vacant.find(({ filled }) => !filled)
    if (slot) {
      this.#vacant.splice(this.#vacant.indexOf(slot), 1)
      this.#begin(peer, slot)
    } else {
      this.#untried.push(peer)
    }
    this.#work()
  }

  /** A peer was dropped, or is down: it is not asked any more. */
  leave(id: string): void {
    const at = this.#untried.findIndex((peer) => peer.id === id)
    if (at === -1) return
    for (const peer of this.#untried.splice(at, 1)) this.#tracker.lost(peer)
    this.#work()
  }

  /** Gives up waiting for whoever was asked before `beforeMs`. @returns whether anyone is awaited */
  giveUp(beforeMs: number): boolean {
    this.#working = true
    for (const attempt of [...this.#attempts]) {
      if (attempt.outcome === 'pending' && attempt.startedMs <= beforeMs) this.#silent(attempt)
    }
    this.#working = false
    this.#work()
    return this.#pending > 0
  }

  /** The put's own deadline: what is undecided stays so for ever, and nobody else is asked. */
  expire(): void {
    this.#over = true
    if (!this.#decided) this.#decide('timeout')
    this.giveUp(Infinity)
  }

  #begin(node: WriteNode, slot: Slot = { intended: node, filled: false }): void {
    const isDown = 'peer' in node && !node.available
    const startedMs = slot.intended === node ? this.startedMs : this.#host.nowMs()
    const attempt: Attempt = { node, slot, startedMs, outcome: 'pending' }
    this.#attempts.push(attempt)
    this.#pending++
    const answer = (error?: unknown) => this.#take(attempt, error)
    if (isDown) this.#answers.push({ attempt, error: DOWN })
    else this.#host.send(this, node, slot.intended === node ? undefined : slot.intended.id, answer)
  }

  /** An answer that comes in the middle of the work waits for its turn. */
  #take(attempt: Attempt, error: unknown): void {
    if (this.#working) {
      this.#answers.push({ attempt, error })
      return
    }
    this.#working = true
    this.#judge(attempt, error)
    this.#working = false
    this.#work()
  }

  #work(): void {
    if (this.#working) return
    this.#working = true
    for (let next = 0; next < this.#answers.length; next++) {
      const { attempt, error } = this.#answers[next] as GivenAnswer
      this.#judge(attempt, error)
    }
    if (this.#answers.length > 0) this.#answers.length = 0
    this.#working = false
    this.#conclude()
  }

  #judge(attempt: Attempt, error: unknown): void {
    if (error === undefined || error === null) this.#ok(attempt)
    else this.#failed(attempt, error)
  }

  /** Counts a node once, whatever it said before it was given up. */
  #ok(attempt: Attempt): void {
    const { outcome, node, slot } = attempt
    if (outcome !== 'pending' && outcome !== 'silent') return
    if (outcome === 'pending') this.#pending--
    attempt.outcome = 'ok'
    slot.filled = true
    this.#acked++
    this.#tracker.acked(node)
    if (outcome === 'silent') this.#host.late(this, node)
  }

  #failed(attempt: Attempt, error: unknown): void {
    const { outcome, node, slot } = attempt
    if (outcome !== 'pending' && outcome !== 'silent') return
    if (outcome === 'pending') this.#pending--
    this.#tracker.lost(node)
    if (error === DOWN) attempt.outcome = 'down'
    else if (isConflict(error)) attempt.outcome = 'conflict'
    else attempt.outcome = 'failed'
    if (error !== DOWN) this.#firstError ??= error
    // A copy of the event elsewhere would only spread the contradiction.
    if (attempt.outcome === 'conflict') this.#host.conflict(this, node)
    else if (outcome === 'pending') this.#replace(node, slot)
  }

  #silent(attempt: Attempt): void {
    attempt.outcome = 'silent'
    this.#pending--
    this.#replace(attempt.node, attempt.slot)
  }

  #replace(node: WriteNode, slot: Slot): void {
    if (slot.intended === node) this.#host.missed(this, node)
    if (slot.filled || this.#over) return
    const substitute = substituteFor(slot.intended, this.#untried)
    if (substitute) {
      this.#untried.splice(this.#untried.indexOf(substitute), 1)
      this.#begin(substitute, slot)
    } else {
      this.#vacant.push(slot)
    }
  }

  #conclude(): void {
    const { verdict } = this.#tracker
    if (!this.#decided && verdict !== 'pending') this.#decide(verdict)
    if (this.#finished || this.#pending > 0 || !this.#decided) return
    this.#finished = true
    this.#host.finished(this)
  }

  #decide(verdict: 'acknowledged' | 'failed' | 'timeout'): void {
    this.#decided = true
    this.#host.decided(verdict)
    if (verdict === 'acknowledged') {
      this.#done({ acknowledged: true, replicas: this.replicas, hinted: this.hinted })
      return
    }
    const { outcomes } = this
    const told = [...outcomes].map(([id, outcome]) => `${id} ${outcome}`).join(', ')
    const name = verdict === 'failed' ? 'EVENTS_FAILED' : 'EVENTS_TIMEOUT'
    this.#done(new PutError(skerryErrorFrom(this.#firstError, name, this.key, told), outcomes))
  }
}

const DOWN = Symbol('down')

function isGivenUp({ outcome }: Attempt): boolean {
  return outcome === 'failed' || outcome === 'silent' || outcome === 'down'
}

/** Whether a node refused because it holds another event under the same key. */
export function isConflict(error: unknown): boolean {
  return error instanceof SkerryError && error.code === 'SKERRY_EVENTS_CONFLICT'
}
