import { expect, test } from 'vitest'
import { machineEnv } from '../../src/server/env.ts'
import { itemOf, newer, packItems, unpackItems } from '../../src/sync/items.ts'

const { hash } = machineEnv
const entry = { path: 'a', created: 5n, updated: 2n ** 62n, origin: 'x', data: '1' }

test('items come out as they went in', () => {
  const hashed = [
    { hash: '00000000000000ff', entry },
    { hash: 'ffffffffffffffff', entry: { ...entry, data: null } },
  ]
  const items = unpackItems(packItems(hashed, hash))
  expect([...items]).toEqual(hashed.map((h) => [h.hash, itemOf(h.entry, hash)]))
})

test('bytes that are no whole items are refused', () => {
  expect(() => unpackItems(new Uint8Array(21))).toThrow(
    expect.objectContaining({ code: 'SKERRY_CODEC_INVALID' }),
  )
})

const item = { stamp: 5n, print: 1 }

test.each([
  ['what the peer lacks', undefined, { mine: true, theirs: false }],
  ['what the peer has older', { stamp: 4n, print: 2 }, { mine: true, theirs: false }],
  ['what the peer has newer', { stamp: 6n, print: 2 }, { mine: false, theirs: true }],
  ['what both have alike', { stamp: 5n, print: 1 }, { mine: false, theirs: false }],
  ['a tie with other contents', { stamp: 5n, print: 2 }, { mine: true, theirs: true }],
])('%s', (_, theirs, expected) => {
  expect(newer(item, theirs)).toEqual(expected)
})
