import { expect, test } from 'vitest'
import { ClockOffsets } from '../../src/sync/offsets.ts'

function offsets(...peers: bigint[]): ClockOffsets {
  const clocks = new ClockOffsets()
  peers.forEach((offset, i) => clocks.note(`peer-${i}`, offset, false))
  return clocks
}

test.each([
  ['a node alone trusts its own clock', [], 0n],
  ['against one peer it trusts its own clock', [3600n], 0n],
  ['one bad clock among three decides nothing', [0n, 3600n], 0n],
  ['two peers that agree outvote this node', [3600n, 3601n], 3600n],
  ['a slow clock among many is corrected', [3600n, 3601n, 3602n, 3603n], 3601n],
  ['between two halves the nearer one counts', [-10n, 5n, 6n], 0n],
] as [string, bigint[], bigint][])('%s', (_, peers, expected) => {
  expect(offsets(...peers).correction()).toBe(expected)
})

test('the leader decides, whatever the peers say', () => {
  const clocks = offsets(0n, 0n, 0n)
  clocks.note('leader', 7200n, true)
  expect(clocks.correction()).toBe(7200n)
})
