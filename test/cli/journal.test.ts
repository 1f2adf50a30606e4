import { describe, expect, test } from 'vitest'
import { Journal, type Write } from '../../src/cli/demo/journal.ts'
import { readListing } from '../../src/cli/demo/listing.ts'

const at = (stamp: bigint): readonly [bigint, bigint] => [stamp, stamp]
const older: Write = { path: 'a', by: 'north', kind: 'created', stamp: at(10n), data: '1' }
const newer: Write = { path: 'a', by: 'south', kind: 'edited', stamp: at(20n), data: '2' }
const deleted: Write = { path: 'a', by: 'leader', kind: 'deleted', stamp: [30n, 40n] }

function journalOf(...writes: Write[]): Journal {
  const journal = new Journal()
  for (const write of writes) journal.add(write)
  return journal
}

/** A list that shows value and stamp at path a, or nothing. */
function showing(...values: [data: number, stamp: bigint][]) {
  return readListing(
    `[${values.map(([data, stamp]) => `{"created":${stamp},"updated":0,"path":"a","data":${data}}`).join()}]`,
  )
}

describe('what the demo takes for nothing lost', () => {
  test('the newest write stands on every node, and the others are overruled', () => {
    const [outcome] = journalOf(newer, older).outcomes([showing([2, 20n]), showing([2, 20n])])
    expect(outcome).toEqual({ path: 'a', standing: [newer], overruled: [older] })
  })

  test('a deletion stands where nothing is shown', () => {
    const [outcome] = journalOf(older, deleted).outcomes([showing(), showing()])
    expect(outcome).toEqual({ path: 'a', standing: [deleted], overruled: [older] })
  })

  test('an edit newer than the deletion stands', () => {
    const edit: Write = { ...newer, stamp: at(50n) }
    const [outcome] = journalOf(deleted, edit).outcomes([showing([2, 50n])])
    expect(outcome?.standing).toEqual([edit])
  })
})

describe('what the demo takes for lost', () => {
  test('an older version where a newer one was acknowledged', () => {
    const [outcome] = journalOf(older, newer).outcomes([showing([1, 10n]), showing([1, 10n])])
    expect(outcome?.standing).toEqual([])
  })

  test('the newest version on one node only', () => {
    const [outcome] = journalOf(older, newer).outcomes([showing([2, 20n]), showing()])
    expect(outcome?.standing).toEqual([])
  })

  test('an entry that came back after its deletion', () => {
    const [outcome] = journalOf(older, deleted).outcomes([showing([1, 10n])])
    expect(outcome?.standing).toEqual([])
  })

  test('another value under the right stamp', () => {
    const [outcome] = journalOf(older).outcomes([showing([3, 10n])])
    expect(outcome?.standing).toEqual([])
  })

  test('an entry that nobody wrote', () => {
    expect(new Journal().unknown([showing([1, 10n])])).toEqual(['a'])
  })
})

test('stamps are read exactly, beyond what a number can hold', () => {
  const { entries } = showing([1, 1767602580000000001n])
  expect(entries.get('a')?.stamp).toBe(1767602580000000001n)
})
