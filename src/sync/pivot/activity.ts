import { pack, readCount, readStamp, readTuple, unpack } from '../../core/codec.ts'
import { stampOf } from '../../core/entry.ts'
import { matches } from '../../core/path.ts'
import type { Change, Placed } from '../../store/store.ts'
import type { PivotKey } from './keys.ts'

/** Changes read at once when what was missed is made up for. */
const PAGE = 1000

/** A stamp further ahead than this is not followed: nodes would wait for it. */
const MAX_AHEAD_NS = 300_000_000_000n

/**
 * The `lastEntry` of a key: nodes look for news only when it has grown. Each change that readers see makes
 * it grow, by the stamp of the change or, if that is older, by one: a slow clock so hides nothing. What was told
 * to anybody is durable before, and never falls, whatever is deleted, collected or restarted.
 */
export class Activity {
  readonly #key: PivotKey
  readonly #noteName: string
  #last = 0n
  /** Up to where the feed is counted in. */
  #seq = 0
  #saved = 0n
  #saving = Promise.resolve()
  /** Changes that came while older ones were made up for. */
  #early: Placed[] | undefined = []

  constructor(key: PivotKey) {
    this.#key = key
    this.#noteName = `pivot/activity/${key.path}`
  }

  /** Reads what was kept and counts in what the feed has beyond it. The feed must be watched already. */
  async open(): Promise<void> {
    const { store } = this.#key
    const [note] = (await store.notes(this.#noteName)).filter(({ name }) => name === this.#noteName)
    if (note !== undefined) {
      const [last, seq] = readTuple(unpack(note.value), 'activity')
      this.#last = readStamp(last, 'last entry')
      this.#seq = readCount(seq, 'sequence')
      this.#saved = this.#last
    }
    for (let read = -1; read < this.#seq && this.#seq < store.seq;) {
      read = this.#seq
      const page = await store.changesAfter(this.#seq, PAGE)
      for (const change of page.changes) this.#count(change)
      this.#seq = Math.max(this.#seq, page.upTo)
    }
    const early = this.#early ?? []
    this.#early = undefined
    for (const change of early) if (change.seq > this.#seq) this.note(change)
  }

  /** Counts in a change of the feed. */
  note(change: Placed & Partial<Pick<Change, 'before' | 'after'>>): void {
    if (this.#early !== undefined) {
      this.#early.push(change)
      return
    }
    this.#seq = Math.max(this.#seq, change.seq)
    if (change.before !== change.after) this.#count(change)
  }

  /** Makes it grow though nothing has changed, for nodes that hold something else to look again. */
  bump(): void {
    this.#last++
  }

  /** What nodes are told; durable by now. */
  async lastEntry(): Promise<bigint> {
    if (this.#last !== this.#saved) {
      this.#saving = this.#saving.catch(() => undefined).then(() => this.#save())
    }
    await this.#saving
    return this.#saved
  }

  async #save(): Promise<void> {
    const last = this.#last
    if (last === this.#saved) return
    const value = pack([last, this.#seq])
    await this.#key.store.saveNotes([{ name: this.#noteName, value }])
    this.#saved = last
  }

  #count({ entry }: Placed): void {
    if (!matches(this.#key.path, entry.path)) return
    const stamp = stampOf(entry)
    const isAhead = stamp > this.#key.store.time() + MAX_AHEAD_NS
    this.#last = stamp > this.#last && !isAhead ? stamp : this.#last + 1n
  }
}
