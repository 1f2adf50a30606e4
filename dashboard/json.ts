/** Deeper than this, lines are not moved in any further. */
const MAX_INDENT = 40

/** What ends a number or a name. */
const MARKS = new Set('{}[],:" \t\r\n')

/** JSON made readable, or the beginning of it. */
export interface Readable {
  readonly text: string
  /** False if there is more than was asked for. */
  readonly whole: boolean
}

/**
 * JSON with a member or element a line. Only white space changes: a number keeps all its digits, where parsing and
 * printing again would round it.
 * @param text valid JSON
 * @param characters how many of them are enough
 */
export function indented(text: string, characters = Infinity): Readable {
  const parts: string[] = []
  let depth = 0
  let opened = false
  let length = 0
  const add = (part: string): void => {
    parts.push(part)
    length += part.length
  }
  const line = (): void => add(`\n${'  '.repeat(Math.min(depth, MAX_INDENT))}`)
  for (const { token } of tokensOf(text)) {
    if (length > characters) break
    const closes = token === '}' || token === ']'
    if (closes) depth--
    if (opened ? !closes : closes) line()
    add(token)
    opened = token === '{' || token === '['
    if (opened) depth++
    else if (token === ',') line()
    else if (token === ':') add(' ')
  }
  const whole = length <= characters
  const joined = parts.join('')
  return { text: whole ? joined : joined.slice(0, characters), whole }
}

/** The texts of the elements of an array, or of the members of an object, each with its name. */
export function elementsOf(text: string): string[] {
  const elements: string[] = []
  let depth = 0
  let start = 1
  for (const { token, at } of tokensOf(text)) {
    const closes = token === '}' || token === ']'
    if (closes) depth--
    if (closes ? depth === 0 : depth === 1 && token === ',') {
      const element = text.slice(start, at).trim()
      if (element !== '') elements.push(element)
      start = at + 1
    }
    if (token === '{' || token === '[') depth++
  }
  return elements
}

/** The texts of the members of an object, by name. */
export function membersOf(text: string): Map<string, string> {
  return new Map(
    elementsOf(text).map((member) => {
      const colon = stringEnd(member, 0)
      const value = member.slice(member.indexOf(':', colon) + 1).trim()
      return [JSON.parse(member.slice(0, colon)) as string, value]
    }),
  )
}

interface Token {
  readonly token: string
  readonly at: number
}

/** Strings, marks of structure, numbers and names; no white space. */
function* tokensOf(text: string): Generator<Token> {
  for (let at = 0; at < text.length;) {
    const first = text[at]!
    let end = at + 1
    if (first === '"') end = stringEnd(text, at)
    else if (!MARKS.has(first)) while (end < text.length && !MARKS.has(text[end]!)) end++
    if (first > ' ') yield { token: text.slice(at, end), at }
    at = end
  }
}

/** Behind the quote that ends the string which begins there. No regular expression: a string may be megabytes. */
function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let escapes = 0
    while (text[at - 1 - escapes] === '\\') escapes++
    if (escapes % 2 === 0) return at + 1
  }
  return text.length
}

/** A value in few words, for lists: cut, and with a sign where a number had more digits than could be read. */
export function glimpse(value: unknown, characters: number): string {
  const text = JSON.stringify(value, (_name, part: unknown) =>
    typeof part === 'number' && Number.isInteger(part) && !Number.isSafeInteger(part)
      ? `≈${part}`
      : part,
  )
  return text.length > characters ? `${text.slice(0, characters)}…` : text
}

/** An entry as it stands in an answer: times and data exact to the digit. */
export interface ExactEntry {
  readonly created: bigint
  readonly updated: bigint
  /** The JSON text of the data. */
  readonly data: string
}

const HEAD = /^\{"created":(\d+),"updated":(\d+),"index":"[^"]*","path":"[^"]*"$/
const DATA = ',"data":'

/** Reads an entry as nodes print it; undefined if the text is none. */
export function exactEntry(text: string): ExactEntry | undefined {
  const split = text.indexOf(DATA)
  const [, created, updated] = HEAD.exec(text.slice(0, Math.max(0, split))) ?? []
  if (created === undefined || updated === undefined) return undefined
  const data = text.slice(split + DATA.length, -1)
  return { created: BigInt(created), updated: BigInt(updated), data }
}
