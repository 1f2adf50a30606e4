import { expect, test } from 'vitest'
import { applyMergePatch, mergeData } from '../../src/state/merge.ts'

test.each([
  ['{"a":1}', '{"b":2}', '{"a":1,"b":2}'],
  ['{"a":1,"b":{"c":1,"d":[1,2]}}', '{"b":{"c":2}}', '{"a":1,"b":{"c":2,"d":[1,2]}}'],
  ['{"a":1}', '{"a":null}', '{"a":null}'],
  ['{"a":[1,2,3]}', '{"a":[4]}', '{"a":[4]}'],
  ['{"a":[1,{"b":1},3]}', '{"a":{"0":9,"1":{"b":2}}}', '{"a":[9,{"b":2},3]}'],
  ['[1,2]', '{"1":"x"}', '[1,"x"]'],
  ['{"a":7}', '{"a":{"b":1}}', '{"a":{"b":1}}'],
  ['{ "a" : 9007199254740993, "b":1.50 }', '{"c":1}', '{"a":9007199254740993,"b":1.50,"c":1}'],
  ['{"__proto__":{"x":1}}', '{"__proto__":{"y":2}}', '{"__proto__":{"x":1,"y":2}}'],
])('merging into %s the object %s makes %s', (data, patch, merged) => {
  expect(mergeData(data, patch)).toBe(merged)
  expect(({} as { y?: unknown }).y).toBeUndefined()
})

test.each([
  ['{"a":1}', '[1]'],
  ['{"a":1}', '7'],
  ['7', '{"a":1}'],
  ['{"a":{"b":1}}', '{"a":7}'],
  ['{"a":{"b":1}}', '{"a":null}'],
  ['{"a":[1]}', '{"a":{"1":2}}'],
  ['{"a":[1]}', '{"a":{"x":2}}'],
  ['{"a":[1]}', '{"a":{"length":2}}'],
])('merging into %s what does not fit, %s, is refused', (data, patch) => {
  expect(() => mergeData(data, patch)).toThrow(
    expect.objectContaining({ code: 'SKERRY_PATCH_INVALID' }),
  )
})

// The examples of RFC 7396, appendix A.
test.each([
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
])('the merge patch of %s by %s is %s', (data, patch, patched) => {
  expect(applyMergePatch(data, patch)).toBe(patched)
})

test('a merge that reaches too deep is refused, whatever the data', () => {
  const deep = `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`
  const refused = expect.objectContaining({ code: 'SKERRY_PATCH_INVALID' }) as unknown
  expect(() => mergeData(deep, deep)).toThrow(refused)
  expect(() => applyMergePatch('{}', deep)).toThrow(refused)
})
