import { describe, test } from 'vitest'
import { MemoryEngine } from '../../src/store/memory.ts'
import { engineSuite, storeSuite } from '../../src/testing.ts'
import { memoryPlace } from './places.ts'

describe('the engine in memory', () => {
  engineSuite({
    test,
    place: () => {
      const engine = new MemoryEngine()
      return Promise.resolve({
        open: () => Promise.resolve(engine),
        remove: () => Promise.resolve(),
      })
    },
  })
})

describe('the store in memory', () => storeSuite({ test, place: () => memoryPlace() }))
