import { NS_PER_MS, type Env } from '../core/env.ts'
import { segment, under, unsegment, type Records } from './records.ts'

/** A copy kept for a peer that was not there when its event was put. */
export interface Hint {
  readonly key: string
  /** The event's JSON text: a hint stands alone, whatever becomes of the local copy. */
  readonly text: string
  /** Wall-clock milliseconds at which the peer was missed. */
  readonly sinceMs: number
}

const PREFIX = 'hint/'

/**
 * The hints of this node, by peer, durable in records. A hint is told by peer and event key, so
 * keeping it twice, or handing it over twice, changes nothing.
 */
export class Hints {
  readonly #records: Records
  readonly #env: Pick<Env, 'now'>
  readonly #max: number
  /** The keys hinted per peer: what the records hold, for counting and for asking quickly. */
  readonly #keys = new Map<string, Set<string>>()
  #total = 0

  /** @param max most hints kept at a time, for all peers together */
  constructor(records: Records, env: Pick<Env, 'now'>, max: number) {
    this.#records = records
    this.#env = env
    this.#max = max
  }

  /** Reads what an earlier run left; to be awaited before anything else is called. */
  async open(): Promise<void> {
    const { below } = under(PREFIX)
    for (let from = PREFIX; ;) {
      const records = await this.#records.range({ from, below, limit: 1_000 })
      for (const [record] of records) {
        const cut = record.indexOf('/', PREFIX.length)
        this.#remember(
          unsegment(record.slice(PREFIX.length, cut)),
          unsegment(record.slice(cut + 1)),
        )
      }
      const last = records.at(-1)
      if (!last) return
      from = `${last[0]}\0`
    }
  }

  get total(): number {
    return this.#total
  }

  /** The peers for which hints are kept. */
  get targets(): string[] {
    return [...this.#keys.keys()]
  }

  countFor(target: string): number {
    return this.#keys.get(target)?.size ?? 0
  }

  has(target: string, key: string): boolean {
    return this.#keys.get(target)?.has(key) ?? false
  }

  /** @returns false, once known, if there is no room for another hint */
  async add(target: string, key: string, text: string): Promise<boolean> {
    if (this.has(target, key)) return true
    if (this.#total >= this.#max) return false
    this.#remember(target, key)
    const sinceMs = this.#env.now() / NS_PER_MS
    await this.#records.write([{ key: recordKey(target, key), value: `${sinceMs} ${text}` }])
    return true
  }

  /** Forgets hints that were handed over, or that nobody needs any more. */
  async remove(target: string, keys: readonly string[]): Promise<void> {
    const held = keys.filter((key) => this.has(target, key))
    if (held.length === 0) return
    for (const key of held) this.#forget(target, key)
    await this.#records.write(held.map((key) => ({ key: recordKey(target, key) })))
  }

  /** The next hints for a peer, after the one with the key `after` if that is given. */
  async page(target: string, after: string | undefined, limit: number): Promise<readonly Hint[]> {
    const prefix = prefixOf(target)
    const { below } = under(prefix)
    const from = after === undefined ? prefix : `${recordKey(target, after)}\0`
    const records = await this.#records.range({ from, below, limit })
    return records.map(([key, value]) => {
      const cut = value.indexOf(' ')
      const sinceMs = Number(value.slice(0, cut))
      return { key: unsegment(key.slice(prefix.length)), text: value.slice(cut + 1), sinceMs }
    })
  }

  #remember(target: string, key: string): void {
    const keys = this.#keys.get(target)
    if (keys) keys.add(key)
    else this.#keys.set(target, new Set([key]))
    this.#total++
  }

  #forget(target: string, key: string): void {
    const keys = this.#keys.get(target)
    if (!keys?.delete(key)) return
    this.#total--
    if (keys.size === 0) this.#keys.delete(target)
  }
}

function prefixOf(target: string): string {
  return `${PREFIX}${segment(target)}/`
}

function recordKey(target: string, key: string): string {
  return prefixOf(target) + segment(key)
}
