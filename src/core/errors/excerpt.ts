const EXCERPT_LENGTH = 120

/** Hostile input may be huge: a message quotes only its beginning. */
export function excerpt(text: string): string {
  return text.length <= EXCERPT_LENGTH ? text : `${text.slice(0, EXCERPT_LENGTH)}…`
}

/** A value of any kind as a message quotes it, also one that JSON can't carry. */
export function quoted(value: unknown): string {
  try {
    return excerpt(JSON.stringify(value) ?? String(value))
  } catch {
    // A bigint or a circle.
    return excerpt(String(value))
  }
}

/** The most names that a message lists. */
const MAX_NAMED = 10

/** Names of nodes in a message; of many the first ones. */
export function naming(names: readonly string[]): string {
  if (names.length === 0) return 'none'
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : ''
  return names.slice(0, MAX_NAMED).map(excerpt).join(', ') + more
}
