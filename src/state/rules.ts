import { skerryError } from '../core/errors.ts'
import { covers, intersect } from '../core/path.ts'
import type { Change } from '../store/store.ts'
import { restated } from './exact.ts'
import { type Filter, type Filters, valueOf } from './filters.ts'
import { type HookFailure, Hooks } from './hooks.ts'
import { Reader, textOf } from './reader.ts'
import type { Limit } from './limit.ts'
import { type Kind, type Rule, rulesOf, Winners } from './rule.ts'
import type { Term } from './retention.ts'
import { Schema } from './schema.ts'

/** What may be done with a path or glob. */
export type StateVerb = 'read' | 'write' | 'delete'

/** What holds for a path or glob, for people to look at. */
export interface FilterDescription {
  readonly pattern: string
  /** What it opens where `static` is set. */
  readonly verbs: readonly StateVerb[]
  /** Which functions it has. */
  readonly hooks: readonly string[]
  readonly schema?: Filter['schema']
  /** Its limit; of `countOf` the fact. */
  readonly limit?: Omit<Limit, 'countOf'> & { readonly countOf?: true }
  readonly ttlMs?: number
}

/** The parts of a filter that open a verb, besides `open`. */
const OPENING: Readonly<Record<StateVerb, readonly Kind[]>> = {
  read: ['read', 'readList'],
  write: ['write', 'schema'],
  delete: ['delete'],
}

const VERBS: readonly StateVerb[] = ['read', 'write', 'delete']

/** All filters of a node. Of each kind, the most specific one that matches a path holds for it. */
export class Rules {
  readonly #rules: readonly Rule[]
  readonly #static: boolean
  readonly #hooks: Hooks
  readonly #winners = new Map<Kind, Winners>()
  readonly #schemas = new Map<Rule, Schema>()

  /**
   * @param isStatic true closes everything that no filter opens
   * @param report is told of each hook that threw
   * @throws SKERRY_OPTION_INVALID, SKERRY_OPTION_UNKNOWN, SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED
   */
  constructor(filters: Filters, isStatic: boolean, report: (failure: HookFailure) => void) {
    this.#rules = rulesOf(filters)
    this.#static = isStatic
    this.#hooks = new Hooks(report)
    for (const rule of this.#rules) {
      const { pattern, filter } = rule
      if (filter.schema === undefined) continue
      this.#schemas.set(rule, new Schema(`filters['${pattern}'].schema`, filter.schema))
    }
  }

  /** True if a request may do this; always, unless the node is static. For a glob, one filter must cover it. */
  isOpen(pattern: string, verb: StateVerb): boolean {
    if (!this.#static) return true
    return this.#rules.some((rule) => opens(rule, verb) && covers(rule.pattern, pattern))
  }

  /** @throws SKERRY_ROUTE_CLOSED */
  assertOpen(pattern: string, verb: StateVerb): void {
    if (!this.isOpen(pattern, verb)) throw skerryError('ROUTE_CLOSED', pattern, verb)
  }

  /** The filters, most specific first. */
  describe(): FilterDescription[] {
    return this.#rules.map((rule) => {
      const { pattern, filter } = rule
      const { schema, limit, ttlMs } = filter
      const hooks = Object.entries(filter).filter(([, part]) => typeof part === 'function')
      return {
        pattern,
        verbs: VERBS.filter((verb) => opens(rule, verb)),
        hooks: hooks.map(([name]) => name),
        ...(schema !== undefined && { schema }),
        ...(limit !== undefined && { limit: describeLimit(limit) }),
        ...(ttlMs !== undefined && { ttlMs }),
      }
    })
  }

  /**
   * What to write at the path in place of the JSON text `data`.
   * @throws SKERRY_FILTER_REFUSED, SKERRY_SCHEMA_VIOLATED
   */
  write(path: string, data: string): string {
    const write = this.#of('write').of(path)?.filter.write
    let text = data
    if (write !== undefined) {
      const after = this.#hooks.ask('write', path, () => {
        const answer = write(path, JSON.parse(data))
        if (answer instanceof Promise) return answer as unknown as string
        return answer === undefined ? undefined : textOf(answer)
      })
      if (after !== undefined) text = restated(data, after)
    }
    const rule = this.#of('schema').of(path)
    if (rule !== undefined) this.#schemas.get(rule)!.assert(path, text)
    return text
  }

  /** @throws SKERRY_FILTER_REFUSED */
  delete(path: string): void {
    const rule = this.#of('delete').of(path)
    this.#hooks.ask('delete', path, () => rule?.filter.delete?.(path))
  }

  /** What readers of the pattern see; undefined if that is everything. */
  reader(pattern: string): Reader | undefined {
    const [read, readList] = [this.#of('read'), this.#of('readList')]
    if (read.all.length + readList.all.length === 0) return undefined
    const touches = (rules: Winners, kind: 'read' | 'readList'): boolean =>
      rules.all.some(
        (rule) => rule.filter[kind] !== undefined && intersect(rule.pattern, pattern) !== undefined,
      )
    if (!touches(read, 'read') && !touches(readList, 'readList')) return undefined
    return new Reader(pattern, { read, readList }, this.#hooks)
  }

  /**
   * Runs what is to be done before a read.
   * @throws SKERRY_FILTER_REFUSED
   */
  async beforeRead(pattern: string): Promise<void> {
    for (const { pattern: other, filter } of this.#of('beforeRead').all) {
      if (intersect(other, pattern) === undefined) continue
      await this.#hooks.wait('beforeRead', pattern, () => filter.beforeRead!(pattern))
      // A path has one winner; a glob may reach several.
      if (covers(other, pattern)) return
    }
  }

  /** True if something is to be done before some reads. */
  get delaysReads(): boolean {
    return this.#of('beforeRead').all.length > 0
  }

  afterWrite(path: string): void {
    const afterWrite = this.#of('afterWrite').of(path)?.filter.afterWrite
    if (afterWrite !== undefined) this.#hooks.tell('afterWrite', path, () => afterWrite(path))
  }

  /** How long entries stay. */
  terms(): Term[] {
    return (['limit', 'ttlMs'] as const).flatMap((part) => {
      const winners = this.#of(part)
      return winners.all.map((rule) => ({
        part,
        pattern: rule.pattern,
        retention: { [part]: rule.filter[part] },
        holds: (path) => winners.of(path) === rule,
      }))
    })
  }

  /** True if somebody wants to be told of changes. */
  get followsChanges(): boolean {
    return this.#of('onChange').all.length > 0
  }

  onChange({ entry, before, after }: Change): void {
    const { path } = entry
    const onChange = this.#of('onChange').of(path)?.filter.onChange
    if (onChange === undefined) return
    this.#hooks.tell('onChange', path, () =>
      onChange({ path, before: before && valueOf(before), after: after && valueOf(after) }),
    )
  }

  #of(kind: Kind): Winners {
    let winners = this.#winners.get(kind)
    if (winners === undefined) {
      this.#winners.set(kind, (winners = new Winners(kind, this.#rules)))
    }
    return winners
  }
}

function describeLimit({ countOf, ...limit }: Limit): FilterDescription['limit'] {
  return countOf === undefined ? limit : { ...limit, countOf: true }
}

function opens({ filter }: Rule, verb: StateVerb): boolean {
  if (filter.open === true) return true
  return OPENING[verb].some((kind) => filter[kind] !== undefined)
}
