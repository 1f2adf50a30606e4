import type { Entry } from '../core/entry.ts'
import { restated } from './exact.ts'
import type { StateEntry } from '../core/value.ts'
import { valueOf } from './filters.ts'
import type { Hooks } from './hooks.ts'
import type { Rule, Winners } from './rule.ts'

/** What was stored of an entry that a filter changed for its reader. */
const stored = new WeakMap<Entry, Entry>()

/** The entry as it is stored, if a read filter showed it another way. */
export function storedEntry(entry: Entry): Entry {
  return stored.get(entry) ?? entry
}

/** What readers of a pattern get to see. */
export class Reader {
  readonly #pattern: string
  readonly #read: Winners
  readonly #readList: Winners
  readonly #hooks: Hooks
  /** False if each entry is shown or hidden for itself, whatever else is there. */
  readonly comparesEntries: boolean

  constructor(pattern: string, reads: { read: Winners; readList: Winners }, hooks: Hooks) {
    this.#pattern = pattern
    this.#read = reads.read
    this.#readList = reads.readList
    this.#hooks = hooks
    this.comparesEntries = reads.readList.all.some(({ filter }) => filter.readList !== undefined)
  }

  /**
   * What `read` shows of an entry; undefined if it hides it.
   * @throws SKERRY_FILTER_REFUSED
   */
  one(entry: Entry): Entry | undefined {
    const rule = this.#read.of(entry.path)
    const { read } = rule?.filter ?? {}
    if (read === undefined) return entry
    const shown = this.#hooks.ask('read', entry.path, () => read(entry.path, valueOf(entry)))
    return shown === undefined || shown === null ? undefined : this.#shown('read', entry, shown)
  }

  /**
   * What `read` and `readList` show of the entries, in the order they have.
   * @throws SKERRY_FILTER_REFUSED
   */
  all(entries: readonly Entry[]): Entry[] {
    const read = entries.flatMap((entry) => this.one(entry) ?? [])
    if (!this.comparesEntries) return read
    const groups = new Map<Rule, Entry[]>()
    for (const entry of read) {
      const rule = this.#readList.of(entry.path)
      if (rule?.filter.readList === undefined) continue
      const group = groups.get(rule)
      if (group === undefined) groups.set(rule, [entry])
      else group.push(entry)
    }
    const kept = new Map<string, Entry>()
    for (const [rule, group] of groups) {
      for (const entry of this.#listed(rule, group)) kept.set(entry.path, entry)
    }
    return read.flatMap((entry) => {
      const rule = this.#readList.of(entry.path)
      return rule?.filter.readList === undefined ? entry : (kept.get(entry.path) ?? [])
    })
  }

  #listed({ filter }: Rule, group: readonly Entry[]): Entry[] {
    const shown = this.#hooks.ask('readList', this.#pattern, () => {
      const listed = filter.readList!(this.#pattern, group.map(valueOf))
      if (!Array.isArray(listed)) throw new TypeError('it must return a list')
      return listed as StateEntry[]
    })
    const byPath = new Map(group.map((entry) => [entry.path, entry]))
    return shown.flatMap((value) => {
      const entry = byPath.get(value.path)
      return entry === undefined ? [] : this.#shown('readList', entry, value)
    })
  }

  #shown(kind: 'read' | 'readList', entry: Entry, { data }: { readonly data: unknown }): Entry {
    const text = this.#hooks.ask(kind, entry.path, () => textOf(data))
    const restatement = restated(entry.data!, text)
    if (restatement === entry.data) return entry
    const changed = { ...entry, data: restatement }
    stored.set(changed, storedEntry(entry))
    return changed
  }
}

/** @throws TypeError if it is nothing that JSON can say */
export function textOf(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError('what it returned is not JSON')
  return text
}
