import { skerryError } from '../../core/errors.ts'
import { FORMAT } from '../layout.ts'
import type { Identity } from '../identity.ts'

/** Who runs links and collection, as Redis has it. */
export interface Lease {
  /** The server; empty if nobody. */
  readonly holder: string
  readonly term: string
  readonly beat: string
}

/** How far commits and releases have come. */
export interface Point {
  readonly seq: number
  /** Versions kept aside that were shown to readers; they keep their sequence numbers. */
  readonly released: number
}

/** A new epoch, and the newest sequence number that was left of the one before as it began. */
export interface Rewind {
  readonly epoch: string
  readonly to: number
}

/** What Redis knows of the store as a whole. */
export interface Head extends Point {
  readonly identity: Identity
  /** The clock's highest stamp. */
  readonly mark: bigint
  /** The latest epochs, the newest one last, and up to where the history before each was still there. */
  readonly rewinds: readonly Rewind[]
  readonly lease: Lease
  /** How often what is left of tombstones, or withheld, has changed. */
  readonly remains: number
  /** False if another Redis, or the same one restarted, holds the data since the epoch began. */
  readonly sameRedis: boolean
}

/**
 * Reads what the scripts tell of the head; undefined if there is no store.
 * @throws SKERRY_DATA_DIR_NEWER if a newer version wrote it
 */
export function parseHead(told: readonly (string | null)[]): Head | undefined {
  const [format, nodeId, epoch, runs, seq, released] = told
  const [mark, rewinds, holder, term, beat, redis] = told.slice(6)
  const [formerly, acknowledgedTo, remains] = told.slice(12)
  if (format === null || format === undefined) return undefined
  if (Number(format) > FORMAT) throw skerryError('DATA_DIR_NEWER', Number(format), FORMAT)
  return {
    identity: {
      nodeId: nodeId!,
      epoch: epoch!,
      runs: parseRuns(runs!),
      formerly: parseFormer(formerly!),
      acknowledgedTo: Number(acknowledgedTo),
    },
    remains: Number(remains),
    seq: Number(seq),
    released: Number(released),
    mark: BigInt(mark!),
    rewinds: parseRuns(rewinds ?? '').map(({ id, firstSeq }) => ({ epoch: id, to: firstSeq })),
    lease: { holder: holder!, term: term!, beat: beat! },
    sameRedis: redis === 'same',
  }
}

function parseRuns(text: string): Identity['runs'] {
  return text
    .split(' ')
    .filter((run) => run !== '')
    .map((run) => {
      const colon = run.indexOf(':')
      return { id: run.slice(0, colon), firstSeq: Number(run.slice(colon + 1)) }
    })
}

/** Epochs that ended without loss, as Redis keeps them: `epoch=seq=run:first,run:first` each, or the epoch alone. */
export function formerText(formerly: Identity['formerly']): string {
  return formerly
    .map(({ epoch, ending }) => {
      if (ending === undefined) return epoch
      const runs = ending.runs.map(({ id, firstSeq }) => `${id}:${firstSeq}`)
      return `${epoch}=${ending.seq}=${runs.join(',')}`
    })
    .join(' ')
}

function parseFormer(text: string): Identity['formerly'] {
  return text
    .split(' ')
    .filter((former) => former !== '')
    .map((former) => {
      const [epoch, seq, runs] = former.split('=')
      if (runs === undefined) return { epoch: epoch! }
      return {
        epoch: epoch!,
        ending: { runs: parseRuns(runs.replaceAll(',', ' ')), seq: Number(seq) },
      }
    })
}

/** A stamp as scripts compare it: 19 digits. */
export function stampDigits(stamp: bigint): string {
  return stamp.toString().padStart(19, '0')
}
