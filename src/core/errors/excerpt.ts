const EXCERPT_LENGTH = 120

/** Hostile input may be huge: a message quotes only its beginning. */
export function excerpt(text: string): string {
  return text.length <= EXCERPT_LENGTH ? text : `${text.slice(0, EXCERPT_LENGTH)}…`
}
