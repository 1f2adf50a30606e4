import { compareVersions, type Entry, type Hash, stampOf, tombstone } from '../core/entry.ts'
import type { HybridClock } from '../core/hlc.ts'
import { entryTuple, pack } from '../core/codec.ts'
import { pathHash } from './digest.ts'
import type { EngineOp } from './engine.ts'
import {
  asideKey,
  hashKey,
  type Held,
  heldKey,
  isCheckpointKey,
  overruledKey,
  packHeld,
  seqKey,
  visible,
} from './layout.ts'
import type { Change, Write, Written } from './store.ts'

/** What a group needs of its store. */
export interface GroupContext {
  readonly nodeId: string
  readonly epoch: string
  readonly clock: HybridClock
  readonly hash: Hash
  /** The durable record of a path. */
  held(path: string): Held | undefined
}

/**
 * The writes that one sync to the disk makes durable together. Each request sees what earlier ones of
 * the group did, though nobody else does yet; a request that throws leaves no trace.
 */
export class Group {
  readonly #context: GroupContext
  readonly #records = new Map<string, Held>()
  readonly #replaced = new Map<string, Held>()
  readonly #changes: Change[] = []
  readonly #extraOps: EngineOp[] = []
  readonly #afterwards: (() => void)[] = []
  #request = new Request()
  #seq: number
  #epoch: string

  /** @param seq the newest durable sequence number */
  constructor(context: GroupContext, seq: number) {
    this.#context = context
    this.#seq = seq
    this.#epoch = context.epoch
  }

  /** Runs one request on the group; if it throws, the group is as it was before. */
  attempt<T>(request: (group: Group) => T): T {
    this.#request = new Request()
    const seq = this.#seq
    const epoch = this.#epoch
    try {
      const result = request(this)
      for (const [path, held] of this.#request.records) this.#records.set(path, held)
      this.#changes.push(...this.#request.changes)
      this.#extraOps.push(...this.#request.extraOps)
      this.#afterwards.push(...this.#request.afterwards)
      return result
    } catch (error) {
      this.#seq = seq
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

  /** The durable record that {@link ops} found in the place of each of them. */
  get replaced(): ReadonlyMap<string, Held> {
    return this.#replaced
  }

  get isEmpty(): boolean {
    return this.#records.size === 0 && this.#extraOps.length === 0
  }

  /** A local write, stamped above everything that this node has seen. */
  write({ path, decide }: Write): Written {
    const minted = typeof path === 'string' ? undefined : this.#mint(path)
    const at = minted?.path ?? (path as string)
    const held = this.#held(at)
    const seen = visible(held)
    const data = decide(seen)
    if (data === undefined || (data === null && seen === undefined)) {
      return { entry: held?.entry, changed: false }
    }
    const next = minted?.stamp ?? this.#context.clock.next()
    const floor = held === undefined ? 0n : stampOf(held.entry)
    // Only a version stamped too far ahead can be above the clock: land on it, and be seen at once.
    const stamp = next > floor ? next : floor + 1n
    const entry = this.#version(at, seen, data, stamp)
    this.#put(stamp === next ? entry : { ...entry, overrules: true }, '')
    return { entry, changed: true }
  }

  /** Merges a version from a peer: the newest one wins. True if it is news here. */
  merge(entry: Entry, from: string): boolean {
    const held = this.#held(entry.path)
    if (held !== undefined && compareVersions(entry, held.entry, this.#context.hash) <= 0) {
      return false
    }
    const stamp = stampOf(entry)
    if (this.#context.clock.isAhead(stamp) && entry.overrules !== true) {
      this.#put(entry, from, visible(held) ?? null)
    } else {
      this.#context.clock.observe(stamp)
      this.#put(entry, from)
    }
    return true
  }

  /** Shows readers a version that was kept aside, if its time has come. */
  release(path: string): void {
    const held = this.#held(path)
    if (held?.shown === undefined) return
    const stamp = stampOf(held.entry)
    if (this.#context.clock.isAhead(stamp)) return
    this.#context.clock.observe(stamp)
    this.#record({ entry: held.entry, seq: held.seq, from: held.from })
  }

  /** Gives a version of this node's own a new stamp, if it is still the newest of its path. */
  restamp(version: Entry): void {
    const held = this.#held(version.path)
    if (held === undefined) return
    if (compareVersions(held.entry, version, this.#context.hash) !== 0) return
    const stamp = this.#context.clock.next()
    const { path, origin, data } = version
    const first = version.created >= version.updated
    if (data === null) this.#put(tombstone(path, stamp, origin), '')
    else if (first) this.#put({ path, created: stamp, updated: 0n, origin, data }, '')
    else this.#put({ path, created: version.created, updated: stamp, origin, data }, '')
  }

  /** Adds a step of bookkeeping to the atomic write. */
  keep(op: EngineOp): void {
    this.#request.extraOps.push(op)
  }

  /** Begins a new history: checkpoints that earlier requests of the group kept are taken back. */
  renew(epoch: string): void {
    this.#epoch = epoch
    for (const { key } of this.#extraOps) if (isCheckpointKey(key)) this.keep({ key })
  }

  /** Has `action` run once the group is durable, before anybody is told of it. */
  afterwards(action: () => void): void {
    this.#request.afterwards.push(action)
  }

  /** Runs what was to be done afterwards. */
  finish(): void {
    for (const action of this.#afterwards) action()
  }

  /** The steps of the atomic write: of each path only its last record. */
  ops(): EngineOp[] {
    const ops: EngineOp[] = [...this.#extraOps]
    for (const [path, held] of this.#records) {
      const old = this.#context.held(path)
      if (old !== undefined) this.#replaced.set(path, old)
      ops.push({ key: heldKey(path), value: packHeld(held) })
      if (old === undefined) {
        ops.push({ key: hashKey(pathHash(path, this.#context.hash), path), value: NOTHING })
      }
      if (old !== undefined && old.seq !== held.seq) ops.push({ key: seqKey(old.seq) })
      if (old?.seq !== held.seq) ops.push({ key: seqKey(held.seq), value: pack(path) })
      if (old?.shown !== undefined) ops.push({ key: asideKey(stampOf(old.entry), path) })
      if (held.shown !== undefined) {
        ops.push({ key: asideKey(stampOf(held.entry), path), value: NOTHING })
      }
    }
    return ops
  }

  /** A stamp and the path made from it, such that nothing is there yet. */
  #mint(path: (stamp: bigint) => string): { path: string; stamp: bigint } {
    for (;;) {
      const stamp = this.#context.clock.next()
      const minted = path(stamp)
      if (this.#held(minted) === undefined) return { path: minted, stamp }
    }
  }

  #version(path: string, seen: Entry | undefined, data: string | null, stamp: bigint): Entry {
    const origin = this.#context.nodeId
    if (data === null) return tombstone(path, stamp, origin)
    if (seen === undefined) return { path, created: stamp, updated: 0n, origin, data }
    return { path, created: seen.created, updated: stamp, origin, data }
  }

  #held(path: string): Held | undefined {
    return this.#request.records.get(path) ?? this.#records.get(path) ?? this.#context.held(path)
  }

  /** Takes the entry as the newest version of its path, under the next sequence number. */
  #put(entry: Entry, from: string, shown?: Entry | null): void {
    const old = this.#held(entry.path)
    if (old?.shown !== undefined) {
      const key = overruledKey(stampOf(old.entry), old.entry.path)
      this.keep({ key, value: pack(entryTuple(old.entry)) })
    }
    const record = { entry, seq: ++this.#seq, from }
    this.#record(shown === undefined ? record : { ...record, shown })
  }

  #record(held: Held): void {
    const { entry, seq, from } = held
    const before = visible(this.#held(entry.path))
    this.#request.records.set(entry.path, held)
    this.#request.changes.push({ seq, entry, before, after: visible(held), from })
  }
}

/** What the request now under way has staged. */
class Request {
  readonly records = new Map<string, Held>()
  readonly changes: Change[] = []
  readonly extraOps: EngineOp[] = []
  readonly afterwards: (() => void)[] = []
}

const NOTHING = new Uint8Array(0)
