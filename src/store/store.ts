import type { Entry } from '../core/entry.ts'
import type { Digest } from './digest.ts'

/** Decides, on what readers see at the path, what to write: JSON text, null to delete, undefined to leave it. */
export type Decide = (held: Entry | undefined) => string | null | undefined

/** A local write; the store stamps it. */
export interface Write {
  /** Where to write; or a function that mints a fresh path from the stamp, called again if it is taken. */
  readonly path: string | ((stamp: bigint) => string)
  readonly decide: Decide
  /**
   * A delete that a rule infers, not a person: its tombstone takes stamp and origin of the version it removes, so
   * that every node mints the identical one, and any newer write beats it. Such a write only deletes; what lies
   * under a version kept aside stays until that one is resolved.
   */
  readonly inferred?: true
  /** The same data under a new stamp, so that others take it over what they have: no version of its own in history. */
  readonly restated?: true
}

/** What came of a write. */
export interface Written {
  /** What the path holds now, tombstones included; undefined if it never held anything. */
  readonly entry: Entry | undefined
  /** False if the decision was to leave it, and nothing was written. */
  readonly changed: boolean
  /** The number of that change in the feed; 0 if there never was one. */
  readonly seq: number
}

/** A write that a client stamped by its own clock, maybe long ago while it was cut off. */
export interface Delivery {
  readonly path: string
  readonly stamp: bigint
  readonly decide: Decide
  /** What to keep of it, where a history is kept and it comes too late, as `decide` says it. Default: nothing. */
  readonly lost?: Decide
}

/** What came of a delivery. */
export interface Delivered {
  readonly path: string
  /**
   * `written`; `overruled`, a newer version is there; `known`, it had been delivered before; `left`, its decision
   * was to leave things; `ahead`, its stamp is further ahead than clocks may drift, and nothing was done.
   */
  readonly outcome: 'written' | 'overruled' | 'known' | 'left' | 'ahead'
}

/** One change of the feed: the newest version of a path, and what readers saw before and see now. */
export interface Change {
  readonly seq: number
  readonly entry: Entry
  readonly before: Entry | undefined
  readonly after: Entry | undefined
  /** The node it came from by a link; empty if it was written here. */
  readonly from: string
}

/** Changes that became durable together; those of one atomic write are never split. */
export interface Commit {
  readonly changes: readonly Change[]
  /** The newest sequence number now durable. */
  readonly seq: number
}

/** What readers see of a glob, and the sequence number at which they see it. */
export interface Listing {
  readonly seq: number
  readonly entries: Entry[]
}

/** A stretch of the change feed. */
export interface FeedPage {
  readonly changes: readonly Pick<Change, 'seq' | 'entry' | 'from'>[]
  /** Every change up to here is in the page or older; where the next page begins. */
  readonly upTo: number
}

/** A point in a store's history. */
export interface Position {
  readonly epoch: string
  readonly run: string
  readonly seq: number
}

/**
 * In the place of a key: the furthest point at which a peer was seen, whatever of it is merged. Something here may
 * come from there, so a peer that lacks it was taken back. It outlives this store's own history.
 */
export const SEEN = ''

/** How far this store has merged a peer's feed, for one shared key. */
export interface Checkpoint {
  readonly peer: string
  /** The key, or {@link SEEN}. */
  readonly key: string
  readonly position: Position
  /**
   * This store's epoch when the peer's stream began. Once the store has begun a new history, it
   * drops the checkpoint: what it covers may be gone.
   */
  readonly ownEpoch: string
}

/** How far a peer, in one of its epochs, has acknowledged this store's feed, for one shared key. */
export interface Acknowledgement {
  readonly peer: string
  readonly key: string
  readonly epoch: string
  /** All up to here is merged there, and what the peer sent before that has arrived here. */
  readonly seq: number
  /** The most that it ever acknowledged. */
  readonly ever: number
  /** This store's epoch as the peer said so: of a history that was lost since, its word tells nothing. */
  readonly ownEpoch: string
}

/** Changes under a shared key that a peer has acknowledged: numbers above `after`, up to `upTo`. */
export interface Heard {
  readonly peer: string
  readonly key: string
  readonly after: number
  readonly upTo: number
}

/** The newest version of a path with its place in the feed and the peer that it came from. */
export type Placed = Pick<Change, 'seq' | 'entry' | 'from'>

/** A small durable record beside the entries, such as how far another protocol has come. */
export interface Note {
  /** 1 to 2,048 printable ASCII characters without spaces at the ends; no peer ever sees it. */
  readonly name: string
  /** Left out: the note is to be removed. */
  readonly value?: Uint8Array
}

/** Where merged entries came from, and the checkpoints that they complete. */
export interface MergeSource {
  readonly peer: string
  readonly checkpoints?: readonly Checkpoint[]
  /**
   * Paths of entries that may be from before a delete which is forgotten here. Where nothing is held at such
   * a path, and the entry is stamped at or below the horizon, it is withheld instead of merged.
   */
  readonly doubted?: ReadonlySet<string>
  /** A repair offers them, so they are no news: what is withheld stays so until an operator decides. */
  readonly repair?: boolean
}

/** Two versions of a path that met in a merge, one of them written here. */
export interface Contest {
  readonly winner: Entry
  readonly loser: Entry
  /** The sequence number of the one written here. */
  readonly seq: number
}

/** What came of a merge. */
export interface Merged {
  /** How many versions changed anything here. */
  readonly changed: number
  /** Paths of versions that readers don't see: kept aside for their stamp, or withheld. */
  readonly aside: readonly string[]
  readonly contests: readonly Contest[]
  readonly beaten: readonly Beaten[]
}

/** A version that was offered, and the newer one that was held here. */
export interface Beaten {
  readonly entry: Entry
  readonly by: Placed
}

/** Which tombstones may go. */
export interface CollectionRule {
  /** A tombstone goes once each of these that shares its path has acknowledged it in its epoch. */
  readonly waitFor: readonly {
    readonly peer: string
    readonly epoch: string
    /** The key paths that both share. */
    readonly keys: readonly string[]
  }[]
  /** A tombstone stamped at or below goes whoever of these has acknowledged it. */
  readonly expired: bigint
  /**
   * True of a change that a peer, linked at this moment, may have yet to get: nothing else would tell it of that any
   * more, so it stays, expired or not. Left out: there is none.
   */
  readonly isOwed?: (path: string, seq: number) => boolean
  /** The key paths whose horizons are kept, besides those that have one already. */
  readonly keys: readonly string[]
  /** False if no other node can hold what was deleted: then no stamp is noted. */
  readonly linked: boolean
}

/** What is left of the tombstones collected under a key path. */
export interface Horizon {
  readonly key: string
  /** The highest stamp ever collected, here or by a node that this one was repaired from. */
  readonly stamp: bigint
  /**
   * The highest sequence number collected here, or the next one when the stamp of another node was taken over: who
   * has less of the feed may have missed a delete.
   */
  readonly seq: number
}

/** A version from a peer that may undo a delete nobody remembers. Only an operator decides on it. */
export interface Withheld {
  readonly entry: Entry
  readonly peer: string
}

/** A path's place in the order of hashes, with its newest version. */
export interface HashedEntry {
  readonly hash: string
  readonly entry: Entry
  readonly seq: number
}

/** A stretch of the entries in order of path hash. */
export interface HashedPage {
  readonly entries: readonly HashedEntry[]
  /** Every entry below is in the page or before it; where the next page begins. */
  readonly upTo: string
}

/** A version that is not the newest one of its path any more, or never was. */
export interface KeptVersion {
  readonly entry: Entry
  /**
   * `superseded`: it was what the path held here, until a later one came. `overruled`: it lost against one whose writer
   * did not know it, as far as this node can tell; it may never have been held here.
   */
  readonly kind: 'superseded' | 'overruled'
  /** When it was kept: nanoseconds of this node's wall time. */
  readonly keptAt: bigint
  /** Counts what was kept of the path. */
  readonly place: number
}

/** Which stretch of a history to read. */
export interface HistoryRange {
  /** The most versions. */
  readonly limit: number
  /** Only those in places before this one. Default: from the newest on. */
  readonly before?: number
}

/** A stretch of the history of a path. */
export interface HistoryPage {
  /** What the path holds: what readers see, else the tombstone. */
  readonly current: Entry | undefined
  /** What was kept last comes first. */
  readonly versions: readonly KeptVersion[]
  /** Where the next page begins; left out if there is none. */
  readonly next?: number
}

/** Where a page is closed, in characters of paths and data, however few entries it has. */
export const MAX_PAGE_CHARACTERS = 256 * 1024

/** The most overruled versions that a store lists; the oldest go. */
export const MAX_OVERRULED = 1000

/**
 * The port to a store of entries: merge by last write wins, a feed of changes, digests, checkpoints.
 * What one call writes becomes durable in one atomic step; promises resolve after that, and
 * readers and listeners see nothing earlier.
 */
export interface Store {
  readonly nodeId: string
  /** Random; new whenever the store's history may have been lost or rewound. */
  readonly epoch: string
  /** Epochs before this one that ended without any loss, newest first. */
  readonly formerly: readonly string[]
  /** Random; new at each start. */
  readonly run: string
  /** The newest durable sequence number. */
  readonly seq: number
  /** False if it is gone when the process ends. */
  readonly durable: boolean
  /** False while what keeps the entries can't be reached. A store in the process has no such thing. */
  readonly available?: boolean
  /**
   * For a store that several servers share as one node: tells whether this one is to run links and collection,
   * at once and at each change. Returns how to stop it.
   */
  lead?(listener: (leads: boolean) => void): () => void

  /** What readers see at the path. */
  read(path: string): Promise<Entry | undefined>
  /** The same at once; only stores have it that never wait to read. */
  readNow?(path: string): Entry | undefined
  /** What readers see under the path, glob or `**`, in no particular order. */
  list(pattern: string): Promise<Listing>
  /**
   * Shows what {@link Store.list} would return to `visitor`, entry by entry, without holding it all in memory.
   * Resolves to the sequence number at which readers see it.
   */
  visit(pattern: string, visitor: (entry: Entry) => void): Promise<number>
  /** The newest version at the path, tombstones and versions kept aside included. */
  newest(path: string): Promise<Entry | undefined>
  /** The same, with its sequence number and the peer that it came from. */
  placed(path: string): Promise<Placed | undefined>

  /**
   * Writes all or nothing.
   * @throws SKERRY_WRITE_FAILED if the disk failed; then nothing was written
   * @throws whatever `decide` throws; then nothing was written
   */
  write(writes: readonly Write[]): Promise<Written[]>
  /**
   * Writes what a client stamped, under its own origin, as the newest version of each path or not at all. A client
   * delivers in the order of its stamps; what it delivers again is `known`, and changes nothing.
   */
  deliver(origin: string, deliveries: readonly Delivery[]): Promise<Delivered[]>
  /** Merges versions from a peer, last write wins. */
  merge(entries: readonly Entry[], source: MergeSource): Promise<Merged>

  /** Calls the listener with each commit, in order. Returns how to stop it. */
  watch(listener: (commit: Commit) => void): () => void
  /** The changes after `seq`, oldest first, a page of them. The older ones of a path may be missing. */
  changesAfter(seq: number, limit: number): Promise<FeedPage>

  /** The digest over what the key covers; built on first use, then kept up to date. */
  digest(key: string): Promise<Digest>
  /** The entries a key covers with `from` ≤ path hash < `to`, in order of path hash; a page of them. */
  hashed(key: string, from: string, to: string, limit: number): Promise<HashedPage>

  /** The checkpoint for a peer's feed, if there is one. */
  checkpoint(peer: string, key: string): Position | undefined
  /** Keeps checkpoints that no merged entry waits for. */
  saveCheckpoints(checkpoints: readonly Checkpoint[]): Promise<void>
  /** What a peer acknowledged last of this store's feed. */
  acknowledged(peer: string, key: string): Acknowledgement | undefined
  /** True if some peer, in whatever epoch, has acknowledged the change of that number at the path. */
  wasAcknowledged(path: string, seq: number): boolean
  /** Has what a peer acknowledges count for {@link Store.wasAcknowledged} at once, before it is kept. */
  hear(heard: Heard): void
  /** Keeps acknowledgements; they may lag behind, never run ahead. */
  saveAcknowledgements(acknowledgements: readonly Acknowledgement[]): Promise<void>

  /** The notes whose names begin with `prefix`, in order of their names. */
  notes(prefix: string): Promise<Required<Note>[]>
  /** Keeps notes, all or none; of two with one name the later counts. */
  saveNotes(notes: readonly Note[]): Promise<void>

  /**
   * False if a position of this epoch, or of one named in `formerly`, names a run or a sequence this store lacks: it
   * was rewound. False also of epochs that are not this store's.
   */
  knows(position: Position): boolean
  /**
   * True if the position is of a run that is remembered. Of an older one it can't be told whether it was taken back
   * since: it proves nothing, and a stream does not take up there.
   */
  remembers(position: Position): boolean
  /**
   * Starts a new history, because a peer proved that this store was taken back: a new epoch, and no
   * checkpoint of any peer but {@link SEEN}. All that was held when this run began counts as acknowledged.
   */
  renewEpoch(): Promise<void>

  /** Removes tombstones that the rule lets go, a batch of them; the horizons rise in the same step. */
  collect(rule: CollectionRule): Promise<number>
  /** What is left of collected tombstones. */
  horizons(): readonly Horizon[]
  /**
   * Raises horizons to those of a node that this one was repaired from. A key path that has none begins one
   * with that; at 0, so that what is deleted under it is remembered from now on.
   */
  raiseHorizons(horizons: readonly Pick<Horizon, 'key' | 'stamp'>[]): Promise<void>
  /** Versions that an operator has to decide on, in order of path. */
  withheld(limit: number): Promise<Withheld[]>
  /** How many there are. */
  readonly withheldCount: number
  /**
   * Decides on withheld versions: `release` takes them in; `drop` deletes them everywhere, by tombstones of
   * their own stamps. Resolves to how many there were.
   */
  resolveWithheld(paths: readonly string[], how: 'release' | 'drop'): Promise<number>

  /** Wall time in nanoseconds, corrected by what is known of other nodes' clocks. */
  time(): bigint
  /** Corrects the clock that judges drift by `offsetNs`: the leader's time minus this node's. */
  correctClock(offsetNs: bigint): void
  /** Stamps anew, in order, what this node stamped too far ahead and no peer has acknowledged. */
  restamp(): Promise<number>
  /** Versions kept aside for their stamps, soonest first. */
  aside(limit: number): Promise<Entry[]>
  /** The newest {@link MAX_OVERRULED} versions kept aside that a later write overruled, oldest first. */
  overruled(limit: number): Promise<Entry[]>

  /** What is kept of a path's past. Left out by a store that keeps nothing of it. */
  history?(path: string, range: HistoryRange): Promise<HistoryPage>
  /** Lets go of what is kept of the path, or of all that the glob matches; resolves to how many paths that were. */
  clearHistory?(pattern: string): Promise<number>

  /**
   * Everything it holds at this moment, as the bytes of a backup. Left out by a store that another
   * system keeps, which has backups of its own.
   */
  backup?(): AsyncIterable<Uint8Array>

  /** Finishes what is under way and lets go of the disk. Later calls throw SKERRY_STORE_CLOSED. */
  close(): Promise<void>
}
