import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  assertJson,
  equalJson,
  jsonElements,
  jsonMembers,
  parseInt64,
} from '../../src/core/json.ts'

const invalid = expect.objectContaining({ code: 'SKERRY_JSON_INVALID', status: 400 }) as Error

/** JSON texts with blanks wherever they are allowed. */
const spaced = fc
  .tuple(fc.json({ maxDepth: 5 }), fc.constantFrom('', ' ', '\n\t', '\r\n  '))
  .map(([text, blank]) => {
    const loose = JSON.stringify(JSON.parse(text), undefined, blank.includes('\n') ? 2 : 0)
    return `${blank}${loose}${blank}`
  })

const hostile = 'a,]}{["\\" \u2028'

describe('members of an object', () => {
  test('agree with JSON.parse', () => {
    const values = fc.dictionary(
      fc.oneof(fc.string(), fc.constantFrom('', '__proto__', hostile)),
      spaced,
    )
    fc.assert(
      fc.property(values, fc.constantFrom('', ' ', '\n'), (members, blank) => {
        const text = `{${Object.entries(members)
          .map(([key, value]) => `${blank}${JSON.stringify(key)}${blank}:${blank}${value}${blank}`)
          .join(',')}}`
        const found = jsonMembers(text)
        const parsed = new Map(Object.entries(JSON.parse(text) as object))
        expect([...found.keys()].sort()).toEqual([...parsed.keys()].sort())
        for (const [key, value] of found) expect(JSON.parse(value)).toEqual(parsed.get(key))
      }),
    )
  })

  test('keep the text of their values', () => {
    const members = jsonMembers(' { "a" : 1.50 , "b":[ 1,{"c":"]}" } ] ,"d":-0}')
    expect([...members]).toEqual([
      ['a', '1.50'],
      ['b', '[ 1,{"c":"]}" } ]'],
      ['d', '-0'],
    ])
  })

  test('keep integers that JSON.parse would round', () => {
    const stamp = '1795207420889258771'
    expect(jsonMembers(`{"created":${stamp}}`).get('created')).toBe(stamp)
  })

  test('of the same name: the last one counts, escapes and all', () => {
    expect([...jsonMembers('{"a":1,"\\u0061":2,"b":3,"a":4}')]).toEqual([
      ['a', '4'],
      ['b', '3'],
    ])
  })

  test.each(['', ' ', '[]', '1', '"a"', 'null', '{', '{"a"}', '{"a":1,}', '{a:1}', '{"a":1} x'])(
    'are not to be had from %j',
    (text) => expect(() => jsonMembers(text)).toThrow(invalid),
  )
})

describe('elements of an array', () => {
  test('agree with JSON.parse', () => {
    fc.assert(
      fc.property(fc.array(spaced), (values) => {
        const text = `[${values.join(',')}]`
        const parsed = JSON.parse(text) as unknown[]
        expect(jsonElements(text).map((value) => JSON.parse(value) as unknown)).toEqual(parsed)
      }),
    )
  })

  test('are cut without the blanks around them', () => {
    expect(jsonElements('[ 1 ,\t"a,]" , {"b":[]}\n]')).toEqual(['1', '"a,]"', '{"b":[]}'])
    expect(jsonElements(' [ ] ')).toEqual([])
  })

  test.each(['{}', '1', '[1,]', '[', '[1', ']', '[1]]'])('are not to be had from %j', (text) =>
    expect(() => jsonElements(text)).toThrow(invalid),
  )
})

describe('hostile JSON', () => {
  const depth = 1_000_000

  test('a million levels deep is cut without recursion, or refused', () => {
    const deep = '['.repeat(depth) + ']'.repeat(depth)
    expect(jsonElements(`[${deep},1]`)).toEqual([deep, '1'])
    expect(jsonMembers(`{"a":${deep}}`).get('a')).toBe(deep)
    const objects = '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)
    expect(jsonMembers(objects).get('a')).toHaveLength(objects.length - '{"a":}'.length)
    for (const open of ['['.repeat(depth), '{"a":'.repeat(depth)]) {
      expect(() => jsonElements(open)).toThrow(invalid)
    }
  })

  test('of any text throws nothing but SKERRY_JSON_INVALID', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...'{}[]",:\\ \n01-eutrflasn') }),
      fc.json().chain((text) => fc.nat(text.length).map((end) => text.slice(0, end))),
    )
    fc.assert(
      fc.property(texts, (text) => {
        for (const cut of [jsonMembers, jsonElements, assertJson]) {
          try {
            cut(text)
          } catch (error) {
            expect(error).toEqual(invalid)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('errors do not repeat a huge text', () => {
    try {
      assertJson(`"${'x'.repeat(1e6)}`)
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(500)
      return
    }
    expect.unreachable()
  })
})

describe('int64', () => {
  test.each([
    ['0', 0n],
    ['-1', -1n],
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
    ['1795207420889258771', 1795207420889258771n],
  ])('%s is read exactly', (text, value) => expect(parseInt64(text)).toBe(value))

  test.each([
    '9223372036854775808',
    '-9223372036854775809',
    '99999999999999999999',
    '1e3',
    '1.0',
    '01',
    '+1',
    '',
    ' 1',
    '1\n',
    '0x10',
    'null',
    '"1"',
    '1'.repeat(1e6),
  ])('%.30s is refused', (text) => expect(() => parseInt64(text)).toThrow(invalid))

  test('every int64 is read back', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (value) => {
        expect(parseInt64(String(value))).toBe(value)
      }),
    )
  })
})

describe('equalJson', () => {
  test.each([
    ['{"a":1,"b":[true,null]}', ' {"b" : [ true , null ], "a":1 }'],
    ['"<\\u003e\\/"', '"\\u003c>/"'],
    ['1.0', '1'],
    ['9223372036854775807', ' 9223372036854775807'],
    ['{"__proto__":{"a":1}}', '{"__proto__": {"a": 1}}'],
  ])('%s means %s', (a, b) => {
    expect(equalJson(a, b)).toBe(true)
  })

  test.each([
    ['9223372036854775807', '9223372036854775806'],
    ['1', '"1"'],
    ['"n1"', '1'],
    ['{}', '[]'],
    ['{"a":1}', '{"b":1}'],
    ['{"a":1}', '{"a":1,"b":1}'],
    ['[1,2]', '[2,1]'],
    ['null', 'false'],
  ])('%s is not %s', (a, b) => {
    expect(equalJson(a, b)).toBe(false)
  })

  test('holds for any value written in another way, and for deep and long ones', () => {
    fc.assert(fc.property(spaced, (text) => equalJson(text, JSON.stringify(JSON.parse(text)))))
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    expect(equalJson(deep, ` ${deep}`)).toBe(true)
    const long = JSON.stringify('x'.repeat(5_000_000))
    expect(equalJson(long, ` ${long}`)).toBe(true)
  })
})
