import { elementsIn, membersIn } from '../core/json.ts'

/** An entry as clients have it. */
export interface Entry<T = unknown> {
  /** Where it is stored, such as `users/42`. */
  readonly path: string
  /** The last segment of the path. */
  readonly index: string
  /** When it was first written: nanoseconds since the Unix epoch, exactly. */
  readonly created: bigint
  /** When it was last overwritten, likewise; 0n if never. */
  readonly updated: bigint
  /** The value, as `JSON.parse` reads it. */
  readonly data: T
  /** Set while a write of this device is in it that no node has confirmed yet. */
  readonly pending?: true
}

/** What a subscription holds: a list for a glob, else an entry, or null where nothing is stored. */
export type Value = Entry | null | readonly Entry[]

/** The newest of an entry's times: what decides between two versions of a path. */
export function stampOf({ created, updated }: Entry): bigint {
  return created > updated ? created : updated
}

/** True if the pattern names many entries. */
export function isGlob(pattern: string): boolean {
  return pattern.includes('*')
}

/** Reads an entry from valid JSON; null if it says that nothing is stored. */
export function readEntry(text: string): Entry | null {
  const members = membersIn(text)
  const path = members.get('path')
  if (path === undefined) return null
  return {
    path: JSON.parse(path) as string,
    index: JSON.parse(members.get('index')!) as string,
    created: BigInt(members.get('created')!),
    updated: BigInt(members.get('updated')!),
    data: JSON.parse(members.get('data')!) as unknown,
  }
}

/** Reads what a path or glob holds from valid JSON. */
export function readValue(pattern: string, text: string): Value {
  if (!isGlob(pattern)) return text === 'null' ? null : readEntry(text)
  return elementsIn(text).map((element) => readEntry(element)!)
}

/** The order of lists: newest created first, ties by path. */
export function newestFirst(a: Entry, b: Entry): number {
  if (a.created !== b.created) return a.created > b.created ? -1 : 1
  return a.path < b.path ? -1 : 1
}
