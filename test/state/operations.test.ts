import fc from 'fast-check'
import jsonPatch from 'fast-json-patch'
import { expect, test } from 'vitest'
import { SkerryError } from '../../src/core/errors.ts'
import { applyOperations } from '../../src/state/operations.ts'

const MAX = 100_000

function apply(data: string, operations: unknown): string {
  return applyOperations(data, JSON.stringify(operations), MAX)
}

test.each([
  ['{"a":1}', [{ op: 'add', path: '/b', value: [2] }], '{"a":1,"b":[2]}'],
  ['{"a":[1,2]}', [{ op: 'add', path: '/a/1', value: 9 }], '{"a":[1,9,2]}'],
  ['{"a":[1,2]}', [{ op: 'add', path: '/a/-', value: 9 }], '{"a":[1,2,9]}'],
  ['{"a":[1,2]}', [{ op: 'remove', path: '/a/0' }], '{"a":[2]}'],
  ['{"a":1}', [{ op: 'replace', path: '', value: 7 }], '7'],
  ['{"a":{"b":1},"c":2}', [{ op: 'move', from: '/a/b', path: '/c' }], '{"a":{},"c":1}'],
  ['[1,2,3]', [{ op: 'move', from: '/0', path: '/2' }], '[2,3,1]'],
  ['[[1],[2],{}]', [{ op: 'move', from: '/0', path: '/1/y' }], '[[2],{"y":[1]}]'],
  ['{"a":{"b":1}}', [{ op: 'copy', from: '/a', path: '/c' }], '{"a":{"b":1},"c":{"b":1}}'],
  ['{"a":1}', [{ op: 'copy', from: '', path: '/c' }], '{"a":1,"c":{"a":1}}'],
  ['{"a/b":1,"m~n":2}', [{ op: 'remove', path: '/a~1b' }], '{"m~n":2}'],
  ['{"a/b":1,"m~n":2}', [{ op: 'remove', path: '/m~0n' }], '{"a/b":1}'],
  ['{"":1}', [{ op: 'replace', path: '/', value: 2 }], '{"":2}'],
  ['{"a":1.0}', [{ op: 'test', path: '/a', value: 1 }], '{"a":1.0}'],
  ['{"a":{"x":1,"y":[2]}}', [{ op: 'test', path: '/a', value: { y: [2], x: 1 } }], undefined],
  ['{"toString":1}', [{ op: 'remove', path: '/toString' }], '{}'],
  ['{"constructor":"x"}', [{ op: 'replace', path: '/constructor', value: 'y' }], undefined],
])('%s patched by %j', (data, operations, expected) => {
  const patched = apply(data, operations)
  if (expected !== undefined) expect(patched).toBe(expected)
})

test('what is not touched keeps its digits', () => {
  const data = '{"big":9007199254740993,"n":{"x":1.50,"y":12345678901234567890},"l":[1e2,2]}'
  const patched = apply(data, [
    { op: 'replace', path: '/n/x', value: 2 },
    { op: 'move', from: '/n/y', path: '/y' },
    { op: 'copy', from: '/big', path: '/l/0' },
  ])
  expect(patched).toBe(
    '{"big":9007199254740993,"n":{"x":2},"l":[9007199254740993,1e2,2],"y":12345678901234567890}',
  )
  const test = '[{"op":"test","path":"/big","value":9007199254740992}]'
  expect(() => applyOperations(data, test, MAX)).toThrow(
    expect.objectContaining({ code: 'SKERRY_PATCH_TEST_FAILED' }),
  )
})

const invalid = 'SKERRY_PATCH_INVALID'
test.each([
  ['{"a":1}', invalid],
  ['[1]', invalid],
  ['[{"op":"add","path":"/a"}]', invalid],
  ['[{"op":"jump","path":"/a","value":1}]', invalid],
  ['[{"op":"toString","path":"/a","value":1}]', invalid],
  ['[{"op":"_get","path":"/a"}]', invalid],
  ['[{"op":"add","path":"a","value":1}]', invalid],
  ['[{"op":"add","path":"/~2","value":1}]', invalid],
  ['[{"op":"add","path":7,"value":1}]', invalid],
  ['[{"op":"add","path":"/__proto__","value":1}]', invalid],
  ['[{"op":"add","path":"/__proto__/polluted","value":1}]', invalid],
  ['[{"op":"add","path":"/constructor/prototype/polluted","value":1}]', invalid],
  ['[{"op":"copy","from":"/__proto__","path":"/x"}]', invalid],
  ['[{"op":"remove","path":"/missing"}]', invalid],
  ['[{"op":"remove","path":""}]', invalid],
  ['[{"op":"replace","path":"/missing","value":1}]', invalid],
  ['[{"op":"add","path":"/missing/x","value":1}]', invalid],
  ['[{"op":"add","path":"/n/x","value":1}]', invalid],
  ['[{"op":"add","path":"/l/9","value":1}]', invalid],
  ['[{"op":"add","path":"/l/01","value":1}]', invalid],
  ['[{"op":"add","path":"/l/length","value":0}]', invalid],
  ['[{"op":"remove","path":"/l/-"}]', invalid],
  ['[{"op":"remove","path":"/l/5"}]', invalid],
  ['[{"op":"move","from":"/o","path":"/o/x"}]', invalid],
  ['[{"op":"move","path":"/o"}]', invalid],
  ['[{"op":"test","path":"/n","value":2}]', 'SKERRY_PATCH_TEST_FAILED'],
  ['[{"op":"test","path":"/missing","value":2}]', invalid],
])('the patch %s is refused', (patch, code) => {
  const data = '{"n":1,"l":[1],"o":{}}'
  expect(() => applyOperations(data, patch, MAX)).toThrow(expect.objectContaining({ code }))
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

test('too many operations, too deep a pointer, and copies of copies are refused', () => {
  const many = Array.from({ length: 1001 }, () => ({ op: 'test', path: '', value: {} }))
  expect(() => apply('{}', many)).toThrow('1000')
  expect(() => apply('{}', [{ op: 'remove', path: '/a'.repeat(65) }])).toThrow('deep')
  const copies = Array.from({ length: 100 }, (_, n) => ({ op: 'copy', from: '', path: `/${n}` }))
  expect(() => apply('{"a":"x"}', copies)).toThrow(
    expect.objectContaining({ code: 'SKERRY_DATA_TOO_LARGE' }),
  )
})

const prototypes = /\/(__proto__|constructor\/prototype)(\/|$)/

test('a patch that a library finds between two values turns one into the other, or is refused for a prototype', () => {
  const value = fc.jsonValue({ maxDepth: 4, noUnicodeString: true })
  fc.assert(
    fc.property(value, value, (before, after) => {
      const operations = jsonPatch.compare({ v: before }, { v: after })
      const patch = () => apply(JSON.stringify({ v: before }), operations)
      if (operations.some(({ path }) => prototypes.test(path))) {
        expect(patch).toThrow('reaches for a prototype')
      } else {
        expect(JSON.parse(patch())).toEqual(JSON.parse(JSON.stringify({ v: after })))
      }
    }),
    { examples: [[JSON.parse('{"__proto__":[]}'), {}]] },
  )
})

test('whatever comes as a patch is applied or refused with a Skerry error', () => {
  const operation = fc.record(
    {
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
      path: fc.stringMatching(/^(\/([ab01~-]|__proto__)?){0,4}$/),
      from: fc.stringMatching(/^(\/[ab01]?){0,3}$/),
      value: fc.jsonValue({ maxDepth: 2 }),
    },
    { requiredKeys: ['op'] },
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 8 }), (operations) => {
      try {
        JSON.parse(apply('{"a":{"b":[1,{"0":[]}]},"b":[[],{"a":2}]}', operations))
      } catch (error) {
        expect(error).toBeInstanceOf(SkerryError)
      }
    }),
  )
})
