import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareVersions,
  type Entry,
  entryJson,
  fingerprint,
  isTombstone,
  parseEntry,
  stampOf,
  tombstone,
} from '../../src/core/entry.ts'

const hash = (text: string) => createHash('sha256').update(text).digest('hex')

/** Few values of each field, so that versions tie in some fields and differ in others. */
const versions: fc.Arbitrary<Entry> = fc.record({
  path: fc.constant('users/42'),
  created: fc.bigInt(0n, 3n),
  updated: fc.bigInt(0n, 3n),
  origin: fc.constantFrom('', 'a', 'b'),
  data: fc.constantFrom(null, '1', '{"a":1}'),
})

const order = (a: Entry, b: Entry) => Math.sign(compareVersions(a, b, hash))
const merge = (a: Entry, b: Entry) => (order(a, b) >= 0 ? a : b)

describe('the order of versions', () => {
  const base: Entry = { path: 'a', created: 5n, updated: 0n, origin: 'n', data: '1' }

  test.each<[string, Partial<Entry>, Partial<Entry>]>([
    ['stamp', { created: 9n }, { created: 8n, updated: 7n, data: null, origin: 'z' }],
    ['the newer of both times', { updated: 6n }, { created: 5n, updated: 0n }],
    ['then a tombstone', { data: null, origin: '' }, { data: '1', origin: 'z' }],
    ['then the origin', { origin: 'b' }, { origin: 'a' }],
    ['then the time of creation', { created: 4n, updated: 9n }, { created: 3n, updated: 9n }],
    ['then the time of the update', { created: 9n, updated: 4n }, { created: 9n, updated: 3n }],
  ])('is decided by %s', (_, newer, older) => {
    expect(order({ ...base, ...newer }, { ...base, ...older })).toBe(1)
    expect(order({ ...base, ...older }, { ...base, ...newer })).toBe(-1)
  })

  test('is decided by the hash of the data before the time of creation', () => {
    const one = { ...base, created: 3n, updated: 9n, data: '1' }
    const two = { ...base, created: 4n, updated: 9n, data: '2' }
    expect(order(one, two)).toBe(hash('1') < hash('2') ? -1 : 1)
  })

  test('is total: antisymmetric, transitive, and equal only for equal versions', () => {
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        expect(order(a, b) + order(b, a)).toBe(0)
        if (order(a, b) <= 0 && order(b, c) <= 0) expect(order(a, c)).toBeLessThanOrEqual(0)
        expect(order(a, b) === 0).toBe(fingerprint(a, hash) === fingerprint(b, hash))
      }),
      { numRuns: 5000 },
    )
  })

  test('makes merging commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        expect(merge(a, b)).toEqual(merge(b, a))
        expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)))
        expect(merge(a, a)).toEqual(a)
      }),
      { numRuns: 5000 },
    )
  })

  test('is that of the same versions written by nobody: an overruling flag decides nothing', () => {
    expect(order({ ...base, overrules: true }, base)).toBe(0)
  })
})

describe('an entry', () => {
  test('as a tombstone has its stamp in updated', () => {
    const deleted = tombstone('a', 7n, 'n')
    expect(stampOf(deleted)).toBe(7n)
    expect(isTombstone(deleted)).toBe(true)
    expect(isTombstone({ ...deleted, data: 'null' })).toBe(false)
  })

  test('reads as clients of ooo expect it, times in full', () => {
    const entry = {
      path: 'users/16b8',
      created: 1795207420889258771n,
      updated: 0n,
      origin: 'n',
      data: '{ "a": 1.50 }',
    }
    const text = entryJson(entry)
    expect(text).toBe(
      '{"created":1795207420889258771,"updated":0,"index":"16b8","path":"users/16b8","data":{ "a": 1.50 }}',
    )
    expect(parseEntry(text, undefined, 'n')).toEqual(entry)
  })

  test('survives the way to JSON and back', () => {
    const entries = fc.record({
      path: fc.constantFrom('a', 'a/b-c/d.e'),
      created: fc.bigInt(0n, 2n ** 63n - 1n),
      updated: fc.bigInt(0n, 2n ** 63n - 1n),
      origin: fc.constantFrom('', 'n'),
      data: fc.json(),
    })
    fc.assert(
      fc.property(entries, (entry) => {
        expect(parseEntry(entryJson(entry), undefined, entry.origin)).toEqual(entry)
      }),
    )
  })

  test('from a peer may leave its path and times out', () => {
    expect(parseEntry('{"data":1}', 'a/b', '')).toEqual({
      path: 'a/b',
      created: 0n,
      updated: 0n,
      origin: '',
      data: '1',
    })
  })

  test.each([
    ['{"data":1}', undefined, 'SKERRY_JSON_INVALID'],
    ['{"path":1,"data":1}', undefined, 'SKERRY_JSON_INVALID'],
    ['{"path":"a"}', undefined, 'SKERRY_JSON_INVALID'],
    ['{"path":"a//b","data":1}', undefined, 'SKERRY_PATH_INVALID'],
    ['{"path":"a/*","data":1}', undefined, 'SKERRY_PATH_INVALID'],
    ['{"data":1}', '../a', 'SKERRY_PATH_INVALID'],
    ['{"created":1.5,"data":1}', 'a', 'SKERRY_JSON_INVALID'],
    ['{"created":"1","data":1}', 'a', 'SKERRY_JSON_INVALID'],
    ['{"updated":9223372036854775808,"data":1}', 'a', 'SKERRY_JSON_INVALID'],
    ['[]', 'a', 'SKERRY_JSON_INVALID'],
  ])('%s at %s is refused with %s', (text, path, code) => {
    expect(() => parseEntry(text, path, '')).toThrow(expect.objectContaining({ code }) as Error)
  })

  test('has a fingerprint of all its fields', () => {
    const entry: Entry = { path: 'a', created: 1n, updated: 2n, origin: 'n', data: '3' }
    const others: Partial<Entry>[] = [
      { path: 'b' },
      { created: 2n },
      { updated: 3n },
      { origin: 'm' },
      { data: '4' },
      { data: null },
    ]
    const prints = [entry, ...others.map((other) => ({ ...entry, ...other }))]
    expect(new Set(prints.map((each) => fingerprint(each, hash))).size).toBe(prints.length)
  })
})
