import jsonPatch, { type Operation } from 'fast-json-patch'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dataPatch } from '../../src/state/patch.ts'

function applied(before: string, after: string): unknown {
  const operations = JSON.parse(`[${dataPatch('/data', before, after).join(',')}]`) as Operation[]
  const document = { data: JSON.parse(before) as unknown }
  return jsonPatch.applyPatch(document, operations, true).newDocument.data
}

const large = { filler: 'x'.repeat(300) }

test('a small difference in large data makes a small patch', () => {
  const before = JSON.stringify({ ...large, a: { b: 1, c: [1] }, 'd/e~': 1, gone: 1 })
  const after = JSON.stringify({ ...large, a: { b: 2, c: [1] }, 'd/e~': 2, fresh: null })
  expect(dataPatch('/data', before, after)).toEqual([
    '{"op":"remove","path":"/data/gone"}',
    '{"op":"replace","path":"/data/a/b","value":2}',
    '{"op":"replace","path":"/data/d~1e~0","value":2}',
    '{"op":"add","path":"/data/fresh","value":null}',
  ])
})

test('numbers beyond what JavaScript counts keep their digits', () => {
  const before = `{"filler":"${large.filler}","n":9223372036854775806}`
  const after = `{"filler":"${large.filler}","n":9223372036854775807}`
  expect(dataPatch('/3/data', before, after)).toEqual([
    '{"op":"replace","path":"/3/data/n","value":9223372036854775807}',
  ])
})

test('small or quite different data is replaced whole', () => {
  expect(dataPatch('/data', '{"a":1}', '{"a":2}')).toEqual([
    '{"op":"replace","path":"/data","value":{"a":2}}',
  ])
  const after = JSON.stringify(
    Object.fromEntries(Array.from('abcdefghijklmnopqrst', (k) => [k, k])),
  )
  expect(dataPatch('/data', JSON.stringify(large), after)).toHaveLength(1)
})

test('names that libraries refuse in a path are never in one', () => {
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const before = `{"filler":"${large.filler}","deep":{"${name}":{"x":1}}}`
    const after = `{"filler":"${large.filler}","deep":{"${name}":{"x":2}}}`
    expect(dataPatch('/data', before, after).join()).not.toContain(`/${name}`)
    expect(applied(before, after)).toEqual(JSON.parse(after))
  }
})

test('a patch library makes of the one text the other', () => {
  const values = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 }), { maxKeys: 8 })
  fc.assert(
    fc.property(values, values, values, (shared, left, right) => {
      const before = JSON.stringify({ ...large, ...shared, ...left }, null, 1)
      const after = JSON.stringify({ ...large, ...right, ...shared })
      expect(applied(before, after)).toEqual(JSON.parse(after))
    }),
    { numRuns: 1000 },
  )
})
