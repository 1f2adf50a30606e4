import type { CommitAsked, Committer } from '../core/commitment.ts'
import { skerryError } from '../core/errors.ts'
import type { Store, Write, Written } from '../store/store.ts'
import { itemWrites, MAX_BATCH_WRITES, ofItem } from './batch.ts'
import {
  changesOf,
  commitAsked,
  CommitError,
  type CommitOptions,
  type Performed,
} from './commitment.ts'
import type { Rules } from './rules.ts'
import type { Plan, Planner, WriteRequest, WriteResult } from './writing.ts'

/** What writes go through. */
export interface WriterParts {
  readonly store: Store
  readonly planner: Planner
  readonly rules: Rules
  readonly committer: Committer
}

/** Does the writes of a state, one or several in one atomic step, and waits for other nodes where that is asked. */
export class Writer {
  readonly #parts: WriterParts

  constructor(parts: WriterParts) {
    this.#parts = parts
  }

  /** Does one write; resolves once it is durable here. */
  perform(request: WriteRequest, options: CommitOptions): Promise<Performed<WriteResult>> {
    // An async function, and each wait in it, costs turns of the queue of microtasks; most writes are planned at once.
    try {
      const asked = commitAsked(options)
      const plan = this.#parts.planner.plan(request)
      return plan instanceof Promise
        ? plan.then((made) => this.#carryOut(made, asked))
        : this.#carryOut(plan, asked)
    } catch (error) {
      return rejected(error)
    }
  }

  #carryOut(plan: Plan, asked: CommitAsked | undefined): Promise<Performed<WriteResult>> {
    if (asked === undefined) return this.#writeHere(plan)
    return this.#write(asked, plan.writes, (written) => plan.result(written))
  }

  /** Writes, and waits for this node only, as most writes do: it needs no place to give up. */
  #writeHere(plan: Plan): Promise<Performed<WriteResult>> {
    const { store, rules } = this.#parts
    return store.write(plan.writes).then((written) => {
      const result = plan.result(written)
      if ('entry' in result) rules.afterWrite(result.entry.path)
      return { result, commitment: undefined }
    })
  }

  /** Does all of them, or none; resolves once they are durable here. */
  async performAll(
    requests: readonly WriteRequest[],
    options: CommitOptions,
  ): Promise<Performed<WriteResult[]>> {
    const asked = commitAsked(options)
    if (requests.length > MAX_BATCH_WRITES) throw skerryError('BATCH_TOO_LARGE', MAX_BATCH_WRITES)
    const plans: Plan[] = []
    const writes: Write[] = []
    for (const [item, request] of requests.entries()) {
      const plan = await this.#planOf(item, request)
      plans.push(plan)
      writes.push(...itemWrites(item, plan.writes))
    }
    return this.#write(asked, writes, (written) => {
      let at = 0
      return plans.map((plan) => plan.result(written.slice(at, (at += plan.writes.length))))
    })
  }

  async #planOf(item: number, request: WriteRequest): Promise<Plan> {
    try {
      return await this.#parts.planner.plan(request)
    } catch (error) {
      throw ofItem(item, error)
    }
  }

  /** Writes; where a commit level is asked for, only once there is room to wait. */
  async #write<T extends WriteResult | WriteResult[]>(
    asked: CommitAsked | undefined,
    writes: readonly Write[],
    resultOf: (written: readonly Written[]) => T,
  ): Promise<Performed<T>> {
    const { store, rules, committer } = this.#parts
    const place = asked && (await committer.reserve(asked))
    const written = await store.write(writes).catch((error: unknown) => {
      place?.release()
      throw error
    })
    const commitment = place?.wait(changesOf(written))
    const result = resultOf(written)
    for (const each of [result].flat()) if ('entry' in each) rules.afterWrite(each.entry.path)
    return { result, commitment }
  }
}

/**
 * Waits for other nodes as far as that was asked for.
 * @throws CommitError if they did not have it in time
 */
export async function reached<T extends WriteResult | WriteResult[]>({
  result,
  commitment,
}: Performed<T>): Promise<T> {
  const found = await commitment
  if (found?.reached === false) throw new CommitError(found, [result].flat())
  return result
}

/** Rejects with what was thrown. */
async function rejected(thrown: unknown): Promise<never> {
  throw thrown
}
