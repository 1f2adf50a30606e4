import { pack, readText, unpack } from '../core/codec.ts'
import type { Engine, EngineOp } from '../store/engine.ts'

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

/** A group waiting for the disk, with everybody who waits for it. */
interface Group {
  readonly ops: EngineOp[]
  readonly changes: RecordChange[]
  readonly done: Promise<void>
  start(): void
}

/** Most changes that one sync to the disk makes durable. */
const MAX_GROUP = 1_000

/**
 * Text records on an engine, behind event log, hints and the list of under-replicated events.
 * Keys are printable ASCII. Changes that come while others are on their way to the disk wait and
 * go together: one sync for all of them.
 */
export class Records {
  readonly #engine: Engine
  readonly #prefix: string
  /** Changes that are not durable yet, the newest of each record. */
  readonly #staged = new Map<string, RecordChange>()
  #waiting: Group[] = []
  #isWriting = false

  /** @param prefix keeps these records apart from whatever else the engine holds */
  constructor(engine: Engine, prefix = 'events/') {
    this.#engine = engine
    this.#prefix = prefix
  }

  /** The record as it was made durable. */
  get(key: string): string | undefined {
    const value = this.#engine.get(this.#prefix + key)
    return value && readText(unpack(value), 'record')
  }

  /** The record as it will be once everything on its way is durable. */
  latest(key: string): string | undefined {
    const staged = this.#staged.get(key)
    return staged ? staged.value : this.get(key)
  }

  /** Durable records in key order. */
  async range({ from, below, limit }: RecordRange): Promise<readonly TextRecord[]> {
    const prefix = this.#prefix
    const found: TextRecord[] = []
    const range = { from: prefix + from, to: prefix + below, limit }
    for await (const items of this.#engine.scan(range)) {
      for (const [key, value] of items) {
        found.push([key.slice(prefix.length), readText(unpack(value), 'record')])
      }
    }
    return found
  }

  /** Applies all changes or none, in the order of the calls; durable once it is fulfilled. */
  write(changes: readonly RecordChange[]): Promise<void> {
    let group = this.#waiting.at(-1)
    if (!group || group.ops.length >= MAX_GROUP) {
      group = this.#newGroup()
      this.#waiting.push(group)
    }
    for (const change of changes) {
      const key = this.#prefix + change.key
      group.ops.push(change.value === undefined ? { key } : { key, value: pack(change.value) })
      group.changes.push(change)
      this.#staged.set(change.key, change)
    }
    if (!this.#isWriting) void this.#flush()
    return group.done
  }

  #newGroup(): Group {
    let start = () => {}
    const ops: EngineOp[] = []
    const done = new Promise<void>((resolve, reject) => {
      start = () => void this.#engine.write(ops).then(resolve, reject)
    })
    return { ops, changes: [], done, start }
  }

  /** One group after the other; whoever waits for a group learns of its failure. */
  async #flush(): Promise<void> {
    this.#isWriting = true
    await Promise.resolve()
    for (let group = this.#waiting.shift(); group; group = this.#waiting.shift()) {
      group.start()
      await group.done.catch(() => undefined)
      for (const change of group.changes) {
        if (this.#staged.get(change.key) === change) this.#staged.delete(change.key)
      }
    }
    this.#isWriting = false
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
