import type { Member } from './member.ts'
import type { SlotMove } from './table.ts'

/**
 * Where a cluster keeps what all its processes share: members, the table of slots, keys, who leads,
 * and who holds which slot. Every verb is one atomic step. Embedded in this process or on Redis;
 * `registrySuite` in the tests says what both must do.
 *
 * A verb settles within a few seconds: it rejects (SKERRY_REGISTRY_UNAVAILABLE) rather than hang, and
 * then may or may not have happened.
 *
 * Nothing here reads a wall clock to end a lease: a lease is a counter that its holder raises, and
 * whoever wants to end it must have seen the same count for a whole lease on its own monotonic
 * clock. Stepping clocks can't make two holders.
 *
 * A registry that restarts or fails over may have lost its latest changes. It then shows a new
 * `run`, forgets all sessions and rights, and is `recovering`: processes that know more restore it,
 * workers reassert what they hold, nothing new is granted. The leader ends that after one lease.
 */
export interface Registry {
  /** Connects, and agrees on the number of slots. @throws SKERRY_CLUSTER_MISMATCH */
  open(slots: number): Promise<void>
  close(): Promise<void>

  head(): Promise<Head>
  read(): Promise<Snapshot>
  /** The changes after `version` of `run`, in order; undefined if they are no longer all there. */
  changesAfter(run: string, version: number): Promise<Change[] | undefined>
  commit(proposal: Proposal): Promise<CommitAnswer>
  /** Writes back what a recovering registry lost. Does nothing unless `snapshot` is newer. */
  restore(snapshot: Snapshot): Promise<void>

  /** Adds work; what is there already stays. @returns how many keys are new */
  addKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number>
  /** @returns how many keys were there */
  removeKeys(keys: ReadonlyMap<number, readonly string[]>): Promise<number>
  /** The keys of some slots, by slot; a slot without keys may be missing. */
  keysIn(slots: readonly number[]): Promise<Map<number, string[]>>

  /** Takes over from a leader whose term and beat stood still. @returns the new term if it did */
  campaign(monitor: string, seen: Leadership): Promise<number | undefined>
  /** The leader's sign of life. @returns false if somebody else leads by now */
  lead(term: number): Promise<boolean>
  resign(term: number): Promise<void>
  /** All who held something have reasserted it or lost it. */
  endRecovery(term: number, run: string): Promise<void>

  openSession(session: string, worker: string): Promise<void>
  /** The worker's sign of life; its lease counts from when it *sent* this. */
  beatSession(session: string): Promise<SessionAnswer>
  sessions(): Promise<Session[]>
  /** Ends a session whose beat stood still for a lease. @returns whether it did */
  fence(term: number, session: Session): Promise<boolean>
  closeSession(session: string): Promise<void>
  /**
   * The right to slots that the session's worker found assigned to it in the table of `version`.
   * Slots that somebody else still holds are left out of the answer.
   */
  claim(session: string, version: number, slots: readonly number[]): Promise<ClaimAnswer>
  /**
   * Gives rights back, if the table is still that of `version`; what the session doesn't hold is left
   * alone. @returns false if the table has changed
   */
  release(session: string, version: number, slots: readonly number[]): Promise<boolean>
  /**
   * Holds rights through a recovery. The higher epoch wins.
   * @returns the slots that are still held, or `closed` after the end of the recovery
   */
  reassert(session: Omit<Session, 'beat'>, rights: readonly Right[]): Promise<number[] | 'closed'>

  /** Who holds which slot: slot → session. Not one step: for watching only. */
  rights(): Promise<Map<number, string>>

  /** Tells all processes of the cluster, at most once each; may be lost. */
  publish(notice: Notice): Promise<void>
  subscribe(listener: (notice: Notice) => void): () => void
}

/** The few fields that everybody looks at often. */
export interface Head {
  /** Changes whenever the registry's history could have been lost or rewound. */
  readonly run: string
  /** Grows by one with every change of members or table. */
  readonly version: number
  readonly recovering: boolean
  readonly leadership: Leadership
}

export interface Leadership {
  /** Empty after the leader resigned, and before the first one. */
  readonly monitor: string
  /** The fencing epoch of leadership: grows with every change of leader. */
  readonly term: number
  readonly beat: number
}

export interface Snapshot {
  readonly run: string
  readonly version: number
  readonly members: readonly Member[]
  /** Slot → id, `''` for nobody. */
  readonly owners: readonly string[]
  /** Rows that could not be read; they are left alone. */
  readonly faults: readonly Error[]
}

/** One change of members and table, as it was committed. */
export interface Change {
  readonly version: number
  /** New and changed members. */
  readonly members: readonly Member[]
  /** Ids of members that left. */
  readonly left: readonly string[]
  readonly moves: readonly SlotMove[]
}

export interface Proposal extends Omit<Change, 'version'> {
  /** The version this was computed from. */
  readonly base: number
  /** What only the leader may do carries its term. */
  readonly term?: number
  /** The whole table after the moves. */
  readonly owners: readonly string[]
}

/** `stale`: somebody changed something since `base`. `deposed`: the term is over. */
export type CommitAnswer = 'done' | 'stale' | 'deposed' | 'recovering'

/** `unknown`: fenced, closed, or lost in a restart. */
export type SessionAnswer = 'held' | 'unknown' | 'recovering'

export interface Session {
  readonly session: string
  readonly worker: string
  readonly beat: number
}

/** A slot, and the epoch it is held with: higher than that of any holder before. */
export interface Right {
  readonly slot: number
  readonly epoch: number
}

export type ClaimAnswer =
  { readonly granted: readonly Right[] } | 'stale' | 'unknown' | 'recovering'

export type Notice =
  | { readonly type: 'changed' }
  | { readonly type: 'ask'; readonly id: string; readonly incarnation: number }
  | { readonly type: 'vouch'; readonly id: string; readonly incarnation: number }

/** How many changes a registry keeps for those who follow it. */
export const LOG_LENGTH = 1_000
