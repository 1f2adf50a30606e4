import { expect, test } from 'vitest'
import { filesBelow, read, sources } from './sources.ts'

const FILE_LINES_MAX = 450

const texts = filesBelow('.').filter(
  (path) =>
    !path.startsWith('.git/') && /\.(tsx?|js|json|md|ya?ml|html|css|svg|sh)$|\/run$/.test(path),
)

/** The lines of all texts that match, as `path:line text`. */
function linesMatching(pattern: RegExp): string[] {
  return texts.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [],
      ),
  )
}

test('nothing is left for later', () => {
  expect(linesMatching(/\b(FIXM[E]|TOD[O]|XX[X])\b/)).toEqual([])
})

test('no text names a place on the machine it was written on', () => {
  expect(linesMatching(/(^|[^\w.])\/(wor[k]|roo[t]|far[m]|tmp\/w[t])\//)).toEqual([])
})

test('the lock file names no download address', () => {
  expect(read('package-lock.json')).not.toMatch(/"resolved": "http/)
})

test(`no source is longer than ${FILE_LINES_MAX} lines`, () => {
  const long = sources()
    .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
    .filter(({ lines }) => lines > FILE_LINES_MAX)
  expect(long).toEqual([])
})
