import jsonPatch, { type Operation } from 'fast-json-patch'
import { messageOf, SkerryError, skerryError, skerryErrorFrom } from '../core/errors.ts'
import { equalJson, joinMembers, jsonKind, splitElements, splitMembers } from '../core/json.ts'

// JSON Patch (RFC 6902) as clients send it. A library applies the operations, to a tree that is unfolded only
// where they reach: everything else in it is a leaf, the JSON text as it was written.

/** The most operations of one patch. */
const MAX_OPERATIONS = 1000

/** The most segments of a pointer. */
const MAX_POINTER_DEPTH = 64

/** A value: its JSON text, or unfolded. */
type Tree = string | Tree[] | { [name: string]: Tree }

interface PatchOperation {
  readonly at: number
  readonly op: string
  readonly pointer: string
  readonly from: string | undefined
  /** JSON text. */
  readonly value: string | undefined
}

/**
 * Applies a JSON Patch, all of it or nothing.
 * @param data valid JSON
 * @param patch valid JSON
 * @param maxCharacters how much may be copied in all: copies of copies grow fast
 * @throws SKERRY_PATCH_INVALID, SKERRY_PATCH_TEST_FAILED, SKERRY_DATA_TOO_LARGE
 */
export function applyOperations(data: string, patch: string, maxCharacters: number): string {
  if (jsonKind(patch) !== 'array') throw skerryError('PATCH_INVALID', 'an array is expected')
  const operations = splitElements(patch)
  if (operations.length > MAX_OPERATIONS) {
    throw skerryError('PATCH_INVALID', `it has more than ${MAX_OPERATIONS} operations`)
  }
  let tree: Tree = data
  let copied = 0
  for (const [at, text] of operations.entries()) {
    const operation = readOperation(text, at)
    if (operation.op === 'copy') {
      tree = unfold(tree, operation.from!, at)
      const value = textAt(tree, operation.from!, at)
      copied += value.length
      if (copied > maxCharacters) throw skerryError('DATA_TOO_LARGE', maxCharacters)
      tree = change(tree, { ...operation, op: 'add', value })
    } else {
      tree = apply(tree, operation)
    }
  }
  return textOf(tree)
}

function apply(tree: Tree, operation: PatchOperation): Tree {
  const { at, op, pointer, from, value } = operation
  if (op === 'move') {
    const source = unfold(tree, from!, at)
    const moved = textAt(source, from!, at)
    if (from === pointer) return source
    const without = change(source, { ...operation, op: 'remove', pointer: from! })
    return change(without, { ...operation, op: 'add', value: moved })
  }
  if (op !== 'test') return change(tree, operation)
  const unfolded = unfold(tree, pointer, at)
  if (equalJson(textAt(unfolded, pointer, at), value!)) return unfolded
  throw skerryError('PATCH_TEST_FAILED', at, pointer)
}

/** Adds, replaces or removes. */
function change(tree: Tree, { at, op, pointer, value }: PatchOperation): Tree {
  // Nothing would be left that an entry could hold.
  if (op === 'remove' && pointer === '') {
    throw invalid(at, 'the whole can not be removed; delete the entry instead')
  }
  const operation = { op, path: pointer, value } as Operation
  try {
    return jsonPatch.applyOperation<Tree>(unfold(tree, pointer, at), operation, true).newDocument
  } catch (error) {
    if (error instanceof SkerryError) throw error
    const [why = ''] = messageOf(error).split('\n')
    throw skerryErrorFrom(error, 'PATCH_INVALID', `operation ${at}: ${why}`)
  }
}

const NEEDS: Readonly<Record<string, 'value' | 'from' | undefined>> = {
  add: 'value',
  replace: 'value',
  test: 'value',
  move: 'from',
  copy: 'from',
  remove: undefined,
}

function readOperation(text: string, at: number): PatchOperation {
  if (jsonKind(text) !== 'object') throw invalid(at, 'an object is expected')
  const members = splitMembers(text)
  const op = readString(members, 'op', at)
  if (!Object.hasOwn(NEEDS, op)) throw invalid(at, `'${op}' is not an operation of RFC 6902`)
  const pointer = readString(members, 'path', at)
  const value = members.get('value')
  if (NEEDS[op] === 'value' && value === undefined) throw invalid(at, "'value' is missing")
  const from = NEEDS[op] === 'from' ? readString(members, 'from', at) : undefined
  if (op === 'move' && pointer.startsWith(`${from}/`)) {
    throw invalid(at, 'nothing can be moved into itself')
  }
  return { at, op, pointer, from, value }
}

function readString(members: ReadonlyMap<string, string>, name: string, at: number): string {
  const text = members.get(name)
  if (text === undefined || jsonKind(text) !== 'string') {
    throw invalid(at, `'${name}' must be a string`)
  }
  return JSON.parse(text) as string
}

/**
 * The names in a JSON Pointer (RFC 6901).
 * @throws SKERRY_PATCH_INVALID if it is malformed, too deep, or reaches for a prototype
 */
function namesIn(pointer: string, at: number): string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) {
    throw invalid(at, `'${pointer}' is not a JSON Pointer`)
  }
  const names = pointer.slice(1).split('/').map(unescapeName)
  if (names.length > MAX_POINTER_DEPTH) throw invalid(at, 'its pointer is too deep')
  for (const [depth, name] of names.entries()) {
    if (name === '__proto__' || (name === 'prototype' && names[depth - 1] === 'constructor')) {
      throw invalid(at, `'${pointer}' reaches for a prototype`)
    }
  }
  return names
}

function unescapeName(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** Unfolds the tree down to what holds the last name of the pointer. */
function unfold(tree: Tree, pointer: string, at: number): Tree {
  const names = namesIn(pointer, at)
  if (names.length === 0) return tree
  const root = unfolded(tree)
  let parent = root
  for (const [depth, name] of names.entries()) {
    assertContainer(parent, name, at)
    if (depth === names.length - 1) break
    const child = childOf(parent, name)
    if (child === undefined) throw invalid(at, `nothing is at '${pointer}'`)
    parent = (parent as Record<string, Tree>)[name] = unfolded(child)
  }
  return root
}

function unfolded(tree: Tree): Tree {
  if (typeof tree !== 'string') return tree
  const kind = jsonKind(tree)
  if (kind === 'array') return splitElements(tree)
  if (kind !== 'object') return tree
  // Without a prototype every name is just a name.
  const members = Object.create(null) as { [name: string]: Tree }
  for (const [name, value] of splitMembers(tree)) members[name] = value
  return members
}

const INDEX = /^(0|[1-9]\d{0,8}|-)$/

function assertContainer(parent: Tree, name: string, at: number): void {
  if (typeof parent === 'string') throw invalid(at, `'${name}' would be within a plain value`)
  if (Array.isArray(parent) && !INDEX.test(name)) {
    throw invalid(at, `'${name}' is not an index of an array`)
  }
}

function childOf(parent: Tree, name: string): Tree | undefined {
  return (parent as Record<string, Tree>)[name]
}

/** The text of what the pointer, already unfolded, leads to. */
function textAt(tree: Tree, pointer: string, at: number): string {
  let found: Tree | undefined = tree
  for (const name of namesIn(pointer, at)) found = found && childOf(found, name)
  if (found === undefined) throw invalid(at, `nothing is at '${pointer}'`)
  return textOf(found)
}

function textOf(tree: Tree): string {
  if (typeof tree === 'string') return tree
  if (Array.isArray(tree)) return `[${tree.map(textOf).join(',')}]`
  return joinMembers(new Map(Object.entries(tree).map(([name, value]) => [name, textOf(value)])))
}

function invalid(at: number, why: string): Error {
  return skerryError('PATCH_INVALID', `operation ${at}: ${why}`)
}
