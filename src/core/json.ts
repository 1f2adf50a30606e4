import { messageOf, skerryError } from './errors.ts'

// `JSON.parse` rounds integers beyond 2^53, and stamps are int64 nanoseconds. So JSON that carries
// stamps is checked as a whole and then cut into the texts of its parts; data is never parsed and
// printed again on its way through.

/**
 * Checks that `text` is one JSON value (RFC 8259).
 * @throws SKERRY_JSON_INVALID
 */
export function assertJson(text: string): void {
  try {
    JSON.parse(text)
  } catch (error) {
    throw skerryError('JSON_INVALID', messageOf(error))
  }
}

/**
 * The members of a JSON object: name → JSON text of its value. Of members with the same name the
 * last one counts, as in `JSON.parse`.
 * @throws SKERRY_JSON_INVALID if the text is not a JSON object
 */
export function jsonMembers(text: string): Map<string, string> {
  assertJson(text)
  const members = new Map<string, string>()
  let at = skipSpace(text, 0)
  if (text[at] !== '{') throw skerryError('JSON_INVALID', 'an object is expected')
  at = skipSpace(text, at + 1)
  while (text[at] !== '}') {
    const nameEnd = valueEnd(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = valueEnd(text, start)
    members.set(name, text.slice(start, end))
    at = nextPart(text, end)
  }
  return members
}

/**
 * The JSON texts of the elements of a JSON array.
 * @throws SKERRY_JSON_INVALID if the text is not a JSON array
 */
export function jsonElements(text: string): string[] {
  assertJson(text)
  const elements: string[] = []
  let at = skipSpace(text, 0)
  if (text[at] !== '[') throw skerryError('JSON_INVALID', 'an array is expected')
  at = skipSpace(text, at + 1)
  while (text[at] !== ']') {
    const end = valueEnd(text, at)
    elements.push(text.slice(at, end))
    at = nextPart(text, end)
  }
  return elements
}

const INT64 = /^-?(0|[1-9]\d{0,18})$/

/**
 * Reads the JSON text of an integer exactly.
 * @throws SKERRY_JSON_INVALID if it is not an integer of at most 64 bits
 */
export function parseInt64(text: string): bigint {
  const value = INT64.test(text) ? BigInt(text) : undefined
  if (value === undefined || BigInt.asIntN(64, value) !== value) {
    throw skerryError('JSON_INVALID', 'an integer of at most 64 bits is expected')
  }
  return value
}

/** From the end of one member or element to the start of the next, or to the closing bracket. */
function nextPart(text: string, end: number): number {
  const at = skipSpace(text, end)
  return text[at] === ',' ? skipSpace(text, at + 1) : at
}

function skipSpace(text: string, at: number): number {
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++
  return at
}

/** Where the value that starts at `at` ends, in text already known to be valid JSON. */
function valueEnd(text: string, at: number): number {
  let depth = 0
  do {
    const char = text[at]
    if (char === '"') {
      at = stringEnd(text, at)
    } else if (char === '{' || char === '[') {
      depth++
      at++
    } else if (char === '}' || char === ']') {
      depth--
      at++
    } else if (depth === 0) {
      return scalarEnd(text, at)
    } else {
      at++
    }
  } while (depth > 0)
  return at
}

function stringEnd(text: string, at: number): number {
  at++
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

const SCALAR = /[^\s,\]}]*/y

function scalarEnd(text: string, at: number): number {
  SCALAR.lastIndex = at
  SCALAR.test(text)
  return SCALAR.lastIndex
}
