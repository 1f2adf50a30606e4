import type { Entry } from '../core/entry.ts'
import type { Env } from '../core/env.ts'
import { skerryError } from '../core/errors.ts'
import { assertJson } from '../core/json.ts'
import { assertWritable, isGlob, MAX_PATH_LENGTH } from '../core/path.ts'
import type { Store, Write, Written } from '../store/store.ts'
import { applyMergePatch, mergeData } from './merge.ts'
import { applyOperations } from './operations.ts'
import type { Rules } from './rules.ts'
import { type Condition, isUnconditional, type Versions } from './version.ts'

/**
 * How a patch is to be read: `merge`, members into members, nothing removed; `merge-patch`, RFC 7396;
 * `json-patch`, RFC 6902.
 */
export type PatchForm = 'merge' | 'merge-patch' | 'json-patch'

/** One write, as a batch has them. Data and patches are JSON text. */
export type WriteRequest =
  | ({ readonly op: 'set'; readonly path: string; readonly data: string } & Condition)
  | { readonly op: 'push'; readonly path: string; readonly data: string }
  | ({
      readonly op: 'patch'
      readonly path: string
      readonly data: string
      readonly form?: PatchForm
    } & Condition)
  | ({ readonly op: 'delete'; readonly path: string } & Condition)

/** What came of a write: the entry that is there now, or how many were deleted. */
export type WriteResult = { readonly entry: Entry } | { readonly deleted: number }

/** A write made ready for the store. */
export interface Plan {
  readonly writes: readonly Write[]
  /** What came of it, from what came of its writes. */
  result(written: readonly Written[]): WriteResult
}

/** What plans stand on. */
export interface PlannerOptions {
  readonly store: Store
  readonly env: Env
  readonly versions: Versions
  readonly rules: Rules
  readonly maxDataCharacters: number
}

/** Turns what is asked for into writes that the store decides. */
export class Planner {
  readonly #store: Store
  readonly #env: Env
  readonly #versions: Versions
  readonly #rules: Rules
  readonly #maxDataCharacters: number
  #suffix = { epoch: '', digits: '' }

  constructor({ store, env, versions, rules, maxDataCharacters }: PlannerOptions) {
    this.#store = store
    this.#env = env
    this.#versions = versions
    this.#rules = rules
    this.#maxDataCharacters = maxDataCharacters
  }

  /**
   * Plans a write, at once except for a delete by glob.
   * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED, SKERRY_JSON_INVALID, SKERRY_DATA_TOO_LARGE,
   * SKERRY_CONDITION_INVALID, SKERRY_ROUTE_CLOSED
   */
  plan(request: WriteRequest): Plan | Promise<Plan> {
    assertWritable(request.path)
    this.#rules.assertOpen(request.path, request.op === 'delete' ? 'delete' : 'write')
    switch (request.op) {
      case 'set':
        return this.#set(request)
      case 'push':
        return this.#push(request)
      case 'patch':
        return this.#patch(request)
      case 'delete':
        return this.#delete(request)
    }
  }

  #set(request: WriteRequest & { op: 'set' }): Plan {
    const { path, data } = request
    assertSingle(path, 'a glob names many; push to it')
    this.#assertData(data)
    return entryPlan(path, (held) => {
      this.#versions.assert(path, held, request)
      return this.#admitted(path, data)
    })
  }

  #push({ path: glob, data }: WriteRequest & { op: 'push' }): Plan {
    if (!isGlob(glob)) throw skerryError('PATH_INVALID', glob, 'a push goes to a glob like users/*')
    this.#assertData(data)
    const base = glob.slice(0, -1)
    if (base.length + INDEX_LENGTH > MAX_PATH_LENGTH) {
      throw skerryError('PATH_INVALID', glob, 'no index fits behind it; use a shorter glob')
    }
    const suffix = this.#indexSuffix()
    let path = glob
    const mint = (stamp: bigint): string =>
      (path = base + stamp.toString(16).padStart(16, '0') + suffix)
    return entryPlan(mint, () => this.#admitted(path, data))
  }

  #patch(request: WriteRequest & { op: 'patch' }): Plan {
    const { path, data, form = 'merge' } = request
    assertSingle(path, 'a glob names many; patch one by one')
    this.#assertData(data)
    return entryPlan(path, (held) => {
      this.#versions.assert(path, held, request)
      if (held === undefined) throw skerryError('NOT_FOUND', path)
      const patched = patches[form](held.data!, data, this.#maxDataCharacters)
      return this.#admitted(path, patched)
    })
  }

  #delete(request: WriteRequest & { op: 'delete' }): Plan | Promise<Plan> {
    const { path } = request
    if (isGlob(path) && !isUnconditional(request)) {
      throw skerryError('CONDITION_INVALID', 'a glob names many; delete one by one')
    }
    const writes: Write[] = []
    const add = (at: string): void => {
      // Asked before anything is decided: one that is refused keeps all that a glob names.
      this.#rules.delete(at)
      const decide = (held: Entry | undefined): null => {
        this.#versions.assert(at, held, request)
        return null
      }
      writes.push({ path: at, decide })
    }
    const plan: Plan = {
      writes,
      result: (written) => ({ deleted: written.filter(({ changed }) => changed).length }),
    }
    if (isGlob(path)) return this.#store.visit(path, (entry) => add(entry.path)).then(() => plan)
    add(path)
    return plan
  }

  /** What the filters let through to be written. */
  #admitted(path: string, data: string): string {
    const admitted = this.#rules.write(path, data)
    this.#assertSize(admitted)
    return admitted
  }

  #assertData(data: string): void {
    assertJson(data)
    this.#assertSize(data)
    if (SURROGATE.test(data) && LONE_SURROGATE.test(data)) {
      throw skerryError('JSON_INVALID', 'it holds half of a surrogate pair; escape it as \\ud8…')
    }
  }

  #assertSize(data: string): void {
    const max = this.#maxDataCharacters
    if (data.length > max) throw skerryError('DATA_TOO_LARGE', max)
  }

  /** Eight digits that tell this store's indexes from those of every other node and epoch. */
  #indexSuffix(): string {
    const { nodeId, epoch } = this.#store
    if (this.#suffix.epoch !== epoch) {
      this.#suffix = { epoch, digits: this.#env.hash(`${nodeId}\n${epoch}`).slice(0, 8) }
    }
    return this.#suffix.digits
  }
}

function entryPlan(path: Write['path'], decide: Write['decide']): Plan {
  return {
    writes: [{ path, decide }],
    result: ([written]) => ({ entry: written!.entry! }),
  }
}

const patches: Record<PatchForm, (data: string, patch: string, max: number) => string> = {
  merge: mergeData,
  'merge-patch': (data, patch) => applyMergePatch(data, patch),
  'json-patch': applyOperations,
}

/** Checks a path that names one entry to write to. */
function assertSingle(path: string, whyNoGlob: string): void {
  if (isGlob(path)) throw skerryError('PATH_INVALID', path, whyNoGlob)
}

/** Characters of a fresh index: 16 of the stamp, 8 of the store. */
const INDEX_LENGTH = 24

/** Data must survive being encoded as UTF-8. */
const SURROGATE = /[\ud800-\udfff]/
const LONE_SURROGATE = /\p{Surrogate}/u
