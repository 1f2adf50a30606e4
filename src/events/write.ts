import { SkerryError, skerryErrorFrom } from '../core/errors.ts'
import { Attempt, DOWN, outcomeOf, type Outcome, type WriteNode } from './attempt.ts'
import { CommitTracker, type CommitLevel } from './commit.ts'
import type { Deadline } from './deadlines.ts'
import type { PlacedPeer } from './peers.ts'
import { substituteFor } from './placement.ts'
import type { Plan } from './plan.ts'
import type { Replica } from './transport.ts'

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
  /** Carries the event to the node; must answer the attempt, now or later, and may do so twice. */
  send(write: Write, attempt: Attempt): void
  /** An intended node failed or is silent: a copy is to be kept for it. */
  missed(write: Write, node: WriteNode): void
  /** A node that had been given up has the event after all. */
  late(write: Write, node: WriteNode): void
  /** A node holds something else under this key. */
  conflict(write: Write, node: WriteNode): void
  decided(write: Write, verdict: 'acknowledged' | 'failed' | 'timeout'): void
  /** Every node has answered or was given up. */
  finished(write: Write): void
}

interface GivenAnswer {
  readonly attempt: Attempt
  readonly error: unknown
}

/** A put as it was asked for. */
export interface PutRequest {
  /** What is sent: nothing but key and text, since transports that others wrote get it. */
  readonly replica: Replica
  readonly level: CommitLevel
  /** The ends of its promise. One of them is called once, with the verdict; they must not throw. */
  readonly resolve: (result: PutResult) => void
  readonly reject: (error: unknown) => void
}

/**
 * One put on its way to its replicas, until each of them has answered or was given up.
 *
 * Answers only enter a queue, which is worked off in a loop: however many peers fail in the very
 * call that asks them, the stack stays flat and no answer overtakes another.
 */
export class Write {
  readonly request: PutRequest
  readonly startedMs: number
  /** Until when its silent nodes are waited for, and until when the put itself is. */
  patience: Deadline<Write> | undefined
  deadline: Deadline<Write> | undefined
  readonly #host: WriteHost
  readonly #plan: Plan
  readonly #tracker: CommitTracker
  readonly #attempts: Attempt[]
  /** Peers that nothing was sent to yet, best first. */
  readonly #untried: PlacedPeer[]
  /** Replicas that nobody is left for, told by the node they were meant for. */
  #vacant: Attempt[] | undefined
  #answers: GivenAnswer[] | undefined
  #firstError: unknown
  #working = true
  #pending = 0
  #acked = 0
  #decided = false
  #finished = false
  #over = false

  constructor(request: PutRequest, plan: Plan, host: WriteHost) {
    this.request = request
    this.startedMs = host.nowMs()
    this.#host = host
    this.#plan = plan
    this.#untried = plan.spares.filter(isAvailable)
    this.#tracker = new CommitTracker(plan.requirements, plan.intended)
    for (const peer of this.#untried) this.#tracker.joined(peer)
    this.#attempts = []
    for (const node of plan.intended) {
      this.#attempts.push(new Attempt(this, node, this.startedMs))
    }
    this.#pending = this.#attempts.length
    for (const attempt of this.#attempts) this.#ask(attempt)
    this.#working = false
    this.#work()
  }

  get key(): string {
    return this.request.replica.key
  }

  get text(): string {
    return this.request.replica.text
  }

  /** Ids of the nodes that have the event. */
  get replicas(): string[] {
    const ids = new Array<string>(this.#acked)
    let at = 0
    for (const { node, outcome } of this.#attempts) if (outcome === 'ok') ids[at++] = node.id
    return ids
  }

  /** Ids of the nodes that were meant to have the event and don't, as far as is known. */
  get hinted(): string[] {
    const ids: string[] = []
    for (const { isMissed, node } of this.#attempts) if (isMissed) ids.push(node.id)
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
    return this.#acked >= this.#plan.replicationFactor
  }

  /** A peer joined, or came back: it may stand in for one that fails. */
  join(peer: PlacedPeer): void {
    if (this.#finished) return
    if (this.#attempts.some(({ node }) => node.id === peer.id)) return
    this.leave(peer.id)
    this.#tracker.joined(peer)
    const vacant = this.#over ? undefined : this.#vacant?.find(({ isFilled }) => !isFilled)
    if (vacant) {
      this.#vacant = this.#vacant?.filter((other) => other !== vacant)
      this.#substitute(peer, vacant)
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

  /** Gives up waiting for whoever was asked before `beforeMs`. */
  giveUp(beforeMs: number): void {
    this.#working = true
    for (const attempt of [...this.#attempts]) {
      if (attempt.outcome === 'pending' && attempt.startedMs <= beforeMs) this.#silent(attempt)
    }
    this.#working = false
    this.#work()
  }

  /** The put's own deadline: what is undecided stays so for ever, and nobody else is asked. */
  expire(): void {
    this.#over = true
    if (!this.#decided) this.#decide('timeout')
    this.giveUp(Infinity)
  }

  /** What a node answered. One that comes in the middle of the work waits for its turn. */
  take(attempt: Attempt, error: unknown): void {
    if (this.#working) {
      this.#queue(attempt, error)
      return
    }
    this.#working = true
    this.#judge(attempt, error)
    this.#working = false
    this.#work()
  }

  #substitute(peer: PlacedPeer, original: Attempt): void {
    const attempt = new Attempt(this, peer, this.#host.nowMs(), original)
    this.#attempts.push(attempt)
    this.#pending++
    this.#ask(attempt)
  }

  #ask(attempt: Attempt): void {
    const { node } = attempt
    if (node.available) this.#host.send(this, attempt)
    else this.#queue(attempt, DOWN)
  }

  #queue(attempt: Attempt, error: unknown): void {
    this.#answers ??= []
    this.#answers.push({ attempt, error })
  }

  #work(): void {
    if (this.#working) return
    if (this.#answers) {
      this.#working = true
      // Judging one may bring others.
      for (const { attempt, error } of this.#answers) this.#judge(attempt, error)
      this.#answers = undefined
      this.#working = false
    }
    this.#conclude()
  }

  #judge(attempt: Attempt, error: unknown): void {
    if (error === undefined || error === null) this.#ok(attempt)
    else this.#failed(attempt, error)
  }

  /** Counts a node once, whatever it said before it was given up. */
  #ok(attempt: Attempt): void {
    const { outcome, node } = attempt
    if (outcome !== 'pending' && outcome !== 'silent') return
    if (outcome === 'pending') this.#pending--
    attempt.outcome = 'ok'
    attempt.original.isFilled = true
    this.#acked++
    this.#tracker.acked(node)
    if (outcome === 'silent') this.#host.late(this, node)
  }

  #failed(attempt: Attempt, error: unknown): void {
    const { outcome, node } = attempt
    if (outcome !== 'pending' && outcome !== 'silent') return
    if (outcome === 'pending') this.#pending--
    this.#tracker.lost(node)
    attempt.outcome = outcomeOf(error)
    if (error !== DOWN) this.#firstError ??= error
    // A copy of the event elsewhere would only spread the contradiction.
    if (attempt.outcome === 'conflict') this.#host.conflict(this, node)
    else if (outcome === 'pending') this.#replace(attempt)
  }

  #silent(attempt: Attempt): void {
    attempt.outcome = 'silent'
    this.#pending--
    this.#replace(attempt)
  }

  #replace({ isSubstitute, node, original }: Attempt): void {
    if (!isSubstitute) this.#host.missed(this, node)
    if (original.isFilled || this.#over) return
    const substitute = substituteFor(original.node, this.#untried)
    if (substitute) {
      this.#untried.splice(this.#untried.indexOf(substitute), 1)
      this.#substitute(substitute, original)
    } else {
      this.#vacant = [...(this.#vacant ?? []), original]
    }
  }

  #conclude(): void {
    if (!this.#decided) {
      const { verdict } = this.#tracker
      if (verdict !== 'pending') this.#decide(verdict)
      else if (this.#pending === 0 && !this.#isAwaited) this.#decide('failed')
    }
    if (this.#finished || this.#pending > 0 || !this.#decided) return
    this.#finished = true
    this.#host.finished(this)
  }

  /**
   * Whether an answer may yet come. After a conflict none may, though there are peers left: a node
   * that holds another event is not replaced.
   */
  get #isAwaited(): boolean {
    return this.#attempts.some(({ outcome }) => outcome === 'silent')
  }

  #decide(verdict: 'acknowledged' | 'failed' | 'timeout'): void {
    this.#decided = true
    this.#host.decided(this, verdict)
    const { resolve, reject } = this.request
    if (verdict === 'acknowledged') {
      resolve({ acknowledged: true, replicas: this.replicas, hinted: this.hinted })
      return
    }
    const { outcomes } = this
    const told = [...outcomes].map(([id, outcome]) => `${id} ${outcome}`).join(', ')
    const name = verdict === 'failed' ? 'EVENTS_FAILED' : 'EVENTS_TIMEOUT'
    reject(new PutError(skerryErrorFrom(this.#firstError, name, this.key, told), outcomes))
  }
}

function isAvailable({ available }: PlacedPeer): boolean {
  return available
}
