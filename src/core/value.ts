import { elementsIn, membersIn } from './json.ts'
import { isGlob } from './path.ts'

/** An entry with its data as a plain value. */
export interface StateEntry<T = unknown> {
  /** Where it is stored, such as `users/42`. */
  readonly path: string
  /** The last segment of the path. */
  readonly index: string
  /** When it was first written: nanoseconds since the Unix epoch, exactly. */
  readonly created: bigint
  /** When it was last overwritten, likewise; 0n if never. */
  readonly updated: bigint
  /** The value, as `JSON.parse` reads it: integers beyond 2^53 are rounded. */
  readonly data: T
}

/** What a path or glob holds: a list for a glob, else an entry, or null where nothing is stored. */
export type Value = StateEntry | null | readonly StateEntry[]

/** Reads an entry from valid JSON; null if it says that nothing is stored. */
export function readEntry(text: string): StateEntry | null {
  const members = membersIn(text)
  const path = members.get('path')
  if (path === undefined) return null
  return {
    path: JSON.parse(path) as string,
    index: JSON.parse(members.get('index')!) as string,
    created: BigInt(members.get('created')!),
    updated: BigInt(members.get('updated')!),
    data: JSON.parse(members.get('data')!) as unknown,
  }
}

/** Reads what a path or glob holds from valid JSON. */
export function readValue(pattern: string, text: string): Value {
  if (!isGlob(pattern)) return text === 'null' ? null : readEntry(text)
  return elementsIn(text).map((element) => readEntry(element)!)
}

/**
 * The JSON text of a plain value. Members that are undefined are left out, as `JSON.stringify` does; whatever else it
 * would change or drop in silence is refused.
 * @throws TypeError or RangeError if the value has no form in JSON: undefined, a function, symbol or BigInt, a number
 * that is not finite, a hole of an array, a Map or Set, something that holds itself, or is nested too deep
 */
export function jsonOf(value: unknown): string {
  // Arrays are looked at as a whole, so what is undefined below is a member.
  const text = JSON.stringify(asserted(value, 'it'), (name, part: unknown) =>
    part === undefined ? part : asserted(part, name === '' ? 'it' : `'${name}'`),
  ) as string | undefined
  if (text === undefined) throw new TypeError('it is undefined')
  return text
}

/** @throws TypeError if the value, for itself, is nothing that JSON can say */
function asserted(value: unknown, name: string): unknown {
  const fault = faultOf(value)
  if (fault !== undefined) throw new TypeError(`${name} ${fault}`)
  return value
}

function faultOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'undefined':
    case 'function':
    case 'symbol':
      return `is ${typeof value === 'undefined' ? '' : 'a '}${typeof value}`
    case 'bigint':
      return `is the BigInt ${value}`
    case 'number':
      return Number.isFinite(value) ? undefined : `is ${value}`
    case 'object':
      return faultOfObject(value)
    default:
      return undefined
  }
}

function faultOfObject(value: object | null): string | undefined {
  if (Array.isArray(value)) {
    return value.includes(undefined) ? 'is a list that holds undefined' : undefined
  }
  if (value instanceof Map || value instanceof Set) return 'is a Map or Set'
  return undefined
}
