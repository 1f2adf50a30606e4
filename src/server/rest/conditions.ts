import type { IncomingHttpHeaders } from 'node:http'
import { skerryError } from '../../core/errors.ts'
import type { Condition } from '../../state/version.ts'

/** A list of entity tags (RFC 9110, 8.8.3). */
const TAGS = /^\s*(W\/)?"[^"]*"(\s*,\s*(W\/)?"[^"]*")*\s*$/
const TAG = /(W\/)?"([^"]*)"/g

/** A version as a header names it. */
export function etagOf(version: string): string {
  return `"${version}"`
}

/**
 * What `If-Match` and `If-None-Match` ask, if there is one of them.
 * @throws SKERRY_CONDITION_INVALID if they are not `*` or a list of quoted versions
 */
export function conditionOf(headers: IncomingHttpHeaders): Condition | undefined {
  const match = headers['if-match']
  const noneMatch = headers['if-none-match']
  if (match === undefined && noneMatch === undefined) return undefined
  return {
    // A weak tag promises too little for a write to build on.
    ...(match !== undefined && { ifMatch: versionsIn('If-Match', match, false) }),
    ...(noneMatch !== undefined && { ifNoneMatch: versionsIn('If-None-Match', noneMatch, true) }),
  }
}

function versionsIn(name: string, value: string, weak: boolean): string | string[] {
  if (value.trim() === '*') return '*'
  if (!TAGS.test(value)) {
    throw skerryError('CONDITION_INVALID', `${name} takes * or versions in double quotes`)
  }
  const versions: string[] = []
  for (const [, mark, version] of value.matchAll(TAG)) {
    if (weak || mark === undefined) versions.push(version!)
  }
  return versions
}
