import { NS_PER_MS } from '../core/env.ts'
import { messageOf, skerryError, skerryErrorFrom } from '../core/errors.ts'
import { assertKey, isGlob, matches } from '../core/path.ts'
import { type HistoryPolicy, MAX_HISTORY_VERSIONS } from '../store/archive/policy.ts'
import type { Filters } from './filters.ts'
import { bySpecificity, rulesOf, Winners } from './rule.ts'

/** How many versions are kept that are not the newest any more, by path or glob, `**` for everything. */
export type HistoryCounts = Readonly<Record<string, number>>

/** The most paths and globs with a history. */
const MAX_PATTERNS = 1024

interface Count {
  readonly pattern: string
  readonly versions: number
}

/** What of the past is kept, as options and filters say. Of the counts, the most specific one that matches holds. */
export class Keeping implements HistoryPolicy {
  readonly #byPath = new Map<string, number>()
  readonly #globs: readonly Count[]
  readonly #limits: Winners
  readonly #ttls: Winners
  readonly keepsSome: boolean

  /** @throws what {@link assertHistory} throws, and what bad filters bring about */
  constructor(history: HistoryCounts, filters: Filters) {
    assertHistory('history', history)
    const counts = Object.entries(history).map(([pattern, versions]) => ({ pattern, versions }))
    counts.sort((a, b) => bySpecificity(a.pattern, b.pattern))
    for (const { pattern, versions } of counts) {
      if (!isGlob(pattern)) this.#byPath.set(pattern, versions)
    }
    this.#globs = counts.filter(({ pattern }) => isGlob(pattern))
    this.keepsSome = counts.some(({ versions }) => versions > 0)
    const rules = rulesOf(filters)
    this.#limits = new Winners('limit', rules)
    this.#ttls = new Winners('ttlMs', rules)
  }

  versions(path: string): number {
    const own = this.#byPath.get(path)
    if (own !== undefined) return own
    return this.#globs.find(({ pattern }) => matches(pattern, path))?.versions ?? 0
  }

  maxAgeNs(path: string): bigint | undefined {
    const ttl = this.#ttls.of(path)?.filter.ttlMs ?? Infinity
    const age = this.#limits.of(path)?.filter.limit?.maxAgeMs ?? Infinity
    const shorter = Math.min(ttl, age)
    return shorter === Infinity ? undefined : BigInt(shorter) * NS_PER_MS
  }

  expires(path: string): boolean {
    return this.#ttls.of(path) !== undefined || this.#limits.of(path) !== undefined
  }
}

/** @throws SKERRY_OPTION_INVALID */
export function assertHistory(name: string, history: unknown): void {
  if (typeof history !== 'object' || history === null || Array.isArray(history)) {
    throw skerryError('OPTION_INVALID', name, history, "use counts by path, as { 'docs/*': 10 }")
  }
  const counts = Object.entries(history)
  if (counts.length > MAX_PATTERNS) {
    throw skerryError('OPTION_INVALID', name, counts.length, `use at most ${MAX_PATTERNS} paths`)
  }
  for (const [pattern, versions] of counts as [string, unknown][]) {
    assertPath(name, pattern)
    const whole = Number.isInteger(versions) && (versions as number) >= 0
    if (whole && (versions as number) <= MAX_HISTORY_VERSIONS) continue
    const why = `use a whole number from 0 to ${MAX_HISTORY_VERSIONS}`
    throw skerryError('OPTION_INVALID', `${name}['${pattern}']`, versions, why)
  }
}

function assertPath(name: string, pattern: string): void {
  try {
    assertKey(pattern)
  } catch (error) {
    throw skerryErrorFrom(error, 'OPTION_INVALID', name, pattern, messageOf(error))
  }
}
