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
  return splitMembers(text)
}

/** The same as {@link jsonMembers} for text that is known to be valid JSON. */
export function splitMembers(text: string): Map<string, string> {
  if (text[skipSpace(text, 0)] !== '{') throw skerryError('JSON_INVALID', 'an object is expected')
  return membersIn(text)
}

/** The members of what is known to be a valid JSON object. */
export function membersIn(text: string): Map<string, string> {
  const members = new Map<string, string>()
  let at = skipSpace(text, skipSpace(text, 0) + 1)
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
  return splitElements(text)
}

/** The same as {@link jsonElements} for text that is known to be valid JSON. */
export function splitElements(text: string): string[] {
  if (text[skipSpace(text, 0)] !== '[') throw skerryError('JSON_INVALID', 'an array is expected')
  return elementsIn(text)
}

/** The elements of what is known to be a valid JSON array. */
export function elementsIn(text: string): string[] {
  const elements: string[] = []
  let at = skipSpace(text, skipSpace(text, 0) + 1)
  while (text[at] !== ']') {
    const end = valueEnd(text, at)
    elements.push(text.slice(at, end))
    at = nextPart(text, end)
  }
  return elements
}

/** The JSON text of an object with these members. */
export function joinMembers(members: ReadonlyMap<string, string>): string {
  const parts: string[] = []
  for (const [name, value] of members) parts.push(`${JSON.stringify(name)}:${value}`)
  return `{${parts.join(',')}}`
}

/** What kind of value the text of valid JSON holds. */
export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null'

const KINDS: Readonly<Record<string, JsonKind>> = {
  '{': 'object',
  '[': 'array',
  '"': 'string',
  t: 'boolean',
  f: 'boolean',
  n: 'null',
}

/** Tells the kind of a value from its text, which is known to be valid JSON. */
export function jsonKind(text: string): JsonKind {
  return KINDS[text[skipSpace(text, 0)]!] ?? 'number'
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

/**
 * True if both texts mean the same JSON value, however they are written: spaces, escapes, the order of
 * members and the notation of numbers don't count. Integers are compared exactly, of any size.
 * @throws SKERRY_JSON_INVALID if one of them is not JSON
 */
export function equalJson(a: string, b: string): boolean {
  if (a === b) return true
  assertJson(a)
  assertJson(b)
  return equalValues(JSON.parse(tagged(a)) as Tagged, JSON.parse(tagged(b)) as Tagged)
}

const NUMBER = /-?\d[\d.eE+-]*/y

/** The text with each number turned into a string, which keeps its digits, and told from other strings. */
function tagged(text: string): string {
  const parts: string[] = []
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    let end = at + 1
    if (char === '"') {
      end = stringEnd(text, at)
      parts.push('"s', text.slice(at + 1, end))
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      NUMBER.lastIndex = at
      NUMBER.test(text)
      end = NUMBER.lastIndex
      parts.push('"n', numberText(text.slice(at, end)), '"')
    } else {
      parts.push(char)
    }
    at = end
  }
  return parts.join('')
}

function numberText(literal: string): string {
  const value = Number(literal)
  return /^-?\d+$/.test(literal) && !Number.isSafeInteger(value) ? literal : String(value)
}

type Tagged = null | boolean | string | Tagged[] | { [name: string]: Tagged }

/** Without recursion: values may be nested as deep as bodies are long. */
function equalValues(left: Tagged, right: Tagged): boolean {
  const pairs: [Tagged, Tagged][] = [[left, right]]
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [a, b] = pair
    if (a === b) continue
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
    if (Array.isArray(a) !== Array.isArray(b)) return false
    const names = Object.keys(a)
    if (names.length !== Object.keys(b).length) return false
    for (const name of names) {
      if (!Object.hasOwn(b, name)) return false
      pairs.push([memberOf(a, name), memberOf(b, name)])
    }
  }
  return true
}

function memberOf(value: Tagged[] | { [name: string]: Tagged }, name: string): Tagged {
  return (value as { [name: string]: Tagged })[name]!
}
