import { expect, test } from 'vitest'
import { Feed } from '../../src/store/feed.ts'
import { MAX_PAGE_CHARACTERS } from '../../src/store/store.ts'
import { version } from '../../src/testing/store/scene.ts'

function publish(feed: Feed, seq: number, path: string, data = '1'): void {
  const entry = version(path, seq, data)
  feed.publish({ changes: [{ seq, entry, before: undefined, after: entry, from: '' }], seq })
}

const seqs = (feed: Feed, seq: number, limit = 100_000) =>
  feed.after(seq, limit)?.changes.map((change) => change.seq)

test('memory knows what came since the store opened, and says so of what came before', () => {
  const feed = new Feed(10)
  expect(feed.after(10, 5)).toEqual({ changes: [], upTo: 10 })
  expect(feed.after(9, 5)).toBeUndefined()
  publish(feed, 11, 'a')
  expect(seqs(feed, 10)).toEqual([11])
  expect(feed.after(9, 5)).toBeUndefined()
})

test('of each path only the newest change is given, and a page still moves forward', () => {
  const feed = new Feed(0)
  for (let seq = 1; seq <= 6; seq++) publish(feed, seq, seq % 3 === 0 ? `x${seq}` : 'hot')
  expect(seqs(feed, 0)).toEqual([3, 5, 6])
  expect(feed.after(0, 1)?.upTo).toBe(3)
  expect(feed.after(3, 1)?.upTo).toBe(5)
})

test('the number of changes in memory is bounded', () => {
  const feed = new Feed(0)
  for (let seq = 1; seq <= 20_000; seq++) publish(feed, seq, `x/${seq}`)
  expect(feed.after(20_000 - 8193, 1)).toBeUndefined()
  const changes: number[] = []
  for (let upTo = 20_000 - 8192; upTo < 20_000;) {
    const page = feed.after(upTo, 1000)!
    changes.push(...page.changes.map(({ seq }) => seq))
    upTo = page.upTo
  }
  expect(changes).toEqual(Array.from({ length: 8192 }, (_, i) => 20_000 - 8191 + i))
})

test('the characters in memory are bounded, and so are those of a page', () => {
  const feed = new Feed(0)
  const large = `"${'x'.repeat(1024 * 1024)}"`
  for (let seq = 1; seq <= 40; seq++) publish(feed, seq, `x/${seq}`, large)
  expect(feed.after(24, 1)).toBeUndefined()
  expect(seqs(feed, 25)).toEqual([26])
  expect(large.length).toBeGreaterThan(MAX_PAGE_CHARACTERS)
  publish(feed, 41, 'huge', `"${'x'.repeat(17 * 1024 * 1024)}"`)
  expect(feed.after(40, 1)).toBeUndefined()
  publish(feed, 42, 'small')
  expect(seqs(feed, 41)).toEqual([42])
})
