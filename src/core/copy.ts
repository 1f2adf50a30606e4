import {
  existsIn,
  immutableJSONPatch,
  type JSONPatchDocument,
  type JSONPatchOperation,
  parseJSONPointer,
} from 'immutable-json-patch'
import { elementsIn, membersIn } from './json.ts'
import { isGlob } from './path.ts'
import { readEntry, readValue, type Value } from './value.ts'

/** What the node showed of a path or glob at a version. */
export interface Snapshot {
  readonly version: string
  readonly value: Value
}

/**
 * What somebody holds of a path or glob, kept up to date by the frames of a subscription. The version changes only
 * after the frame was applied, so it always names what is held.
 */
export class Copy {
  readonly #pattern: string
  #held: Snapshot | undefined

  constructor(pattern: string, held?: Snapshot) {
    this.#pattern = pattern
    this.#held = held
  }

  /** Undefined as long as nothing came. */
  get held(): Snapshot | undefined {
    return this.#held
  }

  /**
   * Takes a frame, given by its members.
   * @throws if it does not follow from what is held, or can't be applied; nothing has changed then
   */
  take(members: ReadonlyMap<string, string>): void {
    const version = text(members.get('version'))
    const data = members.get('data')!
    if (members.get('snapshot') === 'true') {
      this.#held = { version, value: readValue(this.#pattern, data) }
      return
    }
    const held = this.#held
    if (held === undefined || text(members.get('previous')) !== held.version) {
      throw new Error('a frame is missing')
    }
    const operations = elementsIn(data).map((element) => readOperation(this.#pattern, element))
    this.#held = { version, value: patched(held.value, operations) }
  }
}

function text(json: string | undefined): string {
  return json === undefined ? '' : (JSON.parse(json) as string)
}

/** Reads an operation so that times stay exact: in a list they are in whole entries, too. */
function readOperation(pattern: string, json: string): JSONPatchOperation {
  const members = membersIn(json)
  const path = text(members.get('path'))
  const op = text(members.get('op'))
  const value = members.get('value')
  if (value === undefined) return { op, path } as JSONPatchOperation
  return { op, path, value: readAt(pattern, path, value) } as JSONPatchOperation
}

function readAt(pattern: string, pointer: string, json: string): unknown {
  const [first = '', second, third] = isGlob(pattern)
    ? pointer.slice(1).split('/')
    : ['', ...pointer.slice(1).split('/')]
  if (second === undefined || (second === '' && first === '')) return readEntry(json)
  const isTime = third === undefined && (second === 'created' || second === 'updated')
  return isTime ? BigInt(json) : (JSON.parse(json) as unknown)
}

/** Applies a patch to a copy; what it does not touch is shared with the original. */
function patched(value: Value, operations: JSONPatchOperation[]): Value {
  return immutableJSONPatch<Value>(value, operations, { before: assertFits })
}

/** The library passes over what is not there; here that means that something went wrong before. */
function assertFits(whole: unknown, { op, path }: JSONPatchOperation): Record<string, never> {
  const document = whole as JSONPatchDocument
  const at = parseJSONPointer(path)
  const fits = op === 'add' ? fitsBefore(document, at) : op !== 'test' && existsIn(document, at)
  if (!fits) throw new Error(`the patch does not fit at '${path}'`)
  return {}
}

function fitsBefore(document: JSONPatchDocument, at: string[]): boolean {
  const last = Number(at.at(-1))
  const parent = at.slice(0, -1)
  if (!existsIn(document, parent)) return false
  // An element may be added behind the last one, and no further.
  return at.length > 1 || !Array.isArray(document) || (last >= 0 && last <= document.length)
}
