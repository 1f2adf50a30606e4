import { skerryError } from './errors.ts'

// Paths name entries: `users/42`. Globs name sets of them: in `users/*` and `users/*/posts/*` each
// `*` stands for exactly one segment. `**` names every path at any depth; it appears only among
// the keys that nodes share, never in a request.

/** The longest path or glob, in characters. */
export const MAX_PATH_LENGTH = 1024

/** The most segments of a path or glob. */
export const MAX_SEGMENTS = 64

/** The pattern that matches every path at any depth. */
export const EVERYTHING = '**'

/** Top-level names that the server keeps for its own routes. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  'metrics',
  'healthz',
  'readyz',
  'openapi.json',
  '_skerry',
  '_pivot',
])

/** Where the server itself shows how its nodes are: to read and watch, never to write. */
export const STATUS_PATH = 'pivot/status'

/** What most paths look like: one look tells that they keep the rules, if they are short enough. */
const PLAIN = /^[A-Za-z0-9][\w-]*(?:\/[\w-]+)*(?<![_-])$/
const MAX_PLAIN_LENGTH = 2 * MAX_SEGMENTS

const SEGMENT = /^[A-Za-z0-9_.-]+$/
const ENDS = /^[A-Za-z0-9*](.*[A-Za-z0-9*])?$/

/** True if the pattern holds a `*` and so may match several paths. */
export function isGlob(pattern: string): boolean {
  return pattern.includes('*')
}

/** The last segment: the `index` of an entry. */
export function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** How many segments the path or glob has. */
export function depthOf(pattern: string): number {
  let depth = 1
  for (let at = pattern.indexOf('/'); at !== -1; at = pattern.indexOf('/', at + 1)) depth++
  return depth
}

/** The part of the pattern before its first `*`: every match begins with it. */
export function literalPrefix(pattern: string): string {
  const star = pattern.indexOf('*')
  return star === -1 ? pattern : pattern.slice(0, star)
}

/** Why `pattern` breaks the rules that paths and globs share, or undefined if it keeps them. */
function faultOf(pattern: string): string | undefined {
  if (pattern.length < MAX_PLAIN_LENGTH && PLAIN.test(pattern)) return undefined
  if (pattern === '') return 'it is empty'
  if (pattern.length > MAX_PATH_LENGTH) return `it is longer than ${MAX_PATH_LENGTH} characters`
  if (!ENDS.test(pattern)) return 'its first and last character must be a letter, a digit or *'
  const segments = pattern.split('/')
  if (segments.length > MAX_SEGMENTS) return `it has more than ${MAX_SEGMENTS} segments`
  for (const segment of segments) {
    if (segment === '') return 'it has an empty segment'
    if (segment === '.' || segment === '..') return `'${segment}' can't be a segment`
    if (segment === '*') continue
    if (segment.includes('*')) return 'a * stands for a whole segment'
    if (!SEGMENT.test(segment)) return 'segments are made of A-Z a-z 0-9 _ . -'
  }
  return undefined
}

/** Why `path` can't name one entry, or undefined if it can. */
export function pathFault(path: string): string | undefined {
  return isGlob(path) ? 'it must not hold a *' : faultOf(path)
}

/** True if the server keeps the path for itself. */
export function isReserved(path: string): boolean {
  if (path === STATUS_PATH) return true
  const slash = path.indexOf('/')
  return RESERVED_NAMES.has(slash === -1 ? path : path.slice(0, slash))
}

/**
 * Checks a path or glob to read from.
 * @throws SKERRY_PATH_INVALID
 */
export function assertPattern(pattern: string): void {
  const fault = faultOf(pattern)
  if (fault !== undefined) throw skerryError('PATH_INVALID', pattern, fault)
}

/**
 * Checks a path or glob to write to: at most one `*`, and only as the last segment; no reserved name.
 * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED
 */
export function assertWritable(pattern: string): void {
  assertPattern(pattern)
  const star = pattern.indexOf('*')
  if (star !== -1 && star !== pattern.length - 1) {
    throw skerryError('PATH_INVALID', pattern, 'a write takes one *, as its last segment')
  }
  if (isReserved(pattern)) throw skerryError('PATH_RESERVED', pattern)
}

/**
 * Checks a key that nodes share: a path, a glob, or `**` for everything.
 * @throws SKERRY_PATH_INVALID, SKERRY_PATH_RESERVED
 */
export function assertKey(key: string): void {
  if (key === EVERYTHING) return
  assertPattern(key)
  if (isReserved(key)) throw skerryError('PATH_RESERVED', key)
}

/** True if the glob, path or `**` covers the path. */
export function matches(pattern: string, path: string): boolean {
  if (pattern === EVERYTHING || pattern === path) return true
  if (!isGlob(pattern)) return false
  let p = 0
  let s = 0
  while (p < pattern.length) {
    if (pattern[p] === '*') {
      const end = path.indexOf('/', s)
      s = end === -1 ? path.length : end
      p++
    } else if (pattern[p] === path[s]) {
      p++
      s++
    } else {
      return false
    }
  }
  return s === path.length
}

/** The pattern that covers exactly what both cover, or undefined if nothing can be in both. */
export function intersect(a: string, b: string): string | undefined {
  if (a === EVERYTHING) return b
  if (b === EVERYTHING) return a
  const left = a.split('/')
  const right = b.split('/')
  if (left.length !== right.length) return undefined
  const both: string[] = []
  for (const [i, segment] of left.entries()) {
    const other = right[i]!
    if (segment !== other && segment !== '*' && other !== '*') return undefined
    both.push(segment === '*' ? other : segment)
  }
  return both.join('/')
}

/** True if every path that `inner` covers is covered by `outer`. */
export function covers(outer: string, inner: string): boolean {
  if (!isGlob(inner)) return matches(outer, inner)
  return outer === EVERYTHING || intersect(outer, inner) === inner
}

/**
 * The key paths that two nodes share: the pairwise intersections of what each configures, without
 * those that another one covers, in order. Both nodes work out the same list.
 */
export function sharedKeys(mine: readonly string[], theirs: readonly string[]): string[] {
  const both = new Set<string>()
  for (const a of mine) {
    for (const b of theirs) {
      const shared = intersect(a, b)
      if (shared !== undefined) both.add(shared)
    }
  }
  const keys = [...both]
  return keys.filter((key) => !keys.some((other) => other !== key && covers(other, key))).sort()
}
