import { entryTuple, pack, readEntry, unpack } from '../../core/codec.ts'
import { type Entry, stampOf, tombstone } from '../../core/entry.ts'
import { type Env, NS_PER_MS } from '../../core/env.ts'
import { skerryError } from '../../core/errors.ts'
import { matches } from '../../core/path.ts'
import type { Note, Store } from '../../store/store.ts'

/** What a leader's silence has removed here, and when. */
export interface RemovedEntry {
  readonly entry: Entry
  /** Nanoseconds of this node's wall time. */
  readonly removedAt: bigint
}

const PREFIX = 'pivot/removed/'

/** Notes dropped in one step. */
const BATCH = 500

/** Keeps what was deleted because a leader no longer listed it, so that it can be brought back. */
export class RemovedEntries {
  readonly #store: Store
  readonly #env: Env
  readonly #keepMs: number

  /** @param keepMs for how long it can be brought back */
  constructor(store: Store, env: Env, keepMs: number) {
    this.#store = store
    this.#env = env
    this.#keepMs = keepMs
  }

  /**
   * Deletes versions that the leader no longer has, after keeping them. The tombstones take stamp and origin
   * of what they remove, so every node that sees the absence makes the same, and any newer write beats them.
   */
  async remove(entries: readonly Entry[], leader: string): Promise<void> {
    const at = this.#env.now()
    await this.#store.saveNotes(
      entries.map((entry) => ({
        name: PREFIX + entry.path,
        value: pack([at, entryTuple(entry)]),
      })),
    )
    const tombstones = entries.map((entry) => tombstone(entry.path, stampOf(entry), entry.origin))
    await this.#store.merge(tombstones, { peer: leader })
  }

  /** What can be brought back, by path. */
  async list(pattern = '**', limit = Infinity): Promise<RemovedEntry[]> {
    const found: RemovedEntry[] = []
    for (const { name, value } of await this.#store.notes(PREFIX)) {
      if (found.length >= limit) break
      if (!matches(pattern, name.slice(PREFIX.length))) continue
      const removed = read(value)
      if (await this.#isInEffect(removed.entry)) found.push(removed)
    }
    return found
  }

  /** True if the path's newest version is a tombstone that absence at the leader made of this very stamp. */
  async inferred(path: string, stamp: bigint): Promise<boolean> {
    const [note] = (await this.#store.notes(PREFIX + path)).filter(
      ({ name }) => name === PREFIX + path,
    )
    if (note === undefined) return false
    const { entry } = read(note.value)
    return stampOf(entry) === stamp && (await this.#isInEffect(entry))
  }

  /**
   * Writes one back, as a new write: peers take it from here. Resolves to what was written.
   * @throws SKERRY_NOT_FOUND if there is nothing to bring back at the path
   */
  async restore(path: string): Promise<Entry> {
    const [removed] = await this.list(path)
    if (removed === undefined) throw skerryError('NOT_FOUND', path)
    const { data } = removed.entry
    const [written] = await this.#store.write([
      { path, decide: (shown) => (shown === undefined ? data : undefined) },
    ])
    await this.#store.saveNotes([{ name: PREFIX + path }])
    return written!.entry!
  }

  /** Lets go of what is too old to be brought back, or has been written again. */
  async prune(): Promise<void> {
    const oldest = this.#env.now() - BigInt(this.#keepMs) * NS_PER_MS
    const dropped: Note[] = []
    for (const { name, value } of await this.#store.notes(PREFIX)) {
      const { entry, removedAt } = read(value)
      if (removedAt >= oldest && (await this.#isInEffect(entry))) continue
      dropped.push({ name })
    }
    for (let at = 0; at < dropped.length; at += BATCH) {
      await this.#store.saveNotes(dropped.slice(at, at + BATCH))
    }
  }

  async #isInEffect({ path, created, updated }: Entry): Promise<boolean> {
    const held = await this.#store.newest(path)
    const stamp = created > updated ? created : updated
    return held?.data === null && stampOf(held) === stamp
  }
}

function read(value: Uint8Array): RemovedEntry {
  const [at, entry] = unpack(value) as [bigint, unknown]
  return { entry: readEntry(entry), removedAt: BigInt(at) }
}
