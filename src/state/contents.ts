import { type Entry, entryJson, MISSING_ENTRY_JSON } from '../core/entry.ts'
import { entryPatch, operation, removal } from './patch.ts'
import { Timeline } from './timeline.ts'

/** What readers see now at each path that changed; undefined where nothing is any more. */
export type Changes = ReadonlyMap<string, Entry | undefined>

/** What a view shows, and how it changes. */
export interface Contents {
  /**
   * Takes the changes. Returns the operations that patch what a reader has, none if nothing looks different,
   * or `undefined` if only the whole says it.
   */
  apply(changes: Changes): string[] | undefined
  /** The whole, as JSON. */
  json(): string
  /** About how many characters that is. */
  readonly characters: number
}

/** One entry, or its absence. */
export class EntryContents implements Contents {
  #entry: Entry | undefined

  constructor(entry: Entry | undefined) {
    this.#entry = entry
  }

  get characters(): number {
    return lengthOf(this.#entry)
  }

  apply(changes: Changes): string[] | undefined {
    const before = this.#entry
    // A view of one entry is told of no other path.
    const [after] = changes.values()
    this.#entry = after
    if (before !== undefined && after !== undefined) return entryPatch('', before, after)
    return before === after ? [] : undefined
  }

  json(): string {
    return this.#entry === undefined ? MISSING_ENTRY_JSON : entryJson(this.#entry)
  }
}

/** A list, newest first. */
export class ListContents implements Contents {
  readonly #timeline: Timeline
  #characters = 0

  constructor(entries: readonly Entry[]) {
    this.#timeline = new Timeline(entries)
    for (const entry of entries) this.#characters += lengthOf(entry)
  }

  get characters(): number {
    return this.#characters
  }

  apply(changes: Changes): string[] {
    const removed: Entry[] = []
    const added: Entry[] = []
    const replaced: { before: Entry; after: Entry }[] = []
    for (const [path, after] of changes) {
      const before = this.#timeline.get(path)
      this.#characters += lengthOf(after) - lengthOf(before)
      if (before !== undefined && before.created === after?.created) {
        replaced.push({ before, after })
        continue
      }
      if (before !== undefined) removed.push(before)
      if (after !== undefined) added.push(after)
    }
    const operations = this.#timeline.remove(removed).map((position) => removal(`/${position}`))
    for (const { entry, position } of this.#timeline.add(added)) {
      operations.push(operation('add', `/${position}`, entryJson(entry)))
    }
    for (const { before, after } of replaced) {
      this.#timeline.replace(after)
      operations.push(...entryPatch(`/${this.#timeline.position(after)}`, before, after))
    }
    return operations
  }

  json(): string {
    return `[${this.#timeline.map(entryJson).join(',')}]`
  }
}

/** Names, times and signs of an entry's JSON. */
const FRAME_CHARACTERS = 90

function lengthOf(entry: Entry | undefined): number {
  if (entry === undefined) return 0
  const { path, data } = entry
  const indexLength = path.length - path.lastIndexOf('/') - 1
  return path.length + indexLength + data!.length + FRAME_CHARACTERS
}
