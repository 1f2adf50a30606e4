import { skerryError } from '../core/errors.ts'
import type { Nodes } from './nodes.ts'
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
export type ReportConflict = (key: string, nodes: readonly string[]) => void

/** What became of asking everybody for one event. */
export interface Census {
  readonly text: string | undefined
  readonly holders: readonly string[]
  readonly lacking: readonly string[]
  readonly unknown: readonly string[]
  readonly conflict: boolean
}

/** Asks the nodes `ids` for an event, all at once; `found` gets the first text, as early as it is there. */
export async function census(
  nodes: Nodes,
  key: string,
  ids: readonly string[],
  found: (text: string) => void,
): Promise<Census> {
  const held: Held[] = []
  const lacking: string[] = []
  const unknown: string[] = []
  await Promise.all(
    ids.map(async (id) => {
      try {
        const text = await nodes.get(id, key)
        if (text === undefined) {
          lacking.push(id)
        } else {
          if (held.length === 0) found(text)
          held.push({ id, value: text })
        }
      } catch {
        unknown.push(id) // a node that fails to answer is reported as such
      }
    }),
  )
  const order = (a: string, b: string) => ids.indexOf(a) - ids.indexOf(b)
  const text = held[0]?.value
  return {
    text,
    holders: held.map(({ id }) => id),
    lacking: lacking.sort(order),
    unknown,
    conflict: text !== undefined && held.some(({ value }) => !sameEvent(text, value)),
  }
}

/** What two rounds of asking brought to light together. */
export function joinCensus(first: Census, second: Census): Census {
  const text = first.text ?? second.text
  const isSame = second.text === undefined || sameEvent(text as string, second.text)
  return {
    text,
    holders: [...first.holders, ...second.holders],
    lacking: [...first.lacking, ...second.lacking],
    unknown: [...first.unknown, ...second.unknown],
    conflict: first.conflict || second.conflict || !isSame,
  }
}

/**
 * The events of the whole cluster in key order, each once.
 * @throws SKERRY_EVENTS_INCOMPLETE when more nodes are out of reach than the scan may miss
 */
export async function* scanTexts(
  nodes: Nodes,
  options: Required<Pick<ScanOptions, 'maxUnreachable'>> & ScanOptions & { limit: number },
  conflict: ReportConflict,
): AsyncGenerator<readonly StoredText[], void> {
  const { from = '', to, maxUnreachable, limit } = options
  const { sources, down } = nodes.all()
  const missed = new Set<string>()
  const unreachable = (id: string, cause?: unknown) => {
    missed.add(id)
    if (missed.size <= maxUnreachable) return
    const error = skerryError('EVENTS_INCOMPLETE', [...missed].join(', '))
    throw cause === undefined ? error : Object.assign(error, { cause })
  }
  for (const id of down) unreachable(id)
  for await (const batch of walk(sources, { from, below: to, limit, unreachable })) {
    yield batch.map((row) => ({ key: row.key, text: agreedText(row, conflict) }))
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
