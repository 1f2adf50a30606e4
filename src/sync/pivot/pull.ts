import { pack, readCount, readStamp, readTuple, unpack } from '../../core/codec.ts'
import { type Entry, stampOf, tombstone } from '../../core/entry.ts'
import type { Placed } from '../../store/store.ts'
import { judgeAbsence, type PullRecord, type Verdict } from './absence.ts'
import { mergeNews } from './collect.ts'
import type { PivotKey } from './keys.ts'
import { isNews, type News } from './news.ts'
import type { Outbox } from './outbox.ts'
import type { RemovedEntries } from './removed.ts'
import type { Remote } from './remote.ts'
import { isSameWrite } from './wire.ts'

/** What a puller works with. */
export interface PullerParts {
  readonly key: PivotKey
  readonly remote: Remote
  /** The leader's name in the feed. */
  readonly leader: string
  readonly outbox: Outbox
  readonly removed: RemovedEntries
}

/** Fetches one key from its leader, and works out what is missing there. */
export class Puller {
  readonly #parts: PullerParts
  readonly #noteName: string
  #record: PullRecord | undefined
  /** Where the leader's feed was at the last pull, if it is a Skerry. */
  #place: string | undefined
  /** How often somebody wanted everything compared, and which of these a pull has done. */
  #wholes = 0
  #wholesDone = 0
  #refused = 0
  #rewinds = 0

  constructor(parts: PullerParts) {
    this.#parts = parts
    this.#noteName = `pivot/pull/${parts.leader} ${parts.key.path}`
  }

  async open(): Promise<void> {
    const notes = await this.#parts.key.store.notes(this.#noteName)
    const note = notes.find(({ name }) => name === this.#noteName)
    if (note === undefined) return
    const [lastEntry, seq, cursor, rewound] = readTuple(unpack(note.value), 'pull')
    this.#record = {
      lastEntry: readStamp(lastEntry, 'last entry'),
      seq: readCount(seq, 'sequence'),
      cursor: readCount(cursor, 'cursor'),
      rewound: rewound === true,
    }
  }

  /** The leader's `lastEntry` at the last pull that was in order. */
  get lastEntry(): bigint | undefined {
    return this.#record?.lastEntry
  }

  /** True while what a rewound leader lost is pushed again. */
  get isRewound(): boolean {
    return this.#record?.rewound === true
  }

  /** How often this leader was found to have gone back, since the start. */
  get rewinds(): number {
    return this.#rewinds
  }

  /** Entries of the last list that could not be taken. */
  get refused(): number {
    return this.#refused
  }

  /** Has the next pull compare everything, whatever was pulled before. */
  startOver(): void {
    this.#wholes++
  }

  /**
   * Takes over what is newer at the leader, if it has any news. A leader that can tell what came after the last pull is
   * the same process on the same history, so nothing else can be different there, whatever went wrong on the way.
   * @param always look even if the leader's `lastEntry` is the one already seen
   * @returns what the leader lists, if all of it was fetched
   */
  async pull(always: boolean): Promise<ReadonlyMap<string, Entry> | undefined> {
    const { key, remote, outbox, leader } = this.#parts
    // What is acknowledged later may be missing in a list made earlier.
    const { cursor } = outbox
    const wholes = this.#wholes
    const { lastEntry, place } = await remote.activity(key)
    const isKnown = this.#record !== undefined && this.#record.lastEntry === lastEntry
    if (isKnown && !always && !this.isRewound) return undefined
    const hasGoneBack = this.isRewound || lastEntry < (this.#record?.lastEntry ?? 0n)
    const isWhole = hasGoneBack || wholes !== this.#wholesDone
    const told = await remote.list(key, isWhole ? undefined : this.#place)
    // Until all of it is taken over.
    this.#place = undefined
    if (isNews(told)) {
      await this.#take(told, { lastEntry, cursor })
      this.#place = place
      return undefined
    }
    const { entries, refused } = told
    this.#refused = refused
    // Before anything is merged: what is merged now can't be a witness of the past.
    const hasWitness = await this.#hasWitness(entries)
    const lost = await mergeNews(key, [...entries.values()], leader)
    await this.#pushOverruled(lost, cursor)
    const missing = await this.#missing(entries, cursor)
    const verdict = judgeAbsence(this.#record, {
      lastEntry,
      listed: entries.size,
      hasWitness,
      missing: highest(missing),
    })
    await this.#heed(verdict, missing, { lastEntry, cursor })
    this.#place = place
    this.#wholesDone = wholes
    return entries
  }

  /** Takes over what a leader says is new; nothing is inferred from what it does not say. */
  async #take(news: News, at: { lastEntry: bigint; cursor: number }): Promise<void> {
    const { key, leader } = this.#parts
    const { entries, deleted } = news
    const lost = await mergeNews(key, [...entries.values()], leader)
    await this.#pushOverruled(lost, at.cursor)
    const tombstones = [...deleted].map(([path, time]) => tombstone(path, time, ''))
    if (tombstones.length > 0) await key.store.merge(tombstones, { peer: leader })
    await this.#save({ ...at, seq: key.store.seq, rewound: false })
  }

  async #heed(
    verdict: Verdict,
    missing: readonly Entry[],
    { lastEntry, cursor }: { lastEntry: bigint; cursor: number },
  ): Promise<void> {
    const { key, outbox, removed, leader } = this.#parts
    if (verdict === 'deleted') await removed.remove(missing, leader)
    const before = this.#record
    const rewound = verdict === 'rewound'
    const seen = { lastEntry, seq: key.store.seq, cursor, rewound }
    // What was seen before the leader went back is the measure until it has everything again.
    await this.#save(rewound && before !== undefined ? { ...before, rewound } : seen)
    if (!rewound) return
    if (before?.rewound !== true) this.#rewinds++
    // The oldest first, so that its lastEntry shows to other nodes that it lacks something, to the end.
    const oldestFirst = [...missing].sort((a, b) => (stampOf(a) < stampOf(b) ? -1 : 1))
    for (const { path } of oldestFirst) outbox.pushAgain(path)
  }

  /** What is newer here although the leader acknowledged it, is sent once more. */
  async #pushOverruled(lost: readonly Entry[], cursor: number): Promise<void> {
    const { key, outbox, removed } = this.#parts
    for (const listed of lost) {
      const held = await key.store.placed(listed.path)
      if (held === undefined || !outbox.isAcknowledged(held, cursor)) continue
      const stamp = stampOf(held.entry)
      if (stamp === stampOf(listed) && (await removed.inferred(listed.path, stamp))) {
        // Its absence meant nothing: somebody has brought it back as it was.
        await removed.restore(listed.path)
      } else {
        outbox.pushAgain(listed.path)
      }
    }
  }

  /** True if something listed is what the last pull listed, unchanged. */
  async #hasWitness(entries: ReadonlyMap<string, Entry>): Promise<boolean> {
    const record = this.#record
    if (record === undefined) return false
    const { key, outbox } = this.#parts
    for (const listed of entries.values()) {
      const held = await key.store.placed(listed.path)
      if (held === undefined || held.seq > record.seq) continue
      if (isSameWrite(held.entry, listed) && outbox.isAcknowledged(held, record.cursor)) return true
    }
    return false
  }

  /** What readers see here and the leader acknowledged, but does not list. */
  async #missing(listed: ReadonlyMap<string, Entry>, cursor: number): Promise<Entry[]> {
    const { key, outbox } = this.#parts
    const { entries } = await key.store.list(key.path)
    const missing: Entry[] = []
    for (const entry of entries) {
      if (listed.has(entry.path)) continue
      const held = await key.store.placed(entry.path)
      if (isShown(held, entry) && outbox.isAcknowledged(held, cursor)) missing.push(entry)
    }
    return missing
  }

  async #save(record: PullRecord): Promise<void> {
    const { lastEntry, seq, cursor, rewound } = record
    const value = pack([lastEntry, seq, cursor, rewound])
    await this.#parts.key.store.saveNotes([{ name: this.#noteName, value }])
    this.#record = record
  }
}

/** True if the newest version is the one that readers see. */
function isShown(held: Placed | undefined, shown: Entry): held is Placed {
  return held?.entry.data !== null && held !== undefined && stampOf(held.entry) === stampOf(shown)
}

function highest(entries: readonly Entry[]): bigint | undefined {
  let most: bigint | undefined
  for (const entry of entries) {
    const stamp = stampOf(entry)
    if (most === undefined || stamp > most) most = stamp
  }
  return most
}
