import { entryFault } from '../../core/codec.ts'
import { type Entry, entryJson, parseEntry, stampOf } from '../../core/entry.ts'
import { SkerryError } from '../../core/errors.ts'
import { equalJson, jsonElements, jsonMembers, parseInt64 } from '../../core/json.ts'
import type { PivotKey } from './keys.ts'

/** The protocol that Go nodes compare, as text. */
export const PIVOT_PROTOCOL = '2.0'

/** The prefix of every route. */
export const PIVOT_ROUTE = '/_pivot'

/**
 * The entry as Go nodes are to read it. They take only what has a larger `updated`, so it is never less than
 * `created`.
 */
export function pivotJson(entry: Entry): string {
  const json = entryJson({ ...entry, updated: stampOf(entry) })
  // Go nodes pass over it. Skerry nodes would keep the entry aside for its stamp.
  return entry.overrules ? `${json.slice(0, -1)},"overrules":true}` : json
}

/** What a peer lists. */
export interface Listed {
  readonly entries: Map<string, Entry>
  /** How many could not be taken, for their path or their data. */
  readonly refused: number
}

/**
 * Reads a list of entries; what single ones have wrong leaves these out.
 * @throws SKERRY_JSON_INVALID if it is not a JSON array
 */
export function parseList(text: string, key: PivotKey): Listed {
  const entries = new Map<string, Entry>()
  let refused = 0
  // A Go node that lists nothing says null.
  for (const element of text.trim() === 'null' ? [] : jsonElements(text)) {
    const entry = listedEntry(element, key)
    if (entry === undefined) refused++
    else entries.set(entry.path, entry)
  }
  return { entries, refused }
}

/**
 * Reads one entry that lies at `path`.
 * @throws SKERRY_JSON_INVALID, SKERRY_PATH_INVALID
 */
export function parsePosted(text: string, path: string): Entry {
  const parsed = parseEntry(text, path, '')
  const overrules = text.includes('"overrules"') && jsonMembers(text).get('overrules') === 'true'
  const entry: Entry = overrules ? { ...parsed, overrules } : parsed
  const fault = entryFault(entry)
  if (fault !== undefined) throw new SkerryError('SKERRY_JSON_INVALID', 400, fault)
  return entry
}

function listedEntry(text: string, { base, path, isGlob }: PivotKey): Entry | undefined {
  try {
    const index = JSON.parse(jsonMembers(text).get('index') ?? '""') as unknown
    if (typeof index !== 'string' || index.includes('/')) return undefined
    return parsePosted(text, isGlob ? `${base}/${index}` : path)
  } catch {
    return undefined
  }
}

/** What a leader says of a key. */
export interface LeaderActivity {
  readonly lastEntry: bigint
  /** Where its feed is, if it is a Skerry. */
  readonly place: string | undefined
}

/** Reads the answer of `/activity`, whatever else newer nodes add to it. */
export function parseActivity(text: string): LeaderActivity {
  const members = jsonMembers(text)
  const place = members.get('place')
  return {
    lastEntry: parseInt64(members.get('lastEntry') ?? ''),
    place: place === undefined ? undefined : String(JSON.parse(place)),
  }
}

/** What a peer is. */
export interface PeerVersion {
  readonly protocol: string
  /** True if it is a Skerry node. */
  readonly isSkerry: boolean
  /** True if it takes native links. */
  readonly offersLink: boolean
}

/** Reads the answer of `/version`. */
export function parseVersion(text: string): PeerVersion {
  const members = jsonMembers(text)
  const protocol = JSON.parse(members.get('protocol') ?? '""') as unknown
  const skerry = JSON.parse(members.get('skerry') ?? 'null') as { link?: unknown } | null
  return {
    protocol: typeof protocol === 'string' ? protocol : '',
    isSkerry: typeof skerry === 'object' && skerry !== null,
    offersLink: skerry?.link === true,
  }
}

/**
 * True if both are the same write: Go nodes write the JSON anew and drop the origin, and are told another
 * `updated`.
 */
export function isSameWrite(a: Entry, b: Entry): boolean {
  if (stampOf(a) !== stampOf(b)) return false
  if (a.data === null || b.data === null) return a.data === b.data
  return equalJson(a.data, b.data)
}
