import { skerryError, skerryErrorFrom } from '../core/errors.ts'
import type { Nodes } from './nodes.ts'
import { planRepair } from './repair.ts'
import { sameEvent } from './storage.ts'
import { walk, type Held, type WalkedRow } from './walk.ts'

/** An event as it is read back. */
export interface StoredEvent {
  readonly key: string
  readonly event: unknown
}

/** An event as it is stored: its JSON text. */
export interface StoredText {
  readonly key: string
  readonly text: string
}

/** What a scan reads. */
export interface ScanOptions {
  /** First key, inclusive; default: the first one there is. */
  readonly from?: string | undefined
  /** Key before which to stop; default: none. */
  readonly to?: string | undefined
  /**
   * Nodes that may be out of reach. One more ends the scan with an error, as it could miss events.
   * Default: one less than the copies an acknowledgement stands for, so that nothing that was
   * acknowledged is missed.
   */
  readonly maxUnreachable?: number | undefined
}

/** Nodes of which some hold different contents under one key. */
type ReportConflict = (key: string, nodes: readonly string[]) => void

/** What became of asking for one event. */
interface Census {
  readonly text: string | undefined
  readonly holders: readonly string[]
  /** Those that answered without having it, in the order in which they were to be asked. */
  readonly lacking: readonly string[]
  /** Those that did not answer. */
  readonly unknown: readonly string[]
  readonly conflict: boolean
}

/** Whom to ask for which event. */
interface Inquiry {
  readonly key: string
  readonly replicationFactor: number
  /** Every node, those that should have the event first. */
  readonly ids: readonly string[]
  /** Gets the first text, as early as it is there. */
  readonly found: (text: string) => void
}

/** Asks those that should have an event and, if any of them doesn't, the rest too. */
async function askAround(nodes: Nodes, inquiry: Inquiry): Promise<Census> {
  const { ids, replicationFactor } = inquiry
  const down = new Set(nodes.all().down)
  const up = ids.filter((id) => !down.has(id))
  const answers = await ask(nodes, up.slice(0, replicationFactor), inquiry)
  if (answers.some(({ text }) => text === undefined)) {
    answers.push(...(await ask(nodes, up.slice(replicationFactor), inquiry)))
  }
  const held = answers.filter((answer): answer is { id: string; text: string } => {
    return typeof answer.text === 'string'
  })
  const text = held[0]?.text
  return {
    text,
    holders: held.map(({ id }) => id),
    lacking: answers.filter((answer) => answer.text === undefined).map(({ id }) => id),
    unknown: [...answers.filter((answer) => answer.text === null).map(({ id }) => id), ...down],
    conflict: held.some((other) => !sameEvent(text as string, other.text)),
  }
}

/** Without text: the node doesn't have it; `null`: it did not answer. */
type Answered = { readonly id: string; readonly text: string | undefined | null }

function ask(nodes: Nodes, ids: readonly string[], inquiry: Inquiry): Promise<Answered[]> {
  return Promise.all(
    ids.map((id) =>
      nodes.get(id, inquiry.key).then(
        (text) => {
          if (text !== undefined) inquiry.found(text)
          return { id, text }
        },
        () => ({ id, text: null }),
      ),
    ),
  )
}

/** What reading needs of the coordinator. */
export interface ReaderHost {
  readonly nodes: Nodes
  readonly replicationFactor: number
  readonly pageRows: number
  /** Nodes that have an event at least once it is acknowledged. */
  readonly leastCopies: number
  /** Every known node, best first for the key. */
  readonly rankedNodes: (key: string) => readonly string[]
  readonly conflict: ReportConflict
  /** Puts an event on the list of under-replicated ones. */
  list(key: string, holders: readonly string[], reason: string): Promise<void>
}

/** Reads events from the nodes of the cluster, and mends what it finds amiss. */
export class Reader {
  readonly #host: ReaderHost

  constructor(host: ReaderHost) {
    this.#host = host
  }

  /**
   * Reads one event, and copies it to nodes that should have it and don't.
   * @param found called as soon as there is an answer; copying goes on until the promise is fulfilled
   * @throws SKERRY_EVENTS_INCOMPLETE
   */
  async get(key: string, found: (text: string | undefined) => void): Promise<void> {
    const { nodes, replicationFactor, leastCopies, rankedNodes } = this.#host
    const asked = await askAround(nodes, { key, replicationFactor, ids: rankedNodes(key), found })
    const { text, holders, unknown } = asked
    if (text === undefined) {
      if (unknown.length < leastCopies) found(undefined)
      else throw skerryError('EVENTS_INCOMPLETE', unknown.join(', '))
    } else if (asked.conflict) {
      this.#host.conflict(key, holders)
    } else {
      const { copies } = planRepair({ ...asked, replicationFactor })
      const made = await Promise.allSettled(copies.map((id) => nodes.put(id, { key, text })))
      const failed = copies.filter((_id, index) => made[index]?.status === 'rejected')
      if (failed.length === 0) return
      await this.#host.list(key, holders, `no copy could be made on ${failed.join(', ')}`)
    }
  }

  /**
   * The events of the whole cluster in key order, each once.
   * @throws SKERRY_EVENTS_INCOMPLETE when more nodes are out of reach than the scan may miss
   */
  async *scan(options: ScanOptions): AsyncGenerator<readonly StoredText[], void> {
    const { nodes, pageRows, leastCopies, conflict } = this.#host
    const { from = '', to, maxUnreachable = leastCopies - 1 } = options
    const { sources, down } = nodes.all()
    const missed = new Set<string>()
    const unreachable = (id: string, cause?: unknown) => {
      missed.add(id)
      if (missed.size <= maxUnreachable) return
      throw skerryErrorFrom(cause, 'EVENTS_INCOMPLETE', [...missed].join(', '))
    }
    for (const id of down) unreachable(id)
    for await (const batch of walk(sources, { from, below: to, limit: pageRows, unreachable })) {
      yield batch.map((row) => ({ key: row.key, text: agreedText(row, conflict) }))
    }
  }
}

/** The text the holders agree on; when they don't, the same one whoever asks. */
function agreedText({ key, holders }: WalkedRow, conflict: ReportConflict): string {
  const [first, ...others] = holders as readonly [Held, ...Held[]]
  if (others.every(({ value }) => value === first.value)) return first.value
  const texts = holders.map(({ value }) => value).sort()
  const [text] = texts as [string, ...string[]]
  if (!texts.every((other) => sameEvent(text, other))) {
    conflict(
      key,
      holders.map(({ id }) => id),
    )
  }
  return text
}
