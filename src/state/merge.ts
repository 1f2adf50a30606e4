import { skerryError } from '../core/errors.ts'
import { joinMembers, jsonKind, splitElements, splitMembers } from '../core/json.ts'

// Merging on JSON text: what a patch does not name keeps the very digits it was written with.

/** How deep a patch may reach into the data: each level costs one pass over what lies below it. */
const MAX_MERGE_DEPTH = 64

/**
 * Merges an object into data, as the ancestor's PATCH does: objects member by member, arrays by index where an
 * object names the indexes, and anything else takes the place of what was there. Nothing is ever removed: null is
 * a value.
 *
 * The ancestor leaves out in silence what does not fit; here it is refused.
 * @param data valid JSON
 * @param patch valid JSON
 * @throws SKERRY_PATCH_INVALID
 */
export function mergeData(data: string, patch: string): string {
  if (jsonKind(patch) !== 'object') throw invalid('the body must be an object')
  return mergeObject(data, patch, '')
}

function mergeObject(data: string, patch: string, pointer: string): string {
  const kind = jsonKind(data)
  if (kind === 'object') return mergeMembers(data, patch, pointer)
  if (kind === 'array') return mergeElements(data, patch, pointer)
  throw invalid(`an object can't be merged into the ${kind} at '${pointer}'`)
}

function mergeMembers(data: string, patch: string, pointer: string): string {
  assertDepth(pointer)
  const members = splitMembers(data)
  for (const [name, value] of splitMembers(patch)) {
    const held = members.get(name)
    members.set(name, held === undefined ? value : mergeValue(held, value, `${pointer}/${name}`))
  }
  return joinMembers(members)
}

function mergeElements(data: string, patch: string, pointer: string): string {
  assertDepth(pointer)
  const elements = splitElements(data)
  for (const [name, value] of splitMembers(patch)) {
    const held = INDEX.test(name) ? elements[Number(name)] : undefined
    if (held === undefined) throw invalid(`the array at '${pointer}' has no element '${name}'`)
    elements[Number(name)] = mergeValue(held, value, `${pointer}/${name}`)
  }
  return `[${elements.join(',')}]`
}

function mergeValue(held: string, value: string, pointer: string): string {
  const kind = jsonKind(held)
  if (jsonKind(value) === 'object' && (kind === 'object' || kind === 'array')) {
    return mergeObject(held, value, pointer)
  }
  if (kind === 'object') throw invalid(`only an object can be merged into '${pointer}'`)
  return value
}

/**
 * Applies a JSON Merge Patch (RFC 7396): as {@link mergeData}, but null removes a member, arrays are replaced
 * whole, and whatever is not an object takes the place of what was there.
 * @param data valid JSON
 * @param patch valid JSON
 * @throws SKERRY_PATCH_INVALID if the patch reaches too deep
 */
export function applyMergePatch(data: string | undefined, patch: string, depth = 0): string {
  if (jsonKind(patch) !== 'object') return patch
  if (depth === MAX_MERGE_DEPTH) throw tooDeep()
  const isObject = data !== undefined && jsonKind(data) === 'object'
  const members = isObject ? splitMembers(data) : new Map<string, string>()
  for (const [name, value] of splitMembers(patch)) {
    if (jsonKind(value) === 'null') members.delete(name)
    else members.set(name, applyMergePatch(members.get(name), value, depth + 1))
  }
  return joinMembers(members)
}

const INDEX = /^(0|[1-9]\d{0,8})$/

function assertDepth(pointer: string): void {
  if (pointer.split('/').length > MAX_MERGE_DEPTH) throw tooDeep()
}

function tooDeep(): Error {
  return invalid(`it reaches deeper than ${MAX_MERGE_DEPTH} levels`)
}

function invalid(why: string): Error {
  return skerryError('PATCH_INVALID', why)
}
