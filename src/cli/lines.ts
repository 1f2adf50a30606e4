import { skerryError } from '../index.ts'

/** The longest line that is read, in characters: far above the largest entry that a node takes. */
const MAX_LINE = 256 * 1024 * 1024

/** The lines of a text that comes in pieces, without their ends; empty ones are left out. */
export async function* linesOf(texts: AsyncIterable<string>, file: string): AsyncGenerator<string> {
  let rest: string[] = []
  let length = 0
  for await (const text of texts) {
    const parts = text.split('\n')
    const last = parts.pop()!
    for (const part of parts) {
      const line = rest.length === 0 ? part : rest.join('') + part
      rest = []
      length = 0
      if (line.trim() !== '') yield line
    }
    rest.push(last)
    length += last.length
    if (length > MAX_LINE) throw skerryError('FILE_FAILED', file, 'a line of it has no end')
  }
  const line = rest.join('')
  if (line.trim() !== '') yield line
}
