import { expect, test } from 'vitest'
import { machineEnv } from '../../src/server/env.ts'
import { itemOf, newer, packItems, unpackItems } from '../../src/sync/items.ts'

const { hash } = machineEnv
const entry = { path: 'a', created: 5n, updated: 2n ** 62n, origin: 'x', data: '1' }

test('items come out as they went in', () => {
  const hashed = [
    { hash: '00000000000000ff', entry, seq: 1 },
    { hash: '0000000000000fff', entry: { ...entry, data: null }, seq: 3 },
    { hash: 'ffffffffffffffff', entry: { ...entry, data: null }, seq: 9 },
  ]
  const isSettled = ({ seq }: { seq: number }): boolean => seq < 5
  const items = unpackItems(packItems(hashed, hash, isSettled))
  expect([...items]).toEqual(hashed.map((h) => [h.hash, itemOf(h, hash, isSettled)]))
  expect([...items.values()].map(({ settled }) => settled)).toEqual([false, true, false])
})

test('bytes that are no whole items are refused', () => {
  expect(() => unpackItems(new Uint8Array(21))).toThrow(
    expect.objectContaining({ code: 'SKERRY_CODEC_INVALID' }),
  )
})

const item = { stamp: 5n, print: 2, settled: false }

test.each([
  ['what the peer lacks', undefined, { mine: true, theirs: false }],
  ['what the peer has older', { ...item, stamp: 4n }, { mine: true, theirs: false }],
  ['what the peer has newer', { ...item, stamp: 6n }, { mine: false, theirs: true }],
  ['what both have alike', { ...item }, { mine: false, theirs: false }],
  ['a tie with other contents', { ...item, print: 4 }, { mine: true, theirs: true }],
])('%s', (_, theirs, expected) => {
  expect(newer(item, theirs)).toEqual(expected)
})

test('a tombstone that the peer acknowledged and lacks was collected there: it is not sent again', () => {
  expect(newer({ ...item, settled: true }, undefined)).toEqual({ mine: false, theirs: false })
  const older = { ...item, stamp: 4n }
  expect(newer({ ...item, settled: true }, older)).toEqual({ mine: true, theirs: false })
})
