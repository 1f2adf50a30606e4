import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GenerationCache } from '../../src/store/cache.ts'

describe('a cache', () => {
  test('gives back what was put last', () => {
    const cache = new GenerationCache<number>(100)
    cache.set('a', 1, 10)
    cache.set('a', 2, 10)
    expect(cache.get('a')).toBe(2)
    expect(cache.get('b')).toBeUndefined()
  })

  test('keeps what is used, drops what is not', () => {
    const cache = new GenerationCache<number>(100)
    cache.set('used', 1, 10)
    cache.set('unused', 1, 10)
    for (let i = 0; i < 50; i++) {
      cache.set(`x${i}`, i, 10)
      expect(cache.get('used')).toBe(1)
    }
    expect(cache.get('unused')).toBeUndefined()
  })

  test('never holds an old value of what grew too large for it', () => {
    const cache = new GenerationCache<number>(100)
    cache.set('a', 1, 10)
    cache.set('a', 2, 90)
    expect(cache.get('a')).toBeUndefined()
  })

  test('never holds more than its bound, nor a value that was replaced', () => {
    const steps = fc.array(
      fc.record({ key: fc.constantFrom(...'abcdefgh'), size: fc.nat(60), read: fc.boolean() }),
      { maxLength: 100 },
    )
    fc.assert(
      fc.property(steps, (list) => {
        const cache = new GenerationCache<{ step: number }>(100)
        const newest = new Map<string, { step: number }>()
        const sizes = new Map<string, number>()
        for (const [step, { key, size, read }] of list.entries()) {
          if (read) {
            expect([newest.get(key), undefined]).toContain(cache.get(key))
          } else {
            newest.set(key, { step })
            sizes.set(key, size)
            cache.set(key, newest.get(key)!, size)
          }
        }
        // Asking moves items about, but can't make more of them.
        const held = [...'abcdefgh'].filter((key) => cache.get(key) !== undefined)
        const total = held.reduce((sum, key) => sum + sizes.get(key)!, 0)
        expect(total).toBeLessThanOrEqual(100)
        expect(cache.count).toBeLessThanOrEqual(held.length)
      }),
    )
  })
})
