import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  assertKey,
  assertPattern,
  assertWritable,
  depthOf,
  EVERYTHING,
  intersect,
  isGlob,
  isReserved,
  lastSegment,
  literalPrefix,
  matches,
  MAX_PATH_LENGTH,
  MAX_SEGMENTS,
  pathFault,
  RESERVED_NAMES,
  sharedKeys,
} from '../../src/core/path.ts'

const name = fc.constantFrom('a', 'b', 'users', 'x.y', 'a-b', 'A_1')
const segments = fc.array(name, { minLength: 1, maxLength: 4 })
const paths = segments.map((parts) => parts.join('/'))
const globs = fc
  .array(fc.oneof(name, fc.constant('*')), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
const keys = fc.oneof({ weight: 9, arbitrary: globs }, { weight: 1, arbitrary: fc.constant('**') })

describe('a path', () => {
  test.each(['a', 'users/42', 'a.b/c_d/e-f', '0', 'a/.b/c', 'A'.repeat(MAX_PATH_LENGTH)])(
    'may be %s',
    (path) => expect(pathFault(path)).toBeUndefined(),
  )

  test.each([
    ['', 'empty'],
    ['/', 'first and last'],
    ['/a', 'first and last'],
    ['a/', 'first and last'],
    ['.a', 'first and last'],
    ['a.', 'first and last'],
    ['_a', 'first and last'],
    ['a/b-', 'first and last'],
    ['a-//b', 'empty segment'],
    ['a//b', 'empty segment'],
    ['a/./b', "'.' can't"],
    ['a/../b', "'..' can't"],
    ['a b', 'made of'],
    ['a/ü/b', 'made of'],
    ['a\nb', 'first and last'],
    ['a\n', 'first and last'],
    ['a\0b', 'made of'],
    ['a/*/b', 'must not hold'],
    ['a'.repeat(MAX_PATH_LENGTH + 1), 'longer'],
    [
      Array(MAX_SEGMENTS + 1)
        .fill('a')
        .join('/'),
      'segments',
    ],
  ])('%j is refused, and the message says why', (path, why) => {
    expect(pathFault(path)).toContain(why)
  })

  test('has parts', () => {
    expect(lastSegment('a/b/c')).toBe('c')
    expect(lastSegment('a')).toBe('a')
    expect(depthOf('a')).toBe(1)
    expect(depthOf('a/*/c')).toBe(3)
    expect(literalPrefix('a/*/c')).toBe('a/')
    expect(literalPrefix('a/b')).toBe('a/b')
    expect(isGlob('a/*')).toBe(true)
    expect(isGlob('a')).toBe(false)
  })
})

describe('a pattern', () => {
  test.each(['*', 'users/*', '*/posts', 'a/*/b/*', 'settings'])('may be %s', (pattern) => {
    expect(() => assertPattern(pattern)).not.toThrow()
  })

  test.each(['**', 'a/**', 'a*', 'a/b*', '*a/b', '', 'a//*', '*/'])('%j is refused', (pattern) => {
    expect(() => assertPattern(pattern)).toThrow(
      expect.objectContaining({ code: 'SKERRY_PATH_INVALID', status: 400 }),
    )
  })

  test('of a write has one * at most, at its end', () => {
    expect(() => assertWritable('users/*')).not.toThrow()
    expect(() => assertWritable('users/42')).not.toThrow()
    for (const pattern of ['users/*/posts', '*/posts/*', 'a/**']) {
      expect(() => assertWritable(pattern)).toThrow(
        expect.objectContaining({ code: 'SKERRY_PATH_INVALID' }),
      )
    }
  })

  test('of a write or a shared key may not begin with a reserved name, deeper down it may', () => {
    for (const reserved of RESERVED_NAMES) {
      for (const path of [reserved, `${reserved}/a`]) {
        expect(isReserved(path)).toBe(true)
        const refused = expect.objectContaining({
          code: expect.stringMatching(/^SKERRY_PATH_(RESERVED|INVALID)$/) as string,
        }) as Error
        expect(() => assertWritable(path)).toThrow(refused)
        expect(() => assertKey(path)).toThrow(refused)
      }
      expect(isReserved(`a/${reserved}`)).toBe(false)
      expect(isReserved(`${reserved}2`)).toBe(false)
    }
  })

  test('as a shared key may be everything', () => {
    expect(() => assertKey(EVERYTHING)).not.toThrow()
    expect(() => assertKey('users/*/posts/*')).not.toThrow()
    expect(() => assertKey('users/**')).toThrow()
  })
})

describe('matching', () => {
  test.each([
    ['users/*', 'users/42', true],
    ['users/*', 'users', false],
    ['users/*', 'users/42/posts', false],
    ['users/*', 'user/42', false],
    ['*', 'a', true],
    ['*', 'a/b', false],
    ['*/b', 'a/b', true],
    ['*/b', 'a/c', false],
    ['a/*/c/*', 'a/b/c/d', true],
    ['a/*/c/*', 'a/b/d/d', false],
    ['a/*/c', 'a/b/cc', false],
    ['a/*c', 'a/c', false],
    ['settings', 'settings', true],
    ['settings', 'settings2', false],
    ['**', 'a/b/c/d', true],
  ])('%s covers %s: %s', (pattern, path, covered) => {
    expect(matches(pattern, path)).toBe(covered)
  })

  test('agrees with a regular expression', () => {
    fc.assert(
      fc.property(globs, paths, (glob, path) => {
        const expression = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '[^/]+')}$`)
        expect(matches(glob, path)).toBe(expression.test(path))
      }),
    )
  })
})

describe('the intersection', () => {
  test.each([
    ['users/*', 'users/42', 'users/42'],
    ['*/42', 'users/*', 'users/42'],
    ['users/*', 'posts/*', undefined],
    ['users/*', 'users/*/posts', undefined],
    ['**', 'users/*', 'users/*'],
    ['a/*/c/*', '*/b/*/d', 'a/b/c/d'],
  ])('of %s and %s is %s', (a, b, both) => {
    expect(intersect(a, b)).toBe(both)
    expect(intersect(b, a)).toBe(both)
  })

  test('covers exactly what both cover', () => {
    fc.assert(
      fc.property(keys, keys, paths, (a, b, path) => {
        const both = intersect(a, b)
        const covered = both !== undefined && matches(both, path)
        expect(covered).toBe(matches(a, path) && matches(b, path))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('shared keys', () => {
  test('leave out what another one covers', () => {
    expect(sharedKeys(['users/*', 'settings'], ['users/1', 'users/*', 'other'])).toEqual([
      'users/*',
    ])
    expect(sharedKeys(['**'], ['b', 'a/*', 'a/1'])).toEqual(['a/*', 'b'])
    expect(sharedKeys(['a'], ['b'])).toEqual([])
  })

  test('are the same list on both sides, and cover exactly what both sides cover', () => {
    const lists = fc.array(keys, { maxLength: 5 })
    fc.assert(
      fc.property(lists, lists, paths, (mine, theirs, path) => {
        const shared = sharedKeys(mine, theirs)
        expect(sharedKeys(theirs, mine)).toEqual(shared)
        expect(new Set(shared).size).toBe(shared.length)
        const covers = (list: string[]) => list.some((key) => matches(key, path))
        expect(covers(shared)).toBe(covers(mine) && covers(theirs))
      }),
      { numRuns: 2000 },
    )
  })
})
