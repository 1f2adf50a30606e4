import { NS_PER_MS, type Env } from '../core/env.ts'
import { segment, under, unsegment, type Records } from './records.ts'

/** An event with fewer replicas than it should have. */
export interface Shortfall {
  readonly key: string
  /** Ids of the nodes known to have it. */
  readonly holders: readonly string[]
  /** How many replicas it lacks. */
  readonly missing: number
  readonly reason: string
  /** Wall-clock milliseconds since when it is listed. */
  readonly sinceMs: number
  /** The event's JSON text, kept only where the local storage can't be read back. */
  readonly text?: string | undefined
}

const PREFIX = 'shortfall/'

/** The list of under-replicated events, durable in records. */
export class Shortfalls {
  readonly #records: Records
  readonly #env: Pick<Env, 'now'>
  /** The keys on the list: what the records hold, for counting and for asking quickly. */
  readonly #keys = new Set<string>()

  constructor(records: Records, env: Pick<Env, 'now'>) {
    this.#records = records
    this.#env = env
  }

  /** Reads what an earlier run left; to be awaited before anything else is called. */
  async open(): Promise<void> {
    const { below } = under(PREFIX)
    for (let from = PREFIX; ;) {
      const records = await this.#records.range({ from, below, limit: 1_000 })
      for (const [record] of records) this.#keys.add(unsegment(record.slice(PREFIX.length)))
      const last = records.at(-1)
      if (!last) return
      from = `${last[0]}\0`
    }
  }

  get size(): number {
    return this.#keys.size
  }

  has(key: string): boolean {
    return this.#keys.has(key)
  }

  /** Lists an event, or says anew how it stands. @returns the entry of the list */
  async set(shortfall: Omit<Shortfall, 'sinceMs'>): Promise<Shortfall> {
    const { key, ...rest } = shortfall
    const sinceMs = this.get(key)?.sinceMs ?? Number(this.#env.now() / NS_PER_MS)
    this.#keys.add(key)
    await this.#records.write([
      { key: PREFIX + segment(key), value: JSON.stringify({ sinceMs, ...rest }) },
    ])
    return { ...shortfall, sinceMs }
  }

  /** Takes an event off the list. @returns whether it was on it */
  async remove(key: string): Promise<boolean> {
    if (!this.#keys.delete(key)) return false
    await this.#records.write([{ key: PREFIX + segment(key) }])
    return true
  }

  get(key: string): Shortfall | undefined {
    if (!this.#keys.has(key)) return undefined
    const value = this.#records.latest(PREFIX + segment(key))
    return value === undefined ? undefined : parse(key, value)
  }

  /** The list, after the entry with the key `after` if that is given. */
  async page(after: string | undefined, limit: number): Promise<readonly Shortfall[]> {
    const { below } = under(PREFIX)
    const from = after === undefined ? PREFIX : `${PREFIX}${segment(after)}\0`
    const records = await this.#records.range({ from, below, limit })
    return records.map(([key, value]) => parse(unsegment(key.slice(PREFIX.length)), value))
  }

  /** The lowest and the highest key on the list, if there is any. */
  span(): { readonly first: string; readonly last: string } | undefined {
    let span: { first: string; last: string } | undefined
    for (const key of this.#keys) {
      span ??= { first: key, last: key }
      if (key < span.first) span.first = key
      if (key > span.last) span.last = key
    }
    return span
  }
}

function parse(key: string, value: string): Shortfall {
  return { key, ...(JSON.parse(value) as Omit<Shortfall, 'key'>) }
}
