import type { Group } from '../group.ts'
import { asideKey, heldKey, type Held, packHeld, seqAndPath } from '../layout.ts'
import { stampOf } from '../../core/entry.ts'
import { stampDigits } from './head.ts'

/** What the commit script is given. */
export interface Commit {
  readonly group: Group
  /** The records that its decisions rest on. */
  readonly checks: ReadonlyMap<string, Held | undefined>
  /** The newest sequence number when the group began, as this server believed. */
  readonly provisional: number
  /** The highest sequence number that this server has seen: a lower one in Redis proves a rewind. */
  readonly seen: number
  /** The term of the lease if only its holder may do this, else empty. */
  readonly term: string
  readonly server: string
  /** What is left of tombstones and withheld, as the group knew it. */
  readonly remains: number
  /** The lowest stamp of the group, if it has to be above the mark. */
  readonly first: bigint | undefined
  /** How many stamps are to be set aside if it is not. */
  readonly stamps: number
  readonly mark: bigint
  readonly channel: string
  readonly commit: number
  /** The changes for other servers. */
  readonly message: Buffer
}

type Argument = string | number | Buffer

/** How many records and steps of bookkeeping the group writes. */
export function countChanges(group: Group): number {
  return group.records.size + group.collected.size
}

/** What `skerryCommit` is given, in its order. */
export function commitArguments(commit: Commit): Argument[] {
  const { group, provisional, first } = commit
  const checks: Argument[] = []
  const musts: Argument[] = []
  for (const [path, held] of commit.checks) {
    checks.push(path, held?.seq ?? '')
    if (held?.shown !== undefined) musts.push(asideKey(stampOf(held.entry), path), path)
  }
  const records: Argument[] = []
  const ops = bookkeeping(group, provisional)
  for (const [path, held] of group.records) {
    const place = held.seq > provisional ? `+${held.seq - provisional}` : `${held.seq}`
    records.push(path, place, packHeld(held) as Buffer)
    if (group.replaced(path) === undefined) ops.push(heldKey(path), '+', '')
  }
  for (const [path] of group.collected) {
    records.push(path, '-', '')
    ops.push(heldKey(path), '-', '')
  }
  return [
    ...[group.epoch, commit.seen, commit.term, commit.server, commit.remains],
    ...[first === undefined ? '' : stampDigits(first), commit.stamps, stampDigits(commit.mark)],
    ...[commit.channel, commit.commit, commit.message],
    ...[group.seq - provisional, checks.length / 2, musts.length / 2],
    ...[records.length / 3, ops.length / 3],
    ...checks,
    ...musts,
    ...records,
    ...ops,
  ]
}

/** The group's steps but those of records and feed, which the script numbers itself. */
function bookkeeping(group: Group, provisional: number): Argument[] {
  const ops: Argument[] = []
  for (const { key, value } of group.ops()) {
    if (key.startsWith('e') || key.startsWith('s')) continue
    const bytes = Buffer.from(value ?? [])
    const tombstone = key.startsWith('t') ? seqAndPath(key) : undefined
    // Its key names a number that only the script knows.
    if (tombstone !== undefined && tombstone.seq > provisional) {
      ops.push(tombstone.path, `t${tombstone.seq - provisional}`, bytes)
    } else ops.push(key, value === undefined ? '-' : '+', bytes)
  }
  return ops
}
