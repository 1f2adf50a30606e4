import { describe, expect, test } from 'vitest'
import {
  Digest,
  DIGEST_FANOUT,
  DIGEST_LEVELS,
  hashRange,
  pathHash,
} from '../../src/store/digest.ts'
import { LocalStore } from '../../src/store/local.ts'
import { MemoryEngine } from '../../src/store/memory.ts'
import { VirtualEnv } from '../../src/testing.ts'
import { put, version } from '../../src/testing/store/scene.ts'

const { hash } = new VirtualEnv(1)

const sum = (bytes: Uint8Array) => {
  const view = new DataView(bytes.buffer)
  return [view.getUint32(0), view.getUint32(4)] as const
}

describe('a digest', () => {
  const entries = Array.from({ length: 500 }, (_, i) => version(`x/${i}`, i, `${i}`))
  const digest = new Digest(hash)
  for (const entry of entries) digest.add(entry)

  test('sums up below each node what stands below it', () => {
    for (let level = 0; level < 2; level++) {
      for (let index = 0; index < DIGEST_FANOUT ** level; index++) {
        const children = Array.from({ length: DIGEST_FANOUT }, (_, i) => index * DIGEST_FANOUT + i)
        const counts = children.map((child) => digest.count(level + 1, child))
        expect(counts.reduce((a, b) => a + b)).toBe(digest.count(level, index))
        const lanes = children.map((child) => sum(digest.sum(level + 1, child)))
        const total = lanes.reduce(([a, b], [c, d]) => [(a + c) >>> 0, (b + d) >>> 0])
        expect(total).toEqual([...sum(digest.sum(level, index))])
      }
    }
  })

  test('counts below each node the paths whose hash lies in its range', () => {
    for (const level of [0, 1, 2, DIGEST_LEVELS]) {
      for (const index of [0, 1, DIGEST_FANOUT ** level - 1].filter((i) => i < 16 ** level)) {
        const { from, to } = hashRange(level, index)
        const within = entries.filter(({ path }) => {
          const at = pathHash(path, hash)
          return at >= from && at < to
        })
        expect(digest.count(level, index)).toBe(within.length)
      }
    }
  })

  test('is empty again once everything is taken back, in whatever order', () => {
    const other = new Digest(hash)
    const empty = other.root()
    for (const entry of entries) other.remove(entry)
    for (const entry of [...entries].reverse()) other.add(entry)
    expect(other.root()).toBe(empty)
  })
})

test('paths of one hash are never parted by the end of a page', async () => {
  const env = Object.assign(new VirtualEnv(1), {
    hash: (text: string) => (text < 'x/5' ? 'a' : 'b').repeat(64),
  })
  const store = await LocalStore.open(new MemoryEngine(), env)
  await store.write(Array.from({ length: 10 }, (_, i) => put(`x/${i}`, '1')))
  const first = await store.hashed('**', '0', 'g', 3)
  expect(first.entries.map(({ entry }) => entry.path)).toEqual(['x/0', 'x/1', 'x/2', 'x/3', 'x/4'])
  const second = await store.hashed('**', first.upTo, 'g', 3)
  expect(second.entries).toHaveLength(5)
  expect(second.upTo).toBe('g')
  await store.close()
})
