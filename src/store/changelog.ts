import { pack, readCount, readTuple, unpack } from '../core/codec.ts'
import type { Engine, EngineOp } from './engine.ts'
import type { Group } from './group.ts'
import * as layout from './layout.ts'

/** The most changes that a record lists: they are looked at in one go. */
const RECORD_CHANGES = 256

/** How many outdated changes are listed before they are worth a look. */
const SLACK = 4096

/** How many changes are listed, and how many of them a newer change of their path, or a collection, has outdated. */
interface Counts {
  readonly listed: number
  readonly outdated: number
}

const NONE: Counts = { listed: 0, outdated: 0 }

/** What a group adds to the changelog. */
export interface Addition {
  readonly ops: readonly EngineOp[]
  readonly counts: Counts
}

/** A record of the changelog. */
interface LogRecord {
  readonly key: string
  readonly changes: readonly layout.Listed[]
}

/** What the changelog needs of its store. */
export interface ChangelogParts {
  readonly engine: Engine
  submit<T>(run: (group: Group) => T): Promise<T>
  /** How many outdated changes are listed before they are worth a look. Default 4,096. */
  readonly slack?: number | undefined
}

/**
 * The feed on the disk: a group lists in one record which paths it changed. What that outdates stays listed, and readers
 * pass it by, so that a write touches no record of earlier ones. When half of what is listed is outdated, the whole
 * list is written anew without that: each change is looked at about once more.
 *
 * After: log compaction, as Apache Kafka has it (of each key the newest record stays, in its place).
 */
export class Changelog {
  readonly #parts: ChangelogParts
  #counts: Counts
  /** While the list is written anew: what it will count then. */
  #next: Counts | undefined

  constructor(parts: ChangelogParts) {
    this.#parts = parts
    this.#counts = readCounts(parts.engine.get(layout.CHANGELOG_KEY))
  }

  /** What the group adds, in its own atomic step. */
  addition(group: Group): Addition {
    const listed: layout.Listed[] = []
    let outdated = group.collected.size
    for (const [path, { seq }] of group.records) {
      const old = group.replaced(path)
      if (old?.seq === seq) continue
      if (old !== undefined) outdated++
      listed.push([seq, path])
    }
    // A path that the group changed twice stands where it was changed first.
    listed.sort(([a], [b]) => a - b)
    const counts = { listed: listed.length, outdated }
    if (counts.listed + outdated === 0) return { ops: [], counts }
    const { listed: all, outdated: old } = sum(this.#counts, counts)
    const ops = [...recordsOf(listed), { key: layout.CHANGELOG_KEY, value: pack([all, old]) }]
    return { ops, counts }
  }

  /** Notes what is durable now; once too much of the list is outdated, has it written anew. */
  follow({ counts }: Addition): void {
    this.#counts = sum(this.#counts, counts)
    if (this.#next !== undefined) this.#next = sum(this.#next, counts)
    // What can't be written now is due again with the next group.
    else if (this.#isDue) this.#compact().catch(() => undefined)
  }

  get #isDue(): boolean {
    const { listed, outdated } = this.#counts
    return outdated >= (this.#parts.slack ?? SLACK) && outdated * 2 >= listed
  }

  async #compact(): Promise<void> {
    this.#next = NONE
    try {
      for await (const batch of this.#batches()) await this.#rewrite(batch)
      this.#counts = this.#next
    } finally {
      this.#next = undefined
    }
  }

  /** All records, in their order, in batches that are worth a record each. */
  async *#batches(): AsyncIterable<readonly LogRecord[]> {
    let batch: LogRecord[] = []
    let size = 0
    for await (const chunk of this.#parts.engine.scan(layout.prefixRange('s'))) {
      for (const [key, value] of chunk) {
        const changes = layout.unpackListed(key, value)
        batch.push({ key, changes })
        size += changes.length
        if (size < RECORD_CHANGES) continue
        yield batch
        batch = []
        size = 0
      }
    }
    yield batch
  }

  /** Puts one record with what still holds in the place of those of the batch. */
  async #rewrite(batch: readonly LogRecord[]): Promise<void> {
    const all = batch.flatMap(({ changes }) => changes)
    const kept = await this.#parts.submit((group) => {
      const current = all.filter(([seq, path]) => group.held(path)?.seq === seq)
      if (batch.length > 1 || current.length < all.length) {
        for (const { key } of batch) group.keep({ key })
        for (const op of recordsOf(current)) group.keep(op)
      }
      return current.length
    })
    this.#next = sum(this.#next!, { listed: kept, outdated: 0 })
  }
}

/** Lists the changes, in the order of their numbers. */
function recordsOf(changes: readonly layout.Listed[]): EngineOp[] {
  const ops: EngineOp[] = []
  for (let at = 0; at < changes.length; at += RECORD_CHANGES) {
    ops.push(layout.listedOp(changes.slice(at, at + RECORD_CHANGES)))
  }
  return ops
}

function sum(a: Counts, b: Counts): Counts {
  return { listed: a.listed + b.listed, outdated: a.outdated + b.outdated }
}

function readCounts(bytes: Uint8Array | undefined): Counts {
  if (bytes === undefined) return NONE
  const [listed, outdated] = readTuple(unpack(bytes), 'changelog')
  return { listed: readCount(listed, 'listed'), outdated: readCount(outdated, 'outdated') }
}
