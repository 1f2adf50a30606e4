import {
  entryTuple,
  pack,
  type Packable,
  readCount,
  readEntry,
  readText,
  readTuple,
  unpack,
} from '../../core/codec.ts'
import type { Entry } from '../../core/entry.ts'
import type { Group } from '../group.ts'
import { type Held, readReplaced, type Replaced, replacedTuple } from '../layout.ts'
import type { Change } from '../store.ts'

/** Where a message carries no changes for their size, in characters of paths and data: servers read the feed. */
const MAX_MESSAGE_CHARACTERS = 256 * 1024

/** One change, with what the path held before: what digests take away. */
export interface Step {
  readonly change: Change
  readonly old: Entry | undefined
  /** It leaves a version that is kept aside for its stamp. */
  readonly aside: boolean
  /** What it took the place of, if it was written here. */
  readonly replaced: Replaced | undefined
  /** A version that was kept aside is shown now; it keeps its number. */
  readonly release: boolean
  /** A tombstone is gone; nothing has taken its place. */
  readonly collected: boolean
}

/**
 * What a group did, under the numbers that the commit script gave it.
 * @param provisional the newest number when the group began, as this server believed
 * @param seq the same, as Redis knew it
 */
export function stepsOf(group: Group, provisional: number, seq: number): Step[] {
  const newest = new Map<string, Entry | undefined>()
  const gone = [...group.collected.values()].map(collectedStep)
  const done = group.changes.map((change) => {
    const { path } = change.entry
    const old = newest.has(path) ? newest.get(path) : group.replaced(path)?.entry
    newest.set(path, change.entry)
    const release = change.seq <= provisional
    const at = release ? change.seq : change.seq - provisional + seq
    const newestOf = group.records.get(path)
    const record = newestOf?.entry === change.entry ? newestOf : undefined
    const aside = record?.shown !== undefined
    const { replaced } = record ?? {}
    return { change: { ...change, seq: at }, old, aside, replaced, release, collected: false }
  })
  return [...gone, ...done]
}

/** The steps for other servers, counted from the commit's beginning; nothing if they are too large. */
export function packSteps(group: Group, provisional: number): Buffer {
  if (group.characters > MAX_MESSAGE_CHARACTERS) return Buffer.alloc(0)
  return pack(stepsOf(group, provisional, 0).map(packStep)) as Buffer
}

/** @throws SKERRY_CODEC_INVALID */
export function unpackSteps(bytes: Buffer, seq: number): Step[] {
  return readTuple(unpack(bytes), 'steps').map((step) => {
    const [place, from, entryPart, beforePart, oldPart, replacedPart, ...flags] = readTuple(
      step,
      'step',
    )
    const [hidden, aside, release, collected] = flags.map((flag) => flag === true)
    const entry = readEntry(entryPart)
    const before = beforePart === null ? undefined : readEntry(beforePart)
    const shown = entry.data === null ? undefined : entry
    const number = readCount(place, 'place')
    const change = {
      seq: release || collected ? number : seq + number,
      entry,
      before,
      after: hidden ? before : shown,
      from: readText(from, 'peer'),
    }
    const old = oldPart === true ? before : oldPart === null ? undefined : readEntry(oldPart)
    const replaced = replacedPart === null ? undefined : readReplaced(replacedPart)
    return { change, old, aside: aside!, replaced, release: release!, collected: collected! }
  })
}

/** The record that a step leaves behind. */
export function heldAfter({ change, aside, replaced }: Step): Held {
  const { entry, seq, from, before } = change
  const held = { entry, seq, from, ...(replaced && { replaced }) }
  return aside ? { ...held, shown: before ?? null } : held
}

function collectedStep({ entry, seq, from }: Held): Step {
  const change = { seq, entry, before: undefined, after: undefined, from }
  const step = { change, old: entry, aside: false, replaced: undefined, release: false }
  return { ...step, collected: true }
}

function packStep({ change, old, aside, replaced, release, collected }: Step): Packable {
  const { seq, from, entry, before, after } = change
  const hidden = after !== (entry.data === null ? undefined : entry)
  const tuple = (of: Entry | undefined) => (of === undefined ? null : entryTuple(of))
  const oldPart = old !== undefined && old === before ? true : tuple(old)
  const replacedPart = replaced === undefined ? null : replacedTuple(replaced)
  const told = [seq, from, entryTuple(entry), tuple(before), oldPart, replacedPart]
  return [...told, hidden, aside, release, collected]
}
