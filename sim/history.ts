import {
  compareVersions,
  type Entry,
  fingerprint,
  isTombstone,
  stampOf,
} from '../src/core/entry.ts'
import { matches } from '../src/core/path.ts'
import { type Held, visible } from '../src/store/layout.ts'
import type { Change, Commit } from '../src/store/store.ts'
import { Asked } from './asked.ts'
import type { Disk } from './disk.ts'
import { sha256, wallNs } from './env.ts'
import type { World } from './world.ts'

/** What a node has told of a path: its newest version, and the newest that readers saw. */
interface Told {
  readonly newest: Entry
  readonly shown: Entry | undefined
}

/** A version was given an older stamp. */
interface Restamp {
  readonly from: Entry
  readonly atMs: number
}

/** A node as the history sees it. */
export interface Witness {
  readonly name: string
  /** What it calls itself; two of one id are clones. */
  readonly id: string
  readonly disk: Disk
  /** True if it knows that somebody has what it holds at the path. */
  knowsAcknowledged(path: string): boolean
}

/** What binds nodes to what others promised. */
export interface Ties {
  /** True if changes of the path go from one to the other, directly or not. */
  readonly together?: (a: Witness, b: Witness, path: string) => boolean
  /** After so long a tombstone goes though a node that is away has not acknowledged it. */
  readonly tombstoneTtlMs?: number | undefined
}

/**
 * What all nodes together have written and promised, seen from outside. The floor of a path is the
 * newest version that was acknowledged and that no loss of a disk excuses.
 */
export class History {
  readonly #world: World
  readonly #together: NonNullable<Ties['together']>
  readonly #tombstoneTtlMs: number
  readonly #witnesses: Witness[] = []
  /** Fingerprints of all versions that some node has written. */
  readonly #written = new Set<string>()
  /** The paths of these. */
  readonly #paths = new Set<string>()
  readonly #floors = new Map<string, Entry>()
  /** What each node has told of each path: it may not fall behind that again. */
  readonly #told = new Map<string, Map<string, Told>>()
  /** The newest version of each path that a node took back, to give it a stamp that is not ahead. */
  readonly #restamped = new Map<string, Map<string, Restamp>>()
  /** Versions that a node other than their writer has told of. */
  readonly #spread = new Set<string>()
  /** Versions that come late, legitimately: see {@link History.#noteLate}. */
  readonly #late = new Set<string>()
  /** The newest delete of each path that went with a disk, whoever else may have had it. */
  readonly #lostDeletes = new Map<string, Entry>()
  readonly #asked = new Asked()
  /** Of which deletes a node has collected the tombstones: its name, and the path. */
  readonly #forgotten = new Set<string>()
  /** Nodes that are about to forget some, each with the keys under which others may have them. */
  readonly #collecting = new Map<string, readonly string[] | undefined>()
  #acknowledged = 0

  constructor(world: World, { together = () => true, tombstoneTtlMs = Infinity }: Ties = {}) {
    this.#world = world
    this.#together = together
    this.#tombstoneTtlMs = tombstoneTtlMs
  }

  /** How many writes were acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** The paths of which something acknowledged must be there, with the version it must not be older than. */
  get floors(): ReadonlyMap<string, Entry> {
    return this.#floors
  }

  join(witness: Witness): void {
    this.#witnesses.push(witness)
    this.#told.set(witness.name, new Map())
    this.#restamped.set(witness.name, new Map())
  }

  /** A node's disk was copied to another machine, whose node has told of what is there, in its way. */
  cloned(original: Witness, twin: Witness): void {
    for (const [path, told] of this.#told.get(original.name)!) {
      if (twin.disk.record(path) !== undefined) this.#told.get(twin.name)!.set(path, told)
    }
  }

  /** A client of the node asked for a delete, which is about to be done. */
  deleting({ name }: Witness, path: string): void {
    this.#asked.delete(name, path)
  }

  /** A node told its listeners of a commit. */
  committed(witness: Witness, { changes }: Commit): void {
    const last = new Map<string, Change>()
    for (const change of changes) {
      const { entry, from, seq } = change
      const by = from === '' ? '' : ` from ${from}`
      this.#world.note(`${witness.name} has ${say(entry)}, number ${seq}${by}`)
      if (change.from === '') this.#wrote(witness, change.entry)
      else if (!this.#written.has(fingerprint(change.entry, sha256))) {
        this.#fail(
          'invention',
          witness,
          `took in a version that nobody wrote: ${say(change.entry)}`,
        )
      }
      last.set(change.entry.path, change)
    }
    for (const change of last.values()) {
      this.#noteLate(witness, change)
      this.#checkShown(witness, change.entry, change.after)
      if (change.entry.origin !== witness.id) this.#spread.add(fingerprint(change.entry, sha256))
    }
  }

  /** A run of the node ended; these writes, that nobody was told of, are on its disk. */
  kept(witness: Witness, records: readonly Held[]): void {
    const told = this.#told.get(witness.name)!
    for (const { entry, from } of records) {
      if (from === '') this.#wrote(witness, entry)
      const shown = told.get(entry.path)?.shown
      const older = shown !== undefined && compareVersions(entry, shown, sha256) < 0
      told.set(entry.path, { newest: entry, shown: older ? undefined : shown })
    }
    this.#asked.ended(witness.name)
    const remembered = this.#collecting.get(witness.name)
    if (remembered !== undefined) this.collected(witness, remembered)
  }

  /** A node told a client that its write, which it took at `sinceMs`, is done. */
  acknowledgedWrite(witness: Witness, entry: Entry, sinceMs: number): void {
    this.#acknowledged++
    const held = witness.disk.record(entry.path)?.entry
    // Between the write and its answer the node may have stamped it anew; the promise goes along.
    const restamp = this.#restamped.get(witness.name)!.get(entry.path)
    const moved = restamp && restamp.atMs >= sinceMs
    if (held && moved && compareVersions(entry, restamp.from, sha256) <= 0) entry = held
    if (held === undefined || compareVersions(held, entry, sha256) < 0) {
      this.#fail('durability', witness, `acknowledged ${say(entry)}, its disk has ${say(held)}`)
    }
    const floor = this.#floors.get(entry.path)
    if (floor === undefined || compareVersions(entry, floor, sha256) > 0) {
      this.#floors.set(entry.path, entry)
    }
  }

  /** What a reader was given at a node. */
  read(witness: Witness, path: string, entry: Entry | undefined): void {
    const durable = visible(witness.disk.record(path))
    const same = entry === undefined ? durable === undefined : durable !== undefined
    if (!same || (entry && compareVersions(entry, durable!, sha256) !== 0)) {
      this.#fail('reads', witness, `read ${say(entry)} at ${path}, its disk has ${say(durable)}`)
    }
  }

  /** A disk was wiped or taken back: what was acknowledged and is nowhere any more is excused. */
  lost(witness: Witness): void {
    const told = this.#told.get(witness.name)!
    // A copy may also have what the node had collected, or lost with another disk before, and tells of it again.
    for (const path of this.#paths) {
      const newest = told.get(path)?.newest
      const held = witness.disk.record(path)
      if (newest && isTombstone(newest) && !isSame(held?.entry, newest)) this.#loseDelete(newest)
      if (held === undefined) told.delete(path)
      else told.set(path, { newest: held.entry, shown: visible(held) })
    }
    for (const [path, floor] of this.#floors) {
      const newest = this.newest(path)
      if (newest === undefined) this.#floors.delete(path)
      // A newer version that is left stands for what is nowhere any more, also once it is stamped lower.
      else if (!this.#isHeld(floor)) this.#floors.set(path, newest)
    }
  }

  #isHeld(entry: Entry): boolean {
    return this.#witnesses.some(({ disk }) => isSame(disk.record(entry.path)?.entry, entry))
  }

  /** The newest version of a path on any disk. */
  newest(path: string): Entry | undefined {
    let newest: Entry | undefined
    for (const { disk } of this.#witnesses) {
      const entry = disk.record(path)?.entry ?? disk.withheld(path)
      if (entry === undefined) continue
      if (newest === undefined || compareVersions(entry, newest, sha256) > 0) newest = entry
    }
    return newest
  }

  /** Every acknowledged write is on some disk, or a newer version of its path is. */
  checkNothingLost(): void {
    for (const [path, floor] of this.#floors) {
      const newest = this.newest(path)
      // A delete of which nobody has what it deleted, nor anything else, is done, remembered or not.
      if (newest === undefined && isTombstone(floor)) continue
      if (newest === undefined || compareVersions(newest, floor, sha256) < 0) {
        if (this.#isCollected(path, floor)) continue
        this.#world.fail('loss', `acknowledged ${say(floor)} is gone, there is ${say(newest)}`)
      }
    }
  }

  /** A node is about to forget deletes, or there were none: if it ends meanwhile, its disk may have done so. */
  collecting({ name }: Witness, remembered: readonly string[] | undefined): void {
    this.#collecting.set(name, remembered)
  }

  /**
   * A node forgot deletes. Those that nobody else ever had, since it was never linked or never shared their
   * paths, bind nobody: like a tombstone that is stamped anew it may be followed by a lower stamp.
   * @param remembered the keys under which others may have them
   */
  collected(witness: Witness, remembered: readonly string[]): void {
    this.#collecting.delete(witness.name)
    for (const [path, { newest }] of this.#told.get(witness.name)!) {
      if (!isTombstone(newest) || witness.disk.record(path) !== undefined) continue
      this.#forgotten.add(`${witness.name} ${path}`)
      if (remembered.some((key) => matches(key, path))) continue
      this.#told.get(witness.name)!.delete(path)
      const floor = this.#floors.get(path)
      if (floor === undefined || compareVersions(floor, newest, sha256) > 0) continue
      const left = this.newest(path)
      if (left === undefined) this.#floors.delete(path)
      // As with a lost disk.
      else if (!this.#isHeld(floor)) this.#floors.set(path, left)
    }
  }

  /** An operator decided on a version that was withheld: what was told of the path counts no more. */
  decided(path: string): void {
    for (const told of this.#told.values()) told.delete(path)
    this.#floors.delete(path)
    this.#asked.decided(path)
  }

  /**
   * A delete, and what it deleted, may be gone without a trace once some node had it and has nothing at the path
   * any more, or an older delete that came after it was collected there; that holds for a delete that nobody was
   * told is done, too. What is older can then only be on a disk that was taken back, withheld, or where the delete
   * never goes.
   */
  #isCollected(path: string, floor: Entry): boolean {
    // Once a delete has expired nobody waits for it: old disks may bring back what it deleted.
    if (isTombstone(floor) && this.#isExpired(floor)) return true
    const collectors = this.#witnesses.filter((witness) => {
      const newest = this.#told.get(witness.name)!.get(path)?.newest
      if (newest === undefined || !isTombstone(newest)) return false
      const reached = compareVersions(newest, floor, sha256) >= 0
      const held = witness.disk.record(path)?.entry
      const older = held !== undefined && isTombstone(held) && this.#hasForgotten(witness, path)
      return reached && (held === undefined || older)
    })
    if (collectors.length === 0) return false
    // Each node waits for its own peers only: one that collected may have relied on a disk that is lost since,
    // and that its own peers beyond had not heard from yet.
    const lost = this.#lostDeletes.get(path)
    if (lost !== undefined && compareVersions(lost, floor, sha256) >= 0) return true
    // And one that lost its own does not know whom it had: what these offer later is withheld.
    if (collectors.some(({ disk }) => disk.losses > 0)) return true
    const told = (name: string): Entry => this.#told.get(name)!.get(path)!.newest
    if (collectors.some(({ name }) => this.#isExpired(told(name)))) return true
    return collectors.some((collector) =>
      this.#witnesses.every((other) => {
        const excused = other.disk.losses > 0 || !this.#together(collector, other, path)
        const held = other.disk.record(path)?.entry
        return excused || held === undefined || isTombstone(held) || this.#isOwn(other, held)
      }),
    )
  }

  #hasForgotten({ name }: Witness, path: string): boolean {
    return this.#forgotten.has(`${name} ${path}`)
  }

  /** True of a delete that is not waited for any more. */
  #isExpired(entry: Entry): boolean {
    if (this.#tombstoneTtlMs === Infinity) return false
    return stampOf(entry) <= wallNs(this.#world.nowMs - this.#tombstoneTtlMs)
  }

  #loseDelete(entry: Entry): void {
    const before = this.#lostDeletes.get(entry.path)
    if (before !== undefined && compareVersions(before, entry, sha256) >= 0) return
    this.#lostDeletes.set(entry.path, entry)
  }

  /** True of a write that nobody but its writer has told of. */
  #isOwn({ id }: Witness, entry: Entry): boolean {
    return entry.origin === id && !this.#spread.has(fingerprint(entry, sha256))
  }

  /**
   * A write that its node could tell nobody of is taken in though a newer delete was collected meanwhile, by
   * nodes that had never met the writer: rather a delete undone than a write lost. It counts from then on.
   */
  #noteLate(witness: Witness, { entry, from }: Change): void {
    // A late delete undoes none.
    if (isTombstone(entry)) return
    const print = fingerprint(entry, sha256)
    const fresh = !this.#spread.has(print) || this.#isUnaware(entry)
    if (entry.origin === from && fresh && this.#isDeleted(entry)) this.#late.add(print)
    const told = this.#told.get(witness.name)!
    const newest = told.get(entry.path)?.newest
    if (!this.#late.has(print) || newest === undefined || !isTombstone(newest)) return
    if (compareVersions(entry, newest, sha256) >= 0) return
    told.delete(entry.path)
    const floor = this.#floors.get(entry.path)
    if (floor === undefined) return
    // What the delete had deleted is owed no more, though nobody was told that the delete is done.
    const deleted = isTombstone(floor) || compareVersions(newest, floor, sha256) > 0
    if (deleted) this.#floors.set(entry.path, entry)
  }

  /** True of a version that came late to a node which has collected a delete at its path. */
  cameLate(witness: Witness, entry: Entry): boolean {
    return this.#hasForgotten(witness, entry.path) && this.#late.has(fingerprint(entry, sha256))
  }

  /** True if the writer does not know that others have it: it was taken back, or their word was lost. */
  #isUnaware({ origin, path }: Entry): boolean {
    const writers = this.#witnesses.filter(({ id }) => id === origin)
    return writers.some((writer) => writer.disk.losses > 0 || !writer.knowsAcknowledged(path))
  }

  /** True if some node has told of a newer delete. */
  #isDeleted(entry: Entry): boolean {
    return [...this.#told.values()].some((told) => {
      const newest = told.get(entry.path)?.newest
      return newest && isTombstone(newest) && compareVersions(newest, entry, sha256) > 0
    })
  }

  #wrote(witness: Witness, entry: Entry): void {
    this.#written.add(fingerprint(entry, sha256))
    this.#paths.add(entry.path)
    this.#moveFloor(entry)
    const told = this.#told.get(witness.name)!
    const before = told.get(entry.path)?.newest
    if (before === undefined || compareVersions(entry, before, sha256) > 0) {
      // Nobody but clients and operators deletes: no error, no empty peer, nothing that a peer lacks.
      const again = before !== undefined && isTombstone(before) && before.origin === entry.origin
      if (isTombstone(entry) && !again && !this.#asked.done(witness.name, entry.path)) {
        this.#fail('absence', witness, `deleted what nobody asked it to: ${say(entry)}`)
      }
      // Of the changes of one commit a later one may give this one another stamp.
      told.set(entry.path, { newest: entry, shown: told.get(entry.path)?.shown })
      return
    }
    // A clock that was put right: the node stamps its own version anew, and its promise goes along.
    if (entry.data !== before.data || before.origin !== entry.origin) return
    // Where it is a delete and gets yet another stamp in the same commit, it still is the one that was asked for.
    told.set(entry.path, { newest: entry, shown: undefined })
    const restamped = this.#restamped.get(witness.name)!
    const earlier = restamped.get(entry.path)?.from
    // One that was written before the last of several may be answered only after it.
    const first = earlier && compareVersions(earlier, before, sha256) > 0
    restamped.set(entry.path, { from: first ? earlier : before, atMs: this.#world.nowMs })
  }

  /**
   * A node stamps below what it promised only after it took that back to give it a stamp that is not
   * ahead; a crash may show no more of it than what it wrote on top. The promise goes along.
   */
  #moveFloor(entry: Entry): void {
    const floor = this.#floors.get(entry.path)
    if (floor === undefined || compareVersions(entry, floor, sha256) >= 0) return
    if (floor.origin === entry.origin) this.#floors.set(entry.path, entry)
  }

  /** What is told is durable, is never older than what was told before, and shows nothing deleted. */
  #checkShown(witness: Witness, entry: Entry, after: Entry | undefined): void {
    const durable = witness.disk.record(entry.path)?.entry
    if (durable === undefined || compareVersions(durable, entry, sha256) !== 0) {
      this.#fail('feed', witness, `told of ${say(entry)}, its disk has ${say(durable)}`)
    }
    const told = this.#told.get(witness.name)!
    const { newest, shown: before } = told.get(entry.path) ?? {}
    const older = newest !== undefined && compareVersions(entry, newest, sha256) < 0
    // Where a delete is forgotten, an older one may come from who remembers that.
    const forgotten = isTombstone(entry) && this.#hasForgotten(witness, entry.path)
    if (forgotten && older) return
    if (older) {
      this.#fail('order', witness, `replaced ${say(newest)} by ${say(entry)}`)
    }
    if (after && before && compareVersions(after, before, sha256) < 0) {
      this.#fail('tombstones', witness, `showed ${say(before)} and then ${say(after)}`)
    }
    const shown = after ?? (isTombstone(entry) ? entry : before)
    told.set(entry.path, { newest: entry, shown })
  }

  #fail(rule: string, witness: Witness, message: string): void {
    this.#world.fail(rule, `${witness.name} ${message}`)
  }
}

function isSame(a: Entry | undefined, b: Entry): boolean {
  return a !== undefined && compareVersions(a, b, sha256) === 0
}

/** A version in a message. */
export function say(entry: Entry | undefined): string {
  if (entry === undefined) return 'nothing'
  const stamp = `${stampOf(entry)} by ${entry.origin}`
  return isTombstone(entry)
    ? `tombstone ${entry.path} at ${stamp}`
    : `${entry.path}=${entry.data} at ${stamp}`
}
