import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pack } from '../../src/core/codec.ts'
import { SkerryError } from '../../src/core/errors.ts'
import { decodeFrame, encodeFrame } from '../../src/sync/frame.ts'
import type { Message } from '../../src/sync/messages.ts'

const entry = {
  path: 'users/1',
  created: 1_767_602_580_000_000_001n,
  updated: 0n,
  origin: 'a',
  data: '{"n":9007199254740993}',
}
const tombstone = { path: 'users/2', created: 0n, updated: 5n, origin: 'b', data: null }

const messages: Message[] = [
  {
    kind: 'hello',
    oldest: 1,
    newest: 1,
    nodeId: 'a',
    epoch: 'e',
    run: 'r',
    durable: true,
    keys: ['users/*', '**'],
    clock: 1_767_602_580_000_000_001n,
    window: 1024,
    formerly: ['d'],
  },
  {
    kind: 'resume',
    positions: [undefined, { epoch: 'e', run: 'r', seq: 2 ** 40 }],
    seen: { epoch: 'e', run: 'r', seq: 2 ** 41 },
  },
  {
    kind: 'stream',
    start: 7,
    resumed: [true, false],
    horizons: [0n, 1_767_602_580_000_000_001n],
    doubted: [false, true],
  },
  {
    kind: 'changes',
    since: 1,
    upTo: 9,
    entries: [entry, tombstone, { ...entry, overrules: true }],
  },
  { kind: 'changes', since: 9, upTo: 11, entries: [entry, tombstone], heard: [0] },
  { kind: 'ack', upTo: 9, seq: 12, aside: ['users/1'] },
  { kind: 'ping', clock: 5n },
  { kind: 'pong', clock: 6n, time: 7n },
  { kind: 'compare', id: 1, key: 0, level: 1, live: true, parents: [0], sums: new Uint8Array(8) },
  {
    kind: 'compared',
    id: 1,
    differing: [
      [3, 100],
      [15, 0],
    ],
  },
  { kind: 'items', id: 2, key: 0, from: '0', to: 'g', items: new Uint8Array(20) },
  {
    kind: 'entries',
    id: 2,
    entries: [entry],
    wanted: ['00ff00ff00ff00ff'],
    upTo: 'g',
    fresh: [0],
    seq: 9,
  },
  { kind: 'push', id: 3, key: 0, entries: [tombstone], fresh: [], seq: 9 },
  { kind: 'pushed', id: 3 },
  { kind: 'repaired', key: 0 },
  { kind: 'bye', code: 'SKERRY_LINK_GAP', message: 'gap' },
  { kind: 'settled', key: 0, seq: 9, stamp: 1_767_602_580_000_000_001n },
  { kind: 'forget', nodes: [['a', 1_767_602_580_000_000_001n]] },
  { kind: 'horizon', key: 0, stamp: 1_767_602_580_000_000_001n },
]

test.each(messages)('$kind comes out as it went in', (message) => {
  const { frame, message: decoded } = decodeFrame(encodeFrame(300, message))
  expect(frame).toBe(300)
  expect(Object.keys(decoded)).toEqual(Object.keys(message))
  expect(encodeFrame(300, decoded)).toEqual(encodeFrame(300, message))
})

test('random bytes are refused with a Skerry error, never another', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(() => tryDecode(bytes)).not.toThrow()
    }),
    { numRuns: 2000 },
  )
})

test('a frame with a byte changed is decoded or refused, never worse', () => {
  const arbitrary = fc.record({
    message: fc.constantFrom(...messages),
    at: fc.nat(),
    value: fc.nat(255),
  })
  fc.assert(
    fc.property(arbitrary, ({ message, at, value }) => {
      const bytes = Uint8Array.from(encodeFrame(1, message))
      bytes[at % bytes.length] = value
      expect(() => tryDecode(bytes)).not.toThrow()
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['no tuple', pack('hello')],
  ['an empty tuple', pack([])],
  ['an unknown kind', pack([0, 99])],
  ['a missing field', pack([0, 4])],
  ['a field of the wrong type', pack([0, 4, 'nine'])],
  ['a negative count', pack([0, 4, -1])],
])('%s is refused', (_, bytes) => {
  expect(() => decodeFrame(bytes)).toThrow(
    expect.objectContaining({ code: 'SKERRY_CODEC_INVALID' }),
  )
})

/** Throws only what is not a Skerry error. */
function tryDecode(bytes: Uint8Array): void {
  try {
    decodeFrame(bytes)
  } catch (error) {
    if (!(error instanceof SkerryError)) throw error
  }
}
