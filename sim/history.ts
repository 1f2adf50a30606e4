import {
  compareVersions,
  type Entry,
  fingerprint,
  isTombstone,
  stampOf,
} from '../src/core/entry.ts'
import { type Held, visible } from '../src/store/layout.ts'
import type { Change, Commit } from '../src/store/store.ts'
import type { Disk } from './disk.ts'
import { sha256 } from './env.ts'
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
  readonly disk: Disk
}

/**
 * What all nodes together have written and promised, seen from outside. The floor of a path is the
 * newest version that was acknowledged and that no loss of a disk excuses.
 */
export class History {
  readonly #world: World
  readonly #witnesses: Witness[] = []
  /** Fingerprints of all versions that some node has written. */
  readonly #written = new Set<string>()
  readonly #floors = new Map<string, Entry>()
  /** What each node has told of each path: it may not fall behind that again. */
  readonly #told = new Map<string, Map<string, Told>>()
  /** The newest version of each path that a node took back, to give it a stamp that is not ahead. */
  readonly #restamped = new Map<string, Map<string, Restamp>>()
  #acknowledged = 0

  constructor(world: World) {
    this.#world = world
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

  /** A node told its listeners of a commit. */
  committed(witness: Witness, { changes }: Commit): void {
    const last = new Map<string, Change>()
    for (const change of changes) {
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
    for (const { entry, after } of last.values()) this.#checkShown(witness, entry, after)
  }

  /** Writes that nobody was told of survived a crash. */
  kept(witness: Witness, records: readonly Held[]): void {
    const told = this.#told.get(witness.name)!
    for (const { entry, from } of records) {
      if (from === '') this.#wrote(witness, entry)
      const shown = told.get(entry.path)?.shown
      const older = shown !== undefined && compareVersions(entry, shown, sha256) < 0
      told.set(entry.path, { newest: entry, shown: older ? undefined : shown })
    }
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
    for (const path of told.keys()) {
      const held = witness.disk.record(path)
      if (held === undefined) told.delete(path)
      else told.set(path, { newest: held.entry, shown: visible(held) })
    }
    for (const [path, floor] of this.#floors) {
      const newest = this.newest(path)
      if (newest === undefined) this.#floors.delete(path)
      else if (compareVersions(newest, floor, sha256) < 0) this.#floors.set(path, newest)
    }
  }

  /** The newest version of a path on any disk. */
  newest(path: string): Entry | undefined {
    let newest: Entry | undefined
    for (const { disk } of this.#witnesses) {
      const entry = disk.record(path)?.entry
      if (entry === undefined) continue
      if (newest === undefined || compareVersions(entry, newest, sha256) > 0) newest = entry
    }
    return newest
  }

  /** Every acknowledged write is on some disk, or a newer version of its path is. */
  checkNothingLost(): void {
    for (const [path, floor] of this.#floors) {
      const newest = this.newest(path)
      if (newest === undefined || compareVersions(newest, floor, sha256) < 0) {
        this.#world.fail('loss', `acknowledged ${say(floor)} is gone, there is ${say(newest)}`)
      }
    }
  }

  #wrote(witness: Witness, entry: Entry): void {
    this.#written.add(fingerprint(entry, sha256))
    this.#moveFloor(entry)
    const told = this.#told.get(witness.name)!
    const before = told.get(entry.path)?.newest
    if (before === undefined || compareVersions(entry, before, sha256) > 0) {
      // Of the changes of one commit a later one may give this one another stamp.
      told.set(entry.path, { newest: entry, shown: told.get(entry.path)?.shown })
      return
    }
    // A clock that was put right: the node stamps its own version anew, and its promise goes along.
    if (entry.data !== before.data || before.origin !== entry.origin) return
    told.delete(entry.path)
    const restamp = { from: before, atMs: this.#world.nowMs }
    this.#restamped.get(witness.name)!.set(entry.path, restamp)
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
    if (newest !== undefined && compareVersions(entry, newest, sha256) < 0) {
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

/** A version in a message. */
export function say(entry: Entry | undefined): string {
  if (entry === undefined) return 'nothing'
  const stamp = `${stampOf(entry)} by ${entry.origin}`
  return isTombstone(entry)
    ? `tombstone ${entry.path} at ${stamp}`
    : `${entry.path}=${entry.data} at ${stamp}`
}
