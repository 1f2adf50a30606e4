import type { ReplicaPage, ReplicaRange, ReplicaRow } from './storage.ts'

/** A node whose events can be walked over in key order. */
export interface WalkSource {
  readonly id: string
  range(range: ReplicaRange): Promise<ReplicaPage>
}

/** What one node has under a key: the event's text, or its digest. */
export interface Held {
  readonly id: string
  readonly value: string
}

/** A key with everybody who holds it. */
export interface WalkedRow {
  readonly key: string
  readonly holders: readonly Held[]
}

/** How to walk. */
export interface WalkOptions extends ReplicaRange {
  /** Called once for a node that can't be walked (any further); may throw to end the walk. */
  unreachable(id: string, error: unknown): void
}

/** Times a page is asked for before its node counts as unreachable. */
const PAGE_ATTEMPTS = 2

/**
 * Walks over the events of all sources at once: every key once, in order, with its holders. At
 * most two pages of each source are in memory. Yields in batches, since a promise for every
 * single row would cost more than the row.
 */
export async function* walk(
  sources: readonly WalkSource[],
  options: WalkOptions,
): AsyncGenerator<readonly WalkedRow[], void> {
  const cursors = sources.map((source) => new Cursor(source, options))
  for (;;) {
    await Promise.all(cursors.map((cursor) => cursor.fill()))
    const live = cursors.filter((cursor) => cursor.key !== undefined)
    if (live.length === 0) return
    yield mergePages(live)
  }
}

/** Takes rows off the cursors until one of them needs its next page. */
function mergePages(cursors: readonly Cursor[]): WalkedRow[] {
  const batch: WalkedRow[] = []
  for (;;) {
    let least: string | undefined
    for (const { key } of cursors) {
      if (key !== undefined && (least === undefined || key < least)) least = key
    }
    if (least === undefined) return batch
    const holders: Held[] = []
    let mustFill = false
    for (const cursor of cursors) {
      if (cursor.key !== least) continue
      holders.push({ id: cursor.id, value: cursor.take() })
      mustFill ||= cursor.mustFill
    }
    batch.push({ key: least, holders })
    if (mustFill) return batch
  }
}

/** The place of one source in the walk. */
class Cursor {
  readonly id: string
  readonly #source: WalkSource
  readonly #options: WalkOptions
  #rows: readonly ReplicaRow[] = []
  #at = 0
  #more = true
  #from: string
  #next: Promise<ReplicaPage | undefined> | undefined

  constructor(source: WalkSource, options: WalkOptions) {
    this.id = source.id
    this.#source = source
    this.#options = options
    this.#from = options.from
  }

  /** The key at hand; none while a page is missing, and none at the end. */
  get key(): string | undefined {
    return this.#rows[this.#at]?.[0]
  }

  get mustFill(): boolean {
    return this.#at >= this.#rows.length && this.#more
  }

  take(): string {
    const [, value] = this.#rows[this.#at++] as ReplicaRow
    return value
  }

  /** Brings in the page that is missing, and sends for the one after it. */
  async fill(): Promise<void> {
    if (!this.mustFill) return
    const page = await (this.#next ?? this.#fetch())
    this.#rows = page?.rows ?? []
    this.#at = 0
    this.#more = page?.more ?? false
    const last = this.#rows.at(-1)
    if (last) this.#from = `${last[0]}\0`
    this.#next = this.#more ? this.#fetch() : undefined
    this.#next?.catch(() => undefined) // it is awaited by the next fill, if there is one
  }

  async #fetch(): Promise<ReplicaPage | undefined> {
    const { below, limit, digests } = this.#options
    const range: ReplicaRange = { from: this.#from, below, limit, digests }
    let failure: unknown
    for (let attempt = 0; attempt < PAGE_ATTEMPTS; attempt++) {
      try {
        const page = await this.#source.range(range)
        assertPage(page, range)
        return page
      } catch (error) {
        failure = error
      }
    }
    this.#options.unreachable(this.id, failure)
    return undefined
  }
}

/** A page that is not in order, or that promises more and brings nothing, would spoil the walk. */
function assertPage({ rows, more }: ReplicaPage, { from, below }: ReplicaRange): void {
  let least = from
  for (const [key] of rows) {
    if (key < least || (below !== undefined && key >= below)) throw new Error(`'${key}' is astray`)
    least = `${key}\0`
  }
  if (more && rows.length === 0) throw new Error('an empty page can not be followed by more')
}
