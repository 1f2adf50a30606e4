import { compareVersions, type Entry, sizeOf, stampOf, tombstone } from '../core/entry.ts'
import { skerryError } from '../core/errors.ts'
import type { HybridClock } from '../core/hlc.ts'
import { entryTuple, pack } from '../core/codec.ts'
import type { Archive } from './archive/archive.ts'
import { Legacy } from './archive/legacy.ts'
import { contest, isContest } from './contest.ts'
import type { EngineOp } from './engine.ts'
import { type Held, overruledKey, type Replaced, visible } from './layout.ts'
import { collectionOps, recordOps } from './record.ts'
import type {
  Beaten,
  Change,
  Contest,
  Delivered,
  Delivery,
  Merged,
  MergeSource,
  Write,
  Written,
} from './store.ts'
import { left, restamped, versionOf } from './outcome.ts'
import {
  ceilingOf,
  floorOf,
  isOutlived,
  type Knowledge,
  overruling,
  replacing,
} from './replaced.ts'
import { Withholding, type WithholdingContext } from './withholding.ts'

/** How often a path is minted before the write is given up. */
const MAX_MINTS = 1000

/** What a group needs of its store. */
export interface GroupContext extends WithholdingContext, Knowledge {
  readonly epoch: string
  readonly clock: HybridClock
  /** The highest stamp ever collected under a key of the path. */
  horizon(path: string): bigint
  /** Left out: there is no history to keep. */
  readonly archive?: Archive
  /** The durable record of a path. */
  held(path: string): Held | undefined
}

/**
 * The writes that one sync to the disk makes durable together. Each request sees what earlier ones of
 * the group did, though nobody else does yet; a request that throws leaves no trace.
 */
export class Group {
  readonly #context: GroupContext
  /** What is durable at the paths looked at so far. */
  readonly #durable = new Map<string, Held | undefined>()
  readonly #records = new Map<string, Held>()
  /** Tombstones that are durable and are to go. */
  readonly #collected = new Map<string, Held>()
  readonly #withholding: Withholding
  readonly #legacy: Legacy
  readonly #changes: Change[] = []
  readonly #extraOps: EngineOp[] = []
  readonly #afterwards: (() => void)[] = []
  /** How to take back what the request under way did: each path with what the group held there. */
  #undo: [path: string, before: Held | undefined][] = []
  #seq: number
  #characters = 0
  /** The clock's mark when the group began. */
  readonly mark: bigint
  #epoch: string

  /** @param seq the newest durable sequence number */
  constructor(context: GroupContext, seq: number) {
    this.#context = context
    this.#withholding = new Withholding(context, (path) => this.#horizon(path))
    this.#legacy = new Legacy(context.archive)
    this.#seq = seq
    this.mark = context.clock.mark
    this.#epoch = context.epoch
  }

  /** Runs one request on the group; if it throws, the group is as it was before. */
  attempt<T>(request: (group: Group) => T): T {
    const seq = this.#seq
    const ops = this.#extraOps.length
    const afterwards = this.#afterwards.length
    const changes = this.#changes.length
    const withheld = this.#withholding.size
    const legacy = this.#legacy.size
    this.#undo = []
    const epoch = this.#epoch
    try {
      return request(this)
    } catch (error) {
      for (const [path, before] of this.#undo.reverse()) {
        if (before === undefined) this.#records.delete(path)
        else this.#records.set(path, before)
      }
      this.#seq = seq
      this.#extraOps.length = ops
      this.#afterwards.length = afterwards
      this.#changes.length = changes
      this.#withholding.size = withheld
      this.#legacy.size = legacy
      this.#epoch = epoch
      throw error
    }
  }

  /** The newest sequence number, once the group is durable. */
  get seq(): number {
    return this.#seq
  }

  /** The store's epoch, once the group is durable. */
  get epoch(): string {
    return this.#epoch
  }

  get changes(): readonly Change[] {
    return this.#changes
  }

  /** The last record of each path that changed. */
  get records(): ReadonlyMap<string, Held> {
    return this.#records
  }

  /** Characters of paths and data that the group has taken in. */
  get characters(): number {
    return this.#characters
  }

  get isEmpty(): boolean {
    const { size } = this.#records
    const kept = this.#extraOps.length + this.#withholding.size + this.#legacy.size
    return size + kept + this.#collected.size === 0
  }

  /** How many overruled versions the group lists. */
  get overruled(): number {
    return this.kept('o').length
  }

  /** Tombstones that go, and that nothing has taken the place of. */
  get collected(): ReadonlyMap<string, Held> {
    return this.#collected
  }

  /** The record that the group found in the place of one of {@link records}. */
  replaced(path: string): Held | undefined {
    return this.#durable.get(path)
  }

  /** The newest record of a path, durable or of this group. */
  held(path: string): Held | undefined {
    const staged = this.#records.get(path)
    if (staged !== undefined) return staged
    if (this.#collected.has(path)) return undefined
    const known = this.#durable.get(path)
    if (known !== undefined || this.#durable.has(path)) return known
    const durable = this.#context.held(path)
    this.#durable.set(path, durable)
    return durable
  }

  /** A local write, stamped above everything that this node has seen. */
  write(write: Write): Written {
    if (write.inferred) return this.#infer(write)
    const { path, decide } = write
    const minted = typeof path === 'string' ? undefined : this.#mint(path)
    const at = minted?.path ?? (path as string)
    const held = this.held(at)
    const seen = visible(held)
    const data = decide(seen)
    if (data === undefined || (data === null && seen === undefined)) return left(held)
    const next = minted?.stamp ?? this.#context.clock.next()
    // Where nothing is held, others may still hold a tombstone that was collected here.
    const floor = held === undefined ? this.#horizon(at) : ceilingOf(held)
    // Only a version stamped too far ahead can be above the clock: land on it, and be seen at once.
    const overrules = floor >= next
    const stamp = overrules ? floor + 1n : next
    const version = versionOf(at, seen, data, { stamp, origin: this.#context.nodeId })
    const entry: Entry = overrules ? { ...version, overrules } : version
    if (write.restated === true && data === held?.entry.data) this.#number(entry, held)
    else this.#put(entry, '', held)
    return { entry, changed: true, seq: this.#seq }
  }

  /** A delete that follows from a rule: it adds nothing to what is known, so it takes no new stamp. */
  #infer({ path, decide }: Write): Written {
    const at = path as string
    const held = this.held(at)
    const seen = visible(held)
    if (held === undefined || seen === undefined || held.shown !== undefined) return left(held)
    if (decide(seen) !== null) return left(held)
    const entry = tombstone(at, stampOf(seen), seen.origin)
    this.#put(entry, '', held)
    return { entry, changed: true, seq: this.#seq }
  }

  /** A write under a stamp of its client's: it wins if it is the newest version, and is lost if not. */
  deliver(delivery: Delivery, origin: string): Delivered['outcome'] {
    const { path, stamp, decide } = delivery
    const held = this.held(path)
    const seen = visible(held)
    const newest = held === undefined ? -1n : stampOf(held.entry)
    if (newest === stamp && held!.entry.origin === origin) return 'known'
    // Compared by itself: the version to make would inherit a later creation, and look as new as that.
    if (newest > stamp) return this.#lose(delivery, origin, held!)
    const data = decide(seen)
    if (data === undefined) return 'left'
    const entry = versionOf(path, seen, data, { stamp, origin })
    if (held !== undefined && compareVersions(entry, held.entry, this.#context.hash) <= 0) {
      this.#legacy.offer(entry, held)
      return 'overruled'
    }
    this.#context.clock.observe(stamp)
    this.#put(entry, '', held)
    return 'written'
  }

  /** A write that comes too late: history has what it would have made of things. */
  #lose({ path, stamp, lost }: Delivery, origin: string, held: Held): 'overruled' {
    if (lost === undefined || !this.#legacy.keeps(path)) return 'overruled'
    const data = lost(visible(held))
    if (data !== undefined) {
      this.#legacy.offer(versionOf(path, undefined, data, { stamp, origin }), held)
    }
    return 'overruled'
  }

  /** Merges versions from a peer: of each path the newest one wins. */
  merge(entries: readonly Entry[], source: MergeSource): Merged {
    const aside: string[] = []
    const contests: Contest[] = []
    const beaten: Beaten[] = []
    let changed = 0
    for (const entry of entries) {
      const { path } = entry
      const held = this.held(path)
      if (this.#withholding.mustWait(entry, held?.entry, source)) {
        aside.push(path)
        continue
      }
      const order = held && compareVersions(entry, held.entry, this.#context.hash)
      if (held !== undefined && order! > 0 && this.#outlive(entry, held)) {
        beaten.push({ entry, by: this.held(path)! })
        continue
      }
      if (held !== undefined && isContest(entry, held)) {
        contests.push(contest(entry, held, order! > 0))
      }
      if (order === undefined || order > 0) {
        this.#take(entry, source.peer, held)
        changed++
      } else if (order < 0) {
        beaten.push({ entry, by: held! })
        this.#legacy.offer(entry, held!)
        this.#overrule(entry, held!)
      }
      if (this.held(path)!.shown !== undefined) aside.push(path)
    }
    return { changed, aside, contests, beaten }
  }

  #take(entry: Entry, from: string, held: Held | undefined): void {
    const stamp = stampOf(entry)
    if (this.#context.clock.isAhead(stamp) && entry.overrules !== true) {
      this.#put(entry, from, held, visible(held) ?? null)
    } else {
      this.#context.clock.observe(stamp)
      this.#put(entry, from, held)
    }
  }

  /** Removes the tombstone that is the path's change of that number. False if it is there no more. */
  collect(path: string, seq: number): boolean {
    const held = this.held(path)
    const durable = held !== undefined && !this.#records.has(path)
    if (!durable || held.seq !== seq || held.shown !== undefined) return false
    this.#collected.set(path, held)
    this.#legacy.outlive(held.entry)
    return true
  }

  /**
   * Decides on a withheld version: takes it in, or deletes it as of its own stamp. Either goes out to all,
   * as a change of this node's.
   */
  resolve(path: string, how: 'release' | 'drop'): boolean {
    const kept = this.#context.withheld(path)
    if (kept === undefined) return false
    const { entry } = kept
    const decided = how === 'release' ? entry : tombstone(path, stampOf(entry), entry.origin)
    const held = this.held(path)
    const wins = held === undefined || compareVersions(decided, held.entry, this.#context.hash) > 0
    if (wins) this.#take(decided, '', held)
    return true
  }

  /** Shows readers a version that was kept aside, if its time has come. */
  release(path: string): void {
    const held = this.held(path)
    if (held?.shown === undefined) return
    const stamp = stampOf(held.entry)
    if (this.#context.clock.isAhead(stamp)) return
    this.#context.clock.observe(stamp)
    const { entry, seq, from, replaced } = held
    const record = { entry, seq, from, ...(replaced && { replaced }) }
    this.#legacy.replace(held, record)
    this.#record(record, held)
  }

  /**
   * Gives the newest version of a path a new stamp, lower than the one it has, but above what it took the place of and
   * others have: if that is too far ahead, as a write that lands there would be.
   */
  restamp(held: Held): void {
    const floor = floorOf(held, this.#context)
    this.#context.clock.observe(floor)
    const next = this.#context.clock.next()
    if (floor < next) this.#number(restamped(held.entry, next), held)
    else this.#number({ ...restamped(held.entry, floor + 1n), overrules: true }, held)
  }

  /** A peer is told that what is held here is newer than its version: so it stays that. */
  #overrule(entry: Entry, held: Held): void {
    const { path } = entry
    const replaced = overruling(entry, held, this.#context)
    if (replaced === undefined) return
    this.#undo.push([path, this.#records.get(path)])
    this.#records.set(path, { ...held, replaced })
  }

  /** Has the held version win again over one that it had replaced before it was stamped anew. */
  #outlive(entry: Entry, held: Held): boolean {
    const { clock, nodeId } = this.#context
    if (!clock.isAhead(stampOf(entry)) || !isOutlived(entry, held, nodeId)) return false
    const stamp = held.replaced!.own!.stamp + 1n
    this.#number({ ...restamped(held.entry, stamp), overrules: true }, held)
    return true
  }

  /** Lets go of what is kept of the path's past. */
  clearHistory(path: string): void {
    this.#legacy.clear(path)
  }

  /** The same, unless the path holds something again. */
  endHistory(path: string): void {
    if (this.held(path) === undefined) this.#legacy.clear(path)
    else this.#legacy.return(path)
  }

  /** Adds a step of bookkeeping to the atomic write. */
  keep(op: EngineOp): void {
    this.#extraOps.push(op)
  }

  /** The keys of bookkeeping that begin with `prefix` and are to be put. */
  kept(prefix: string): string[] {
    return this.#extraOps
      .filter(({ key, value }) => value !== undefined && key.startsWith(prefix))
      .map(({ key }) => key)
  }

  /** Begins a new history. */
  renew(epoch: string): void {
    this.#epoch = epoch
  }

  /** Has `action` run once the group is durable, before anybody is told of it. */
  afterwards(action: () => void): void {
    this.#afterwards.push(action)
  }

  /** Runs what was to be done afterwards. */
  finish(): void {
    for (const action of this.#afterwards) action()
  }

  /** The steps of the atomic write: of each path only its last record. */
  ops(): EngineOp[] {
    const ops: EngineOp[] = [...this.#extraOps, ...this.#withholding.ops(this.#records)]
    ops.push(...this.#legacy.ops())
    const { hash } = this.#context
    for (const held of this.#collected.values()) ops.push(...collectionOps(held, hash))
    for (const [path, held] of this.#records) {
      ops.push(...recordOps(held, this.#durable.get(path), hash))
    }
    return ops
  }

  /** How many more versions are withheld once the group is durable. */
  get withheldMore(): number {
    return this.#withholding.more(this.#records)
  }

  /** The highest stamp of a tombstone that was collected at the path; those of this group are in no horizon yet. */
  #horizon(path: string): bigint {
    const horizon = this.#context.horizon(path)
    const collected = this.#collected.get(path)
    const stamp = collected === undefined ? 0n : stampOf(collected.entry)
    return stamp > horizon ? stamp : horizon
  }

  /** A stamp and the path made from it, such that nothing is there yet. */
  #mint(path: (stamp: bigint) => string): { path: string; stamp: bigint } {
    for (let tries = 0; tries < MAX_MINTS; tries++) {
      const stamp = this.#context.clock.next()
      const minted = path(stamp)
      if (this.held(minted) === undefined) return { path: minted, stamp }
    }
    throw skerryError('WRITE_FAILED', `${MAX_MINTS} paths were minted, and each was taken`)
  }

  /** Takes the entry as the newest version of its path, under the next sequence number. */
  #put(entry: Entry, from: string, old: Held | undefined, shown?: Entry | null): void {
    if (old?.shown !== undefined && entry.overrules === true) {
      const key = overruledKey(stampOf(old.entry), old.entry.path)
      this.keep({ key, value: pack(entryTuple(old.entry)) })
    }
    const replaced = this.#replacing(entry, from, old)
    const numbered = { entry, seq: ++this.#seq, from, ...(replaced && { replaced }) }
    const record = shown === undefined ? numbered : { ...numbered, shown }
    this.#legacy.replace(old, record)
    this.#record(record, old)
  }

  /** The same write under another stamp. */
  #number(entry: Entry, old: Held): void {
    const replaced = this.#replacing(entry, '', old)
    this.#record({ entry, seq: ++this.#seq, from: '', ...(replaced && { replaced }) }, old)
  }

  #replacing(entry: Entry, from: string, old: Held | undefined): Replaced | undefined {
    const horizon = old === undefined ? this.#horizon(entry.path) : 0n
    return replacing({ entry, from }, old, horizon, this.#context)
  }

  #record(held: Held, old: Held | undefined): void {
    const { entry, seq, from } = held
    this.#undo.push([entry.path, this.#records.get(entry.path)])
    this.#records.set(entry.path, held)
    this.#collected.delete(entry.path)
    this.#changes.push({ seq, entry, before: visible(old), after: visible(held), from })
    this.#characters += sizeOf(entry)
  }
}
