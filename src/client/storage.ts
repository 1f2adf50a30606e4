import type { Refusal } from './error.ts'
import type { PendingWrite } from './overlay.ts'
import type { Snapshot } from '../core/copy.ts'

/** What a client keeps of itself. */
export interface ClientRecord {
  /** Its id, 32 random hex digits: the origin of what it writes. */
  readonly client: string
  /** The highest stamp that it has minted. */
  readonly mark: bigint
  /** The highest stamp that a node has confirmed: whatever the clock does, none at or below is minted again. */
  readonly delivered: bigint
  /** The node's clock minus this device's, in nanoseconds, when they last met. */
  readonly offset: bigint
}

/** A write that a node refused, and why. */
export interface RefusedWrite {
  readonly write: PendingWrite
  readonly error: Refusal
}

/** What was known of a path or glob. */
export type KeptCopy = Pick<Snapshot, 'value'> & { readonly version: string | undefined }

/** All that waits. */
export interface Outgoing {
  readonly writes: readonly PendingWrite[]
  readonly refused: readonly RefusedWrite[]
}

/**
 * Where a client keeps copies and its outbox: IndexedDB in browsers, else memory. Each call is one atomic step, and
 * pages that share a storage see each other's.
 */
export interface Storage {
  /** The record, made by `make` if there is none. */
  open(make: () => ClientRecord): Promise<ClientRecord>
  /** Adds the write that `mint` makes of the newest record, and keeps the record that comes with it. */
  append(mint: (record: ClientRecord) => [ClientRecord, PendingWrite]): Promise<PendingWrite>
  /** Changes record and outbox together. */
  rewrite(
    change: (
      record: ClientRecord,
      writes: readonly PendingWrite[],
    ) => [ClientRecord, readonly PendingWrite[]],
  ): Promise<void>
  /** Takes writes out, which a node has decided on, and notes those that were refused. */
  settle(stamps: readonly bigint[], refused: readonly RefusedWrite[]): Promise<void>
  /** Forgets what was refused. */
  dismiss(): Promise<void>
  /** The writes in the order of their stamps, and what was refused. */
  outgoing(): Promise<Outgoing>
  copy(pattern: string): Promise<KeptCopy | undefined>
  keepCopy(pattern: string, copy: KeptCopy): Promise<void>
  close(): void
}

/** The most refused writes that are kept; the oldest go first. */
export const MAX_REFUSED = 100

/** The most copies that are kept; the one longest unchanged goes first. */
export const MAX_COPIES = 500

/** Keeps everything until the process ends. */
export class MemoryStorage implements Storage {
  #record: ClientRecord | undefined
  #writes: readonly PendingWrite[] = []
  #refused: RefusedWrite[] = []
  readonly #copies = new Map<string, KeptCopy>()

  async open(make: () => ClientRecord): Promise<ClientRecord> {
    return (this.#record ??= make())
  }

  async append(
    mint: (record: ClientRecord) => [ClientRecord, PendingWrite],
  ): Promise<PendingWrite> {
    const [record, write] = mint(this.#record!)
    this.#record = record
    this.#writes = [...this.#writes, write]
    return write
  }

  async rewrite(
    change: (
      record: ClientRecord,
      writes: readonly PendingWrite[],
    ) => [ClientRecord, readonly PendingWrite[]],
  ): Promise<void> {
    const [record, writes] = change(this.#record!, this.#writes)
    this.#record = record
    this.#writes = writes
  }

  async settle(stamps: readonly bigint[], refused: readonly RefusedWrite[]): Promise<void> {
    const settled = new Set(stamps)
    this.#record = confirmed(this.#record!, stamps)
    this.#writes = this.#writes.filter(({ stamp }) => !settled.has(stamp))
    this.#refused = [...this.#refused, ...refused].slice(-MAX_REFUSED)
  }

  async dismiss(): Promise<void> {
    this.#refused = []
  }

  async outgoing(): Promise<Outgoing> {
    return { writes: this.#writes, refused: this.#refused }
  }

  async copy(pattern: string): Promise<KeptCopy | undefined> {
    return this.#copies.get(pattern)
  }

  async keepCopy(pattern: string, copy: KeptCopy): Promise<void> {
    this.#copies.delete(pattern)
    this.#copies.set(pattern, copy)
    const [oldest] = this.#copies.keys()
    if (this.#copies.size > MAX_COPIES) this.#copies.delete(oldest!)
  }

  close(): void {
    // Nothing to let go of.
  }
}

/** The record once a node has decided on writes of these stamps. */
export function confirmed(record: ClientRecord, stamps: readonly bigint[]): ClientRecord {
  const last = stamps.at(-1) ?? 0n
  return last > record.delivered ? { ...record, delivered: last } : record
}
