import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Entry } from '../../src/core/entry.ts'
import { newestFirst, Timeline } from '../../src/state/timeline.ts'

const entries = fc
  .uniqueArray(fc.nat(60), { maxLength: 60 })
  .map((ids) => ids.map((id) => entryOf(id, BigInt(id % 7))))

function entryOf(id: number, created: bigint): Entry {
  return { path: `p${id}`, created, updated: 0n, origin: '', data: '1' }
}

test('whoever follows the positions of removals and additions has the list', () => {
  fc.assert(
    fc.property(entries, entries, fc.nat(60), (first, second, gone) => {
      const timeline = new Timeline(first)
      const copy = [...first].sort(newestFirst)
      expect(timeline.map((entry) => entry)).toEqual(copy)

      const removed = first.slice(0, gone)
      for (const position of timeline.remove(removed)) copy.splice(position, 1)
      expect(timeline.map((entry) => entry)).toEqual(copy)

      const added = second.filter(({ path }) => timeline.get(path) === undefined)
      for (const { entry, position } of timeline.add(added)) copy.splice(position, 0, entry)
      expect(timeline.map((entry) => entry)).toEqual(copy)
      expect(copy).toEqual([...copy].sort(newestFirst))
      for (const [position, entry] of copy.entries()) {
        expect(timeline.position(entry)).toBe(position)
        expect(timeline.get(entry.path)).toBe(entry)
      }
    }),
  )
})

test('an entry of another version takes the place of the one it replaces', () => {
  const timeline = new Timeline([entryOf(1, 1n), entryOf(2, 2n), entryOf(3, 3n)])
  const newer = { ...entryOf(2, 2n), updated: 9n }
  timeline.replace(newer)
  expect(timeline.get('p2')).toBe(newer)
  expect(timeline.map(({ path, updated }) => [path, updated])).toEqual([
    ['p3', 0n],
    ['p2', 9n],
    ['p1', 0n],
  ])
})
