import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  entryFault,
  entryTuple,
  pack,
  type Packable,
  readBytes,
  readCount,
  readEntry,
  readStamp,
  readText,
  readTuple,
  unpack,
} from '../../src/core/codec.ts'
import type { Entry } from '../../src/core/entry.ts'

const invalid = expect.objectContaining({ code: 'SKERRY_CODEC_INVALID', status: 400 }) as Error

const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
const packables: fc.Arbitrary<Packable> = fc.letrec<{ value: Packable }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.bigInt(2n ** 53n, 2n ** 63n - 1n),
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.array(tie('value')),
  ),
})).value

const entries: fc.Arbitrary<Entry> = fc.record({
  path: fc.constantFrom('a', 'users/42'),
  created: int64,
  updated: int64,
  origin: fc.string({ unit: 'binary' }),
  data: fc.oneof(fc.json(), fc.constant(null)),
})

describe('packing', () => {
  test('gives back what went in', () => {
    fc.assert(
      fc.property(packables, (value) => {
        // -0 travels as 0, and bytes may come back as a Buffer: neither is a difference to us.
        expect(plain(unpack(pack(value)))).toEqual(plain(value))
      }),
      { numRuns: 1000 },
    )
  })

  test('keeps 64-bit integers exact', () => {
    fc.assert(
      fc.property(int64, (stamp) => {
        expect(readStamp(unpack(pack(stamp)), 'stamp')).toBe(stamp)
      }),
    )
  })

  test('gives back entries, overruling ones included', () => {
    fc.assert(
      fc.property(entries, fc.boolean(), (fields, overrules) => {
        const entry: Entry = overrules ? { ...fields, overrules } : fields
        expect(readEntry(unpack(pack(entryTuple(entry))))).toEqual(entry)
      }),
    )
  })

  test('a small value does not keep a large buffer alive', () => {
    expect(pack('a').buffer.byteLength).toBeLessThan(64 * 1024)
  })
})

describe('hostile bytes', () => {
  test('throw nothing but SKERRY_CODEC_INVALID', () => {
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      // What looks like structures, extensions and lengths is likelier to go deep.
      fc
        .array(
          fc.constantFrom(
            0x91,
            0x94,
            0xdd,
            0xdc,
            0xdf,
            0xc1,
            0xc7,
            0xc9,
            0xd4,
            0xd9,
            0x72,
            0xff,
            0,
          ),
        )
        .map((bytes) => Uint8Array.from(bytes)),
    )
    fc.assert(
      fc.property(some, (bytes) => {
        try {
          readEntry(unpack(bytes))
        } catch (error) {
          expect(error).toEqual(invalid)
        }
      }),
      { numRuns: 5000 },
    )
  })

  test('that break off anywhere are refused whole', () => {
    const whole = pack(
      entryTuple({ path: 'a/b', created: 1n, updated: 2n ** 60n, origin: 'n', data: '[1,2]' }),
    )
    for (let end = 0; end < whole.length; end++) {
      expect(() => readEntry(unpack(whole.subarray(0, end)))).toThrow(invalid)
    }
    expect(() => unpack(Uint8Array.from([...whole, 0]))).toThrow(invalid)
  })

  test('with one byte changed are an entry or refused', () => {
    const whole = pack(
      entryTuple({ path: 'a/b', created: 1n, updated: 2n ** 60n, origin: 'n', data: '[1,2]' }),
    )
    for (let at = 0; at < whole.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const bytes = Uint8Array.from(whole)
        bytes[at] = byte
        try {
          expect(typeof readEntry(unpack(bytes)).path).toBe('string')
        } catch (error) {
          expect(error).toEqual(invalid)
        }
      }
    }
  })

  test('nested beyond the stack are refused', () => {
    expect(() => unpack(new Uint8Array(1_000_000).fill(0x91))).toThrow(invalid)
  })

  test('that promise a huge array cost no memory for it', () => {
    const bomb = new Uint8Array(50_000)
    for (let at = 0; at < bomb.length; at += 5) bomb.set([0xdd, 0, 1, 0, 0], at)
    expect(() => unpack(bomb)).toThrow(invalid)
    expect(() => unpack(Uint8Array.from([0xdd, 0xff, 0xff, 0xff, 0xff]))).toThrow(invalid)
    expect(() => unpack(Uint8Array.from([0xdb, 0xff, 0xff, 0xff, 0xff]))).toThrow(invalid)
    expect(() => unpack(Uint8Array.from([0xc6, 0xff, 0xff, 0xff, 0xff]))).toThrow(invalid)
  })
})

describe('a field', () => {
  const fields: readonly [string, (value: unknown, what: string) => unknown, readonly unknown[]][] =
    [
      ['tuple', readTuple, [null, 1, 'a', {}, undefined]],
      ['text', readText, [null, 1, [], new Uint8Array(0), undefined]],
      ['bytes', readBytes, [null, 1, [], 'a', undefined]],
      ['count', readCount, [-1, 1.5, NaN, Infinity, 2 ** 53, -1n, 2n ** 53n, '1', null, undefined]],
      ['stamp', readStamp, [1.5, NaN, 2 ** 53, 2n ** 63n, -(2n ** 63n) - 1n, '1', null, undefined]],
    ]
  test.each(fields)('that is no %s is refused by name', (_, read, wrong) => {
    for (const value of wrong) {
      expect(() => read(value, 'the field')).toThrow(invalid)
      expect(() => read(value, 'the field')).toThrow('the field')
    }
  })

  test('is read as what it is', () => {
    expect(readCount(5n, 'count')).toBe(5)
    expect(readCount(0, 'count')).toBe(0)
    expect(readStamp(-5, 'stamp')).toBe(-5n)
    expect(readBytes(Uint8Array.of(1), 'bytes')).toEqual(Uint8Array.of(1))
  })

  test.each([
    [[1, 1, 1, 'n', '1']],
    [['a', '1', 1, 'n', '1']],
    [['a', 1, null, 'n', '1']],
    [['a', 1, 1, null, '1']],
    [['a', 1, 1, 'n', 1]],
    [['a', 1, 1, 'n']],
    [[]],
    [null],
    ['a'],
  ])('of the wrong type in the entry %j is refused', (tuple) => {
    expect(() => readEntry(tuple)).toThrow(invalid)
  })
})

describe('an entry from a peer', () => {
  const fine: Entry = { path: 'a/b', created: 1n, updated: 0n, origin: 'n1', data: '{"a":[1]}' }

  test('may be a value or a tombstone, from a node or from a pivot peer', () => {
    expect(entryFault(fine)).toBeUndefined()
    expect(entryFault({ ...fine, origin: '' })).toBeUndefined()
    expect(entryFault({ ...fine, data: null })).toBeUndefined()
  })

  test.each<[string, Partial<Entry>]>([
    ['segment', { path: 'a//b' }],
    ['must not hold', { path: 'a/*' }],
    ['reserved', { path: 'metrics/a' }],
    ['negative', { created: -1n }],
    ['negative', { updated: -1n }],
    ['not JSON', { data: '{"a":' }],
    ['not JSON', { data: '' }],
    ['origin', { origin: 'a b' }],
    ['origin', { origin: 'x'.repeat(65) }],
    ['origin', { origin: 'a\0' }],
  ])('is refused, and the reason says %s', (why, wrong) => {
    expect(entryFault({ ...fine, ...wrong })).toContain(why)
  })
})

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  return Object.is(value, -0) ? 0 : value
}
