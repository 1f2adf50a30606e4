import { skerryError } from '../core/errors.ts'
import type { Member } from './member.ts'
import { LOG_LENGTH } from './registry.ts'
import type {
  Change,
  ClaimAnswer,
  CommitAnswer,
  Head,
  Leadership,
  Proposal,
  Right,
  Session,
  SessionAnswer,
  Snapshot,
} from './registry.ts'
import { NOBODY } from './table.ts'

/** What of a ledger outlives the process. */
export interface LedgerState {
  version: number
  /** The version of the latest change of `owners`. */
  tableVersion: number
  members: Map<string, Member>
  owners: string[]
  keys: Map<number, Set<string>>
  leadership: Leadership
  epoch: number
}

/**
 * A registry in memory: each method is one verb of {@link Registry}, one atomic step. The embedded
 * registry and the simulator's are made of it; the scripts on Redis do the same.
 */
export class Ledger {
  run: string
  state: LedgerState
  readonly #nowMs: () => number
  #recovering: boolean
  /** A recovery that began with nothing at all may be written to at once. */
  #fresh = false
  #log: Change[] = []
  readonly #sessions = new Map<string, { worker: string; beat: number }>()
  readonly #rights = new Map<number, { session: string; epoch: number }>()

  /**
   * @param nowMs the wall clock; epochs are at least this, so that they grow even if the registry
   * lost the latest ones.
   * @param recovering whether somebody outside this process may hold rights from an earlier run.
   */
  constructor(run: string, nowMs: () => number, recovering: boolean, state = emptyState()) {
    this.run = run
    this.state = state
    this.#nowMs = nowMs
    this.#recovering = recovering
    this.#fresh = recovering && state.version === 0
  }

  /** @throws SKERRY_CLUSTER_MISMATCH if there is a table of another size */
  agreeOnSlots(slots: number): void {
    const { owners } = this.state
    if (owners.length === 0) this.state.owners = new Array<string>(slots).fill(NOBODY)
    else if (owners.length !== slots) {
      throw skerryError('CLUSTER_MISMATCH', 'the number of slots', owners.length, slots)
    }
  }

  head(): Head {
    const { version, leadership } = this.state
    return { run: this.run, version, recovering: this.#recovering, leadership }
  }

  read(): Snapshot {
    const { version, members, owners } = this.state
    return {
      run: this.run,
      version,
      members: [...members.values()],
      owners: [...owners],
      faults: [],
    }
  }

  changesAfter(run: string, version: number): Change[] | undefined {
    const behind = this.state.version - version
    if (run !== this.run || behind < 0 || behind > this.#log.length) return undefined
    return behind === 0 ? [] : this.#log.slice(-behind)
  }

  /** What {@link commit} would answer now. */
  judge({ base, term }: Pick<Proposal, 'base' | 'term'>): CommitAnswer {
    if (this.#recovering && !this.#fresh) return 'recovering'
    if (term !== undefined && term !== this.state.leadership.term) return 'deposed'
    return base === this.state.version ? 'done' : 'stale'
  }

  commit(proposal: Proposal): CommitAnswer {
    const verdict = this.judge(proposal)
    if (verdict !== 'done') return verdict
    const { members, left, moves, owners } = proposal
    const version = ++this.state.version
    for (const id of left) this.state.members.delete(id)
    for (const member of members) this.state.members.set(member.id, member)
    if (moves.length > 0) {
      this.state.owners = [...owners]
      this.state.tableVersion = version
    }
    this.#log.push({ version, members, left, moves })
    if (this.#log.length > LOG_LENGTH) this.#log.shift()
    return verdict
  }

  restore({ run, version, members, owners }: Snapshot): void {
    if (!this.#recovering || run !== this.run || version <= this.state.version) return
    if (this.#fresh && this.state.version > 0) return
    this.#fresh = false
    this.#log = []
    this.state.version = version
    this.state.tableVersion = version
    this.state.members = new Map(members.map((member) => [member.id, member]))
    this.state.owners = [...owners]
  }

  addKeys(keys: ReadonlyMap<number, readonly string[]>): number {
    let added = 0
    for (const [slot, names] of keys) {
      const held = this.state.keys.get(slot) ?? new Set()
      const before = held.size
      for (const name of names) held.add(name)
      this.state.keys.set(slot, held)
      added += held.size - before
    }
    return added
  }

  removeKeys(keys: ReadonlyMap<number, readonly string[]>): number {
    let removed = 0
    for (const [slot, names] of keys) {
      const held = this.state.keys.get(slot)
      for (const name of names) if (held?.delete(name)) removed++
      if (held?.size === 0) this.state.keys.delete(slot)
    }
    return removed
  }

  keysIn(slots: readonly number[]): Map<number, string[]> {
    const found = new Map<number, string[]>()
    for (const slot of slots) {
      const held = this.state.keys.get(slot)
      if (held) found.set(slot, [...held])
    }
    return found
  }

  campaign(monitor: string, seen: Leadership): number | undefined {
    const { term, beat, monitor: leader } = this.state.leadership
    const stoodStill = term === seen.term && beat === seen.beat && leader === seen.monitor
    if (!stoodStill) return undefined
    this.state.leadership = { monitor, term: term + 1, beat: 0 }
    return term + 1
  }

  lead(term: number): boolean {
    const { leadership } = this.state
    if (leadership.term !== term || leadership.monitor === '') return false
    this.state.leadership = { ...leadership, beat: leadership.beat + 1 }
    return true
  }

  resign(term: number): void {
    const { leadership } = this.state
    if (leadership.term === term) this.state.leadership = { ...leadership, monitor: '' }
  }

  endRecovery(term: number, run: string): void {
    if (term !== this.state.leadership.term || run !== this.run) return
    this.#recovering = false
    this.#fresh = false
  }

  openSession(session: string, worker: string): void {
    this.#sessions.set(session, { worker, beat: 0 })
  }

  beatSession(session: string): SessionAnswer {
    const held = this.#sessions.get(session)
    if (held) held.beat++
    return held ? 'held' : this.#recovering ? 'recovering' : 'unknown'
  }

  sessions(): Session[] {
    return Array.from(this.#sessions, ([session, held]) => ({ session, ...held }))
  }

  fence(term: number, { session, beat }: Session): boolean {
    if (term !== this.state.leadership.term) return false
    if (this.#sessions.get(session)?.beat !== beat) return false
    return this.#sessions.delete(session)
  }

  closeSession(session: string): void {
    this.#sessions.delete(session)
  }

  claim(session: string, version: number, slots: readonly number[]): ClaimAnswer {
    if (!this.#sessions.has(session)) return 'unknown'
    if (this.#recovering) return 'recovering'
    if (version < this.state.tableVersion) return 'stale'
    const granted: Right[] = []
    for (const slot of slots) {
      const holder = this.#rights.get(slot)?.session
      // A right without a session is nobody's: its session was fenced or closed.
      if (holder !== undefined && holder !== session && this.#sessions.has(holder)) continue
      const epoch = Math.max(this.state.epoch + 1, this.#nowMs())
      this.state.epoch = epoch
      this.#rights.set(slot, { session, epoch })
      granted.push({ slot, epoch })
    }
    return { granted }
  }

  release(session: string, version: number, slots: readonly number[]): boolean {
    if (version < this.state.tableVersion) return false
    for (const slot of slots) {
      if (this.#rights.get(slot)?.session === session) this.#rights.delete(slot)
    }
    return true
  }

  rights(): Map<number, string> {
    const held = [...this.#rights].filter(([, { session }]) => this.#sessions.has(session))
    return new Map(held.map(([slot, { session }]) => [slot, session]))
  }

  reassert(
    { session, worker }: Omit<Session, 'beat'>,
    rights: readonly Right[],
  ): number[] | 'closed' {
    if (!this.#recovering) return 'closed'
    if (!this.#sessions.has(session)) this.#sessions.set(session, { worker, beat: 0 })
    const kept: number[] = []
    for (const { slot, epoch } of rights) {
      this.state.epoch = Math.max(this.state.epoch, epoch)
      const known = this.#rights.get(slot)
      if (known && known.session !== session && known.epoch > epoch) continue
      this.#rights.set(slot, { session, epoch })
      kept.push(slot)
    }
    return kept
  }
}

function emptyState(): LedgerState {
  const leadership = { monitor: '', term: 0, beat: 0 }
  const versions = { version: 0, tableVersion: 0, epoch: 0 }
  return { ...versions, members: new Map(), owners: [], keys: new Map(), leadership }
}
