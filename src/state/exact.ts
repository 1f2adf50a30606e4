import { joinMembers, jsonKind, splitElements, splitMembers } from '../core/json.ts'

/** How deep unchanged parts are looked for. */
const MAX_DEPTH = 8

/**
 * The text of a value that was parsed from `text`, handed to somebody and came back as `after`: whatever is still
 * the same keeps the very digits that it was written with.
 * @param text valid JSON
 * @param after what `JSON.stringify` made of what came back
 */
export function restated(text: string, after: string, depth = 0): string {
  if (JSON.stringify(JSON.parse(text)) === after) return text
  const kind = jsonKind(after)
  if (depth === MAX_DEPTH || kind !== jsonKind(text)) return after
  if (kind === 'object') {
    const before = splitMembers(text)
    const members = splitMembers(after)
    for (const [name, value] of members) {
      const old = before.get(name)
      if (old !== undefined) members.set(name, restated(old, value, depth + 1))
    }
    return joinMembers(members)
  }
  if (kind !== 'array') return after
  const before = splitElements(text)
  const elements = splitElements(after)
  if (elements.length !== before.length) return after
  return `[${elements.map((value, at) => restated(before[at]!, value, depth + 1)).join(',')}]`
}
