import {
  COMMIT_LEVELS,
  type CommitAsked,
  type CommitLevel,
  type Commitment,
  type CommitPlace,
  type Committer,
} from '../core/commitment.ts'
import { SkerryError, skerryError } from '../core/errors.ts'
import type { Store, Written } from '../store/store.ts'
import type { Condition } from './version.ts'
import type { WriteResult } from './writing.ts'

/** The default of `commitTimeoutMs`. */
const DEFAULT_COMMIT_TIMEOUT_MS = 5_000

/** The most that `commitTimeoutMs` can be. */
const MAX_COMMIT_TIMEOUT_MS = 60_000

/** How far a write is to have come before it is answered. */
export interface CommitOptions {
  /**
   * On how many nodes the write, or a newer one of its path, must be durable: one; `QUORUM`, more than half; or all.
   * Those count that are known, share the path, and keep their data on a disk. Default: this node, and nobody waits.
   */
  readonly commit?: CommitLevel | undefined
  /** How long to wait for that, in ms, from 1 to 60,000. Default 5,000. */
  readonly commitTimeoutMs?: number | undefined
}

/** How to write. */
export type WriteOptions = Condition & CommitOptions

/** A write that is durable on this node, and maybe on its way to others. */
export interface Performed<T> {
  readonly result: T
  /** Resolves to who has it once enough nodes do, or time has run out; undefined if nobody asked. Never rejects. */
  readonly commitment: Promise<Commitment> | undefined
}

/**
 * A write is durable on this node, but was not known to be on enough others when its time had run out. It stays, and
 * goes on to them: only ask for it again if doing it twice does no harm.
 */
export class CommitError extends SkerryError {
  /** Nodes that have it. */
  readonly committed: readonly string[]
  /** Nodes that count, and are not known to have it. */
  readonly missing: readonly string[]
  /** What came of the write here; of a batch, of each. */
  readonly results: readonly WriteResult[]

  constructor({ committed, missing }: Commitment, results: readonly WriteResult[]) {
    const { code, status, message } = skerryError('COMMIT_UNREACHED', committed, missing)
    super(code, status, message)
    this.committed = committed
    this.missing = missing
    this.results = results
  }
}

/**
 * Reads what a write asks for.
 * @throws SKERRY_COMMIT_INVALID
 */
export function commitAsked(options: CommitOptions): CommitAsked | undefined {
  const { commit, commitTimeoutMs } = options
  if (commit === undefined) {
    if (commitTimeoutMs === undefined) return undefined
    throw skerryError('COMMIT_INVALID', 'a time to wait goes with a level only')
  }
  if (!COMMIT_LEVELS.includes(commit)) {
    throw skerryError('COMMIT_INVALID', `the level must be one of ${COMMIT_LEVELS.join(', ')}`)
  }
  const timeoutMs = commitTimeoutMs ?? DEFAULT_COMMIT_TIMEOUT_MS
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_COMMIT_TIMEOUT_MS) {
    const bounds = `1 to ${MAX_COMMIT_TIMEOUT_MS}`
    throw skerryError('COMMIT_INVALID', `wait for a whole number of milliseconds from ${bounds}`)
  }
  return { level: commit, timeoutMs }
}

/** The number of the newest change at each path that these writes changed. */
export function changesOf(written: readonly Written[]): Map<string, number> {
  const changes = new Map<string, number>()
  for (const { entry, changed, seq } of written) {
    if (changed) changes.set(entry!.path, Math.max(seq, changes.get(entry!.path) ?? 0))
  }
  return changes
}

/** The committer of a state without links: no other node counts. */
export class LoneCommitter implements Committer {
  readonly #store: Pick<Store, 'nodeId' | 'durable'>

  constructor(store: Pick<Store, 'nodeId' | 'durable'>) {
    this.#store = store
  }

  async reserve(): Promise<CommitPlace> {
    const { nodeId, durable } = this.#store
    const commitment = { reached: durable, committed: durable ? [nodeId] : [], missing: [] }
    return { wait: () => Promise.resolve(commitment), release: () => undefined }
  }
}
