import type { Entry } from '../core/entry.ts'
import { jsonMembers } from '../core/json.ts'

// JSON Patch (RFC 6902), put together as text: values keep the very digits they were written with.

/** Below this, in characters, data is replaced whole: looking for what differs would not pay. */
const SMALL_DATA = 256

/** How deep differences in data are looked for. */
const MAX_DEPTH = 4

/** Names that libraries which apply patches refuse in a path, for fear of prototypes. */
const REFUSED_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** One operation of a patch, as JSON text. */
export function operation(op: 'add' | 'replace', pointer: string, value: string): string {
  return `{"op":"${op}","path":${JSON.stringify(pointer)},"value":${value}}`
}

/** The operation that removes what is at the pointer, as JSON text. */
export function removal(pointer: string): string {
  return `{"op":"remove","path":${JSON.stringify(pointer)}}`
}

/** The operations that turn one version of an entry into another; none if readers see no difference. */
export function entryPatch(pointer: string, before: Entry, after: Entry): string[] {
  const operations: string[] = []
  if (before.created !== after.created) {
    operations.push(operation('replace', `${pointer}/created`, `${after.created}`))
  }
  if (before.updated !== after.updated) {
    operations.push(operation('replace', `${pointer}/updated`, `${after.updated}`))
  }
  if (before.data !== after.data) {
    operations.push(...dataPatch(`${pointer}/data`, before.data!, after.data!))
  }
  return operations
}

/** The operations that turn one JSON text into another: the shorter of a replacement and the differences. */
export function dataPatch(pointer: string, before: string, after: string): string[] {
  const whole = operation('replace', pointer, after)
  if (after.length < SMALL_DATA) return [whole]
  const differences = valuePatch(pointer, before, after, MAX_DEPTH)
  return totalLength(differences) < whole.length ? differences : [whole]
}

function valuePatch(pointer: string, before: string, after: string, depth: number): string[] {
  if (before === after) return []
  if (depth === 0 || !isObject(before) || !isObject(after)) {
    return [operation('replace', pointer, after)]
  }
  return (
    membersPatch(pointer, jsonMembers(before), jsonMembers(after), depth) ?? [
      operation('replace', pointer, after),
    ]
  )
}

type Members = ReadonlyMap<string, string>

/** The operations between two objects, or undefined if a name is refused. */
function membersPatch(
  pointer: string,
  before: Members,
  after: Members,
  depth: number,
): string[] | undefined {
  const operations: string[] = []
  for (const name of before.keys()) {
    if (after.has(name)) continue
    if (REFUSED_NAMES.has(name)) return undefined
    operations.push(removal(`${pointer}/${escapeName(name)}`))
  }
  for (const [name, value] of after) {
    const old = before.get(name)
    if (old === value) continue
    if (REFUSED_NAMES.has(name)) return undefined
    const at = `${pointer}/${escapeName(name)}`
    if (old === undefined) operations.push(operation('add', at, value))
    else operations.push(...valuePatch(at, old, value, depth - 1))
  }
  return operations
}

/** A name as a JSON Pointer (RFC 6901) has it. */
function escapeName(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function isObject(json: string): boolean {
  return /^\s*\{/.test(json)
}

function totalLength(texts: readonly string[]): number {
  return texts.reduce((length, text) => length + text.length, 0)
}
