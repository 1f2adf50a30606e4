import { skerryError } from '../core/errors.ts'
import { assertKey, EVERYTHING, isGlob, matches } from '../core/path.ts'
import type { Filter, Filters } from './filters.ts'
import type { Limit } from './limit.ts'

/** The most paths and globs with a filter. */
const MAX_FILTERS = 1024

/** A filter and what it is for. */
export interface Rule {
  readonly pattern: string
  readonly filter: Filter
}

/** The parts of a filter that each have a winner of their own. */
export type Kind = Exclude<keyof Filter, 'open'>

/** What `open` stands for, where the filter says nothing itself. */
const OPENED: readonly Kind[] = ['write', 'read', 'readList', 'delete']

/**
 * Checks the filters, most specific first: a path before a glob; of two globs the one that names a segment first
 * where the other has `*`; `**` last.
 * @throws SKERRY_OPTION_INVALID, SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED
 */
export function rulesOf(filters: Filters): Rule[] {
  const rules = Object.entries(filters).map(([pattern, filter]) => ({ pattern, filter }))
  if (rules.length > MAX_FILTERS) {
    throw skerryError('OPTION_INVALID', 'filters', rules.length, `use at most ${MAX_FILTERS}`)
  }
  for (const { pattern, filter } of rules) {
    assertKey(pattern)
    assertFilter(pattern, filter)
  }
  return rules.sort((a, b) => bySpecificity(a.pattern, b.pattern))
}

/** Finds the winner of one kind. */
export class Winners {
  readonly #byPath = new Map<string, Rule>()
  readonly #globs: Rule[] = []
  /** All of them, most specific first. */
  readonly all: readonly Rule[]

  /** @param rules most specific first */
  constructor(kind: Kind, rules: readonly Rule[]) {
    for (const rule of rules) {
      const { pattern, filter } = rule
      if (filter[kind] === undefined && !(filter.open && OPENED.includes(kind))) continue
      if (isGlob(pattern)) this.#globs.push(rule)
      else this.#byPath.set(pattern, rule)
    }
    this.all = [...this.#byPath.values(), ...this.#globs]
  }

  /** The most specific rule that matches the path. */
  of(path: string): Rule | undefined {
    return this.#byPath.get(path) ?? this.#globs.find(({ pattern }) => matches(pattern, path))
  }
}

/** Sorts paths and globs, the most specific first. */
export function bySpecificity(a: string, b: string): number {
  if (a === EVERYTHING || b === EVERYTHING) return a === b ? 0 : a === EVERYTHING ? 1 : -1
  const left = a.split('/')
  const right = b.split('/')
  for (const [at, segment] of left.entries()) {
    const other = right[at]
    if (segment === other || other === undefined) continue
    if (segment === '*') return 1
    if (other === '*') return -1
  }
  return a < b ? -1 : a > b ? 1 : 0
}

type Check = (value: unknown) => string | undefined

const isFunction: Check = (value) =>
  typeof value === 'function' ? undefined : 'it must be a function'

/** The longest time, and the highest count; a hundred years are enough for anything. */
const MAX_WHOLE = 100 * 366 * 86_400_000

const isWhole: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MAX_WHOLE
    ? undefined
    : `it must be a whole number from 1 to ${MAX_WHOLE}`

const limitChecks: Record<keyof Limit, Check> = {
  count: isWhole,
  countOf: isFunction,
  maxAgeMs: isWhole,
  order: (value) => (value === 'asc' || value === 'desc' ? undefined : 'it must be asc or desc'),
  cleanupIntervalMs: isWhole,
}

/** @throws SKERRY_OPTION_INVALID, SKERRY_OPTION_UNKNOWN */
function assertLimit(name: string, limit: unknown): void {
  if (!isObject(limit)) throw skerryError('OPTION_INVALID', name, limit, 'it must be an object')
  assertParts(name, limit, limitChecks)
  const { count, countOf, maxAgeMs } = limit
  if (count === undefined && countOf === undefined && maxAgeMs === undefined) {
    throw skerryError('OPTION_INVALID', name, limit, 'give it count, countOf or maxAgeMs')
  }
}

const checks: Record<keyof Filter, Check> = {
  open: (value) => (typeof value === 'boolean' ? undefined : 'it must be true or false'),
  write: isFunction,
  afterWrite: isFunction,
  read: isFunction,
  readList: isFunction,
  delete: isFunction,
  beforeRead: isFunction,
  onChange: isFunction,
  schema: (value) => (isObject(value) ? undefined : 'it must be an object'),
  limit: () => undefined,
  ttlMs: isWhole,
}

function assertFilter(pattern: string, filter: unknown): void {
  const name = `filters['${pattern}']`
  if (!isObject(filter)) throw skerryError('OPTION_INVALID', name, filter, 'it must be an object')
  assertParts(name, filter, checks)
  if (filter['limit'] !== undefined) assertLimit(`${name}.limit`, filter['limit'])
}

function assertParts(name: string, parts: object, known: Readonly<Record<string, Check>>): void {
  for (const [part, value] of Object.entries(parts) as [string, unknown][]) {
    const check = Object.hasOwn(known, part) ? known[part] : undefined
    if (check === undefined) throw skerryError('OPTION_UNKNOWN', `${name}.${part}`)
    const fault = value === undefined ? undefined : check(value)
    if (fault !== undefined) throw skerryError('OPTION_INVALID', `${name}.${part}`, value, fault)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
