import sortedBTree from 'sorted-btree'

// A CommonJS module: its class is the default of the default.
const BTree = sortedBTree.default

/** One change: a record set, or (without `value`) deleted. */
export interface RecordChange {
  readonly key: string
  readonly value?: string | undefined
}

/** Bounds of a walk, first key inclusive, last key exclusive. */
export interface RecordRange {
  readonly from: string
  readonly below: string
  /** Most records that one answer may hold. */
  readonly limit: number
}

/** A record as it is read back. */
export type TextRecord = readonly [key: string, value: string]

/**
 * The small port behind event log, hints and the list of under-replicated events: text records in
 * the order of their ASCII keys.
 */
export interface Records {
  get(key: string): string | undefined
  /** Records in key order. */
  range(range: RecordRange): Promise<readonly TextRecord[]>
  /** Applies all changes or none, in the order of the calls; durable once it is fulfilled. */
  write(changes: readonly RecordChange[]): Promise<void>
}

/** Records that last as long as the process. */
export class MemoryRecords implements Records {
  readonly #tree = new BTree<string, string>()

  get(key: string): string | undefined {
    return this.#tree.get(key)
  }

  async range({ from, below, limit }: RecordRange): Promise<readonly TextRecord[]> {
    const found: TextRecord[] = []
    for (const [key, value] of this.#tree.entries(from)) {
      if (found.length >= limit || key >= below) break
      found.push([key, value])
    }
    return found
  }

  async write(changes: readonly RecordChange[]): Promise<void> {
    for (const { key, value } of changes) {
      if (value === undefined) this.#tree.delete(key)
      else this.#tree.set(key, value)
    }
  }
}

/** Makes any string a segment of a record key: printable ASCII without '/', one to one. */
export function segment(part: string): string {
  return part.replace(/[^!-$&-.0-~]/g, (unit) => {
    return `%${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** The string that {@link segment} was made of. */
export function unsegment(part: string): string {
  return part.replace(/%([0-9a-f]{4})/g, (_all, code: string) => {
    return String.fromCharCode(Number.parseInt(code, 16))
  })
}

/** The range of all record keys that start with `prefix`, which must end in '/'. */
export function under(prefix: string): { readonly from: string; readonly below: string } {
  return { from: prefix, below: `${prefix.slice(0, -1)}0` }
}
