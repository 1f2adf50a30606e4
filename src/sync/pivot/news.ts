import { type Entry, sizeOf, stampOf } from '../../core/entry.ts'
import { jsonElements, jsonMembers, parseInt64 } from '../../core/json.ts'
import { lastSegment, matches, pathFault } from '../../core/path.ts'
import type { Change } from '../../store/store.ts'
import type { PivotKey } from './keys.ts'
import { type Listed, parseList, pivotJson } from './wire.ts'

/** With more changes than so many, or more characters of them, the whole list is told. */
export const MAX_NEWS = 10_000
const MAX_NEWS_CHARACTERS = 16 * 1024 * 1024

/** How many changes are read at a time. */
const PAGE = 1000

/** What has changed under a key since a place in its leader's feed. */
export interface News extends Listed {
  /** Paths that were deleted, each with when: nanoseconds. */
  readonly deleted: ReadonlyMap<string, bigint>
}

/**
 * Tells nodes that are Skerry what has changed under a key, rather than the list of it: so a change costs the same
 * however many entries there are. A place in the feed is text that only this process understands; whatever
 * the feed can't tell, from another process, too long ago, or collected since, is told by the list.
 */
export class NewsDesk {
  readonly #key: PivotKey
  /** The newest change seen. */
  #seq: number
  /** Grows when readers see something that has its place in the feed behind them. */
  #turns = 0

  constructor(key: PivotKey) {
    this.#key = key
    this.#seq = key.store.seq
  }

  /** Follows the feed of the store. */
  note({ seq }: Change): void {
    if (seq <= this.#seq) this.#turns++
    else this.#seq = seq
  }

  /** Where the feed is now. */
  get place(): string {
    const { epoch, run, seq } = this.#key.store
    return `${epoch}.${run}.${this.#turns}.${seq}`
  }

  /** What came after the place, as JSON; undefined if only the list can tell. */
  async since(place: string): Promise<string | undefined> {
    const key = this.#key
    const { store } = key
    const [from, after] = splitPlace(place)
    if (from !== splitPlace(this.place)[0]) return undefined
    if (!Number.isSafeInteger(after) || after < 0 || after > store.seq) return undefined
    const changes = await this.#changes(after)
    // What was collected, also while this was read, is in no feed.
    if (changes === undefined || store.horizons().some(({ seq }) => seq > after)) return undefined
    const entries: string[] = []
    const deleted: string[] = []
    for (const entry of changes) {
      const shown = await store.read(entry.path)
      if (shown !== undefined) entries.push(pivotJson(shown))
      // What is kept aside may hide that something else went.
      else if (entry.data !== null) return undefined
      else deleted.push(`{"index":"${lastSegment(entry.path)}","time":${stampOf(entry)}}`)
    }
    return `{"entries":[${entries.join(',')}],"deleted":[${deleted.join(',')}]}`
  }

  /** What the feed has of the key from there to its end; undefined if that is too much. */
  async #changes(after: number): Promise<Entry[] | undefined> {
    const { store, path } = this.#key
    const { seq } = store
    const found: Entry[] = []
    let read = 0
    let characters = 0
    for (let at = after; at < seq;) {
      const { changes, upTo } = await store.changesAfter(at, PAGE)
      for (const { entry } of changes) {
        characters += sizeOf(entry)
        if (matches(path, entry.path)) found.push(entry)
      }
      read += changes.length
      if (read > MAX_NEWS || characters > MAX_NEWS_CHARACTERS) return undefined
      at = upTo
    }
    return found
  }
}

/** Which stretch of the feed a place is in, and how far. */
function splitPlace(place: string): [stretch: string, seq: number] {
  const split = place.lastIndexOf('.')
  return [place.slice(0, split), Number(place.slice(split + 1))]
}

/** Reads what a leader tells of a key: news, or the list of it. @throws SKERRY_JSON_INVALID */
export function parseNews(text: string, key: PivotKey): Listed | News {
  if (!text.trimStart().startsWith('{')) return parseList(text, key)
  const members = jsonMembers(text)
  const deleted = new Map<string, bigint>()
  for (const element of jsonElements(members.get('deleted') ?? '[]')) {
    const each = jsonMembers(element)
    const index = JSON.parse(each.get('index') ?? '""') as unknown
    const path = `${key.base}/${String(index)}`
    if (String(index).includes('/') || pathFault(path) !== undefined) continue
    deleted.set(path, parseInt64(each.get('time') ?? ''))
  }
  return { ...parseList(members.get('entries') ?? '[]', key), deleted }
}

/** True of what is told as news. */
export function isNews(told: Listed | News): told is News {
  return 'deleted' in told
}
