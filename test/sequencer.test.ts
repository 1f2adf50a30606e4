import { expect, test } from 'vitest'
import type { TestSpecification, Vitest } from 'vitest/node'
import LongestFirst from './sequencer.ts'

test('in a fresh clone the files that take longest begin first, then the largest', async () => {
  const sizes = new Map([
    ['test/core/a.test.ts', 10],
    ['test/sim/b.test.ts', 1],
    ['test/core/c.test.ts', 20],
    ['test/cli/d.test.ts', 5],
    ['test/sim/e.test.ts', 2],
  ])
  const cache = {
    getFileTestResults: () => undefined,
    getFileStats: (key: string) => ({ size: sizes.get(key.slice(1)) }),
  }
  const sequencer = new LongestFirst({ cache, config: { root: '/clone' } } as unknown as Vitest)
  const project = { name: '', config: { isolate: true, sequence: { groupOrder: 0 } } }
  const files = [...sizes.keys()].map((path) => ({ project, moduleId: `/clone/${path}` }))
  const sorted = await sequencer.sort(files as unknown as TestSpecification[])
  expect(sorted.map(({ moduleId }) => moduleId.slice('/clone/test/'.length))).toEqual([
    'sim/e.test.ts',
    'sim/b.test.ts',
    'cli/d.test.ts',
    'core/c.test.ts',
    'core/a.test.ts',
  ])
})
